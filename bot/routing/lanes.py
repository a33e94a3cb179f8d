"""Which lane a question takes: the pool, the member's own account, or credits. Pure; it moves nobody silently.

What is free stays free: a question that names no model, or a free one, takes the paid lane only where the member has
switched that on and named no model. Everyone else is told what it would cost, and asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from bot.clock import Instant
from bot.errors import PaidOffer as Offer
from bot.messages import ModelId
from bot.routing.access import Covered, NotCovered
from bot.routing.prices import Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What the budgets that apply leave, the least of them. Advice: `bot.storage.money` decides."""

    left: Decimal
    """US dollars."""
    resets_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidWay:
    """What the paid lane would be for this question, if it may be taken."""

    model: ModelId
    access: Covered | NotCovered
    most: Decimal
    """US dollars this question costs at most; of no meaning where access is not given."""
    purse: Purse | None
    """None: no budget applies, so nothing may be spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """By the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """By the account the member brought. Its limits are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """By credits: set `most` aside, and hold OpenRouter to `limit`."""

    model: ModelId
    most: Decimal
    limit: Rates
    access: Covered


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLane:
    """Refused."""

    code: Literal["model_not_allowed", "budget_spent", "pool_spent"]
    why: NotCovered | None = None
    """For `model_not_allowed`."""
    resets_at: Instant | None = None
    offer: Offer | None = None


Way: TypeAlias = Free | OwnKey | Paid | NoLane
Wish: TypeAlias = Literal["open", "free_model", "paid_model"]
"""The member names no model; a free one; one that costs."""


def lane(
    wish: Wish, *, own_key: bool, pool_spent_until: Instant | None, paid: PaidWay | None, pay_when_spent: bool
) -> Way:
    """The lane of a question.

    Args:
        own_key: the member, or the community, has an account of its own: it never draws on the pool.
        pool_spent_until: when the pool has units again; None: it has some.
        paid: by the model that is wished for, or the one the member would pay for; None: there is none.
        pay_when_spent: the member has asked to go on for money without being asked.
    """
    if own_key:
        return OwnKey()
    if wish == "paid_model":
        return NoLane(code="model_not_allowed") if paid is None else _paid(paid)
    if pool_spent_until is None:
        return Free()
    way = None if paid is None else _paid(paid)
    if not isinstance(way, Paid):
        return NoLane(code="pool_spent", resets_at=pool_spent_until)
    if wish == "open" and pay_when_spent:
        return way
    return NoLane(code="pool_spent", resets_at=pool_spent_until, offer=Offer(model=way.model, most=way.most))


def _paid(paid: PaidWay) -> Paid | NoLane:
    if isinstance(paid.access, NotCovered):
        return NoLane(code="model_not_allowed", why=paid.access)
    if paid.purse is None or paid.most > paid.purse.left:
        return NoLane(code="budget_spent", resets_at=None if paid.purse is None else paid.purse.resets_at)
    return Paid(model=paid.model, most=paid.most, limit=paid.access.limit, access=paid.access)
