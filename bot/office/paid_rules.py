"""Who may spend the account's money, as it is kept: grants and denials by their numbers. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import CommunityId, Member, ModelId
from bot.office.edits import Json
from bot.routing.access import Grantee, Reach, Rule, RuleId, ToCommunity, ToGroup, ToMember, ToRole
from bot.routing.prices import Rates, plain

BY_OWNER = "by_owner"
"""Marks a rule of those who run Potluck, which only they take back."""


def written(rule: Rule) -> dict[str, Json]:
    """A rule as it is kept, but for its number."""
    return {
        "allows": rule.allows,
        "to": _to(rule.to),
        "models": None if rule.reach.models is None else sorted(rule.reach.models),
        "ceiling": None if rule.reach.ceiling is None else _prices(rule.reach.ceiling),
        "ends_at": rule.ends_at,
    }


def _to(to: Grantee) -> dict[str, str | None]:
    match to:
        case ToMember(member=member, community=community):
            return {"member": member.key, "community": community}
        case ToRole(community=community, role=role):
            return {"role": role, "community": community}
        case ToGroup(community=community, group=group):
            return {"group": group, "community": community}
        case ToCommunity(community=community):
            return {"community": community}
        case _:
            assert_never(to)


def _prices(rates: Rates) -> dict[str, str]:
    prices = {"prompt": rates.prompt, "completion": rates.completion, "request": rates.request, "image": rates.image}
    return {name: plain(price) for name, price in prices.items()}


def read(number: int, kept: Json) -> Rule:
    """Raises: StorageError: it is no rule. Without a denial somebody could spend who must not."""
    try:
        found: Any = kept
        if not isinstance(found["allows"], bool):
            raise TypeError
        return Rule(
            id=RuleId(number),
            allows=found["allows"],
            to=_grantee(found["to"]),
            reach=Reach(
                models=None if found["models"] is None else frozenset(ModelId(model) for model in found["models"]),
                ceiling=None if found["ceiling"] is None else _rates(found["ceiling"]),
            ),
            ends_at=None if found["ends_at"] is None else Instant(float(found["ends_at"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise StorageError(f"The access rule {number} cannot be read: {error!r}.") from error


def _grantee(kept: dict[str, Any]) -> Grantee:
    community = None if kept["community"] is None else CommunityId(kept["community"])
    if "member" in kept:
        return ToMember(Member.parse(kept["member"]), community)
    if community is None:
        raise ValueError("a rule for many names no community")
    if "role" in kept:
        return ToRole(community, kept["role"])
    return ToGroup(community, kept["group"]) if "group" in kept else ToCommunity(community)


def _rates(kept: dict[str, str]) -> Rates:
    return Rates(**{name: Decimal(price) for name, price in kept.items()})
