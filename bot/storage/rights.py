"""Who may spend and how much, read from a database without changing it, for whoever is not the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.clock import Instant
from bot.quota.ledger import PoolId
from bot.routing.access import Rule
from bot.routing.budget import Budget, Pico
from bot.storage import access, money
from bot.storage.inspection import UNREADABLE, reading
from bot.storage.units import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The rules of one account, and its budgets with what is left of each; of `each` member's, whole."""

    rules: Sequence[Rule]
    budgets: Sequence[tuple[Budget, Pico]]


def rights(where: Where, account: PoolId, now: Instant) -> Rights | None:
    """What stands there. None: there is no book to tell, or none that can be read."""
    try:
        with reading(where) as connection:
            return Rights(
                rules=access.rules(connection, account),
                budgets=[(one, money.left_of(connection, one, now)) for one in money.budgets_of(connection, account)],
            )
    except UNREADABLE:
        return None
