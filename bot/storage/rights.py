"""Who may spend and how much, read from a database without changing it, for whoever is not the service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from bot.clock import Instant
from bot.messages import CommunityId, ModelId
from bot.office.edits import EVERYWHERE
from bot.office.house_rules import ModelRules
from bot.quota.ledger import PoolId
from bot.routing.access import Rule
from bot.routing.budget import Budget, Pico
from bot.storage import access
from bot.storage.budgets import budgets_of
from bot.storage.inspection import UNREADABLE, reading
from bot.storage.spending import left_of
from bot.storage.tables import laid_down
from bot.storage.units import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rules of one account, and its budgets with what is left of each; of `each` member's, whole."""

    rules: Sequence[Rule]
    budgets: Sequence[tuple[Budget, Pico]]

    def of(self, community: CommunityId) -> Rights:
        """Those that have a say in one community."""
        return Rights(
            rules=[rule for rule in self.rules if rule.to.community in (None, community)],
            budgets=[(budget, left) for budget, left in self.budgets if budget.community in (None, community)],
        )


def hidden(where: Where, community: CommunityId | None) -> frozenset[ModelId]:
    """Models that admins have hidden there; None: those that are hidden everywhere."""
    places = {EVERYWHERE, community or EVERYWHERE}
    wanted = select(laid_down.c.value).where(laid_down.c.kind == "models", laid_down.c.community.in_(places))
    try:
        with reading(where) as connection:
            found = [ModelRules.read(json.loads(value)) for value in connection.scalars(wanted)]
    except UNREADABLE:
        return frozenset()
    return frozenset(model for rules in found for model in rules.hidden)


def rights(where: Where, account: PoolId, now: Instant) -> Rights | None:
    """What stands there. None: there is no book to tell, or none that can be read."""
    try:
        with reading(where) as connection:
            return Rights(
                rules=access.rules(connection, account),
                budgets=[(one, left_of(connection, one, now)) for one in budgets_of(connection, account)],
            )
    except UNREADABLE:
        return None
