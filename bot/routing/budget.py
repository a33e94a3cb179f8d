"""Budgets: how much may be spent, by whom and where, in a day, a month or ever. Pure.

Money is counted in whole picodollars, 10^-12 USD: SQL cannot add decimals that are text, floats are not exact, and
no price of OpenRouter has more places. A 64-bit integer holds nine million dollars of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Literal, NewType, TypeAlias, assert_never

from bot.clock import Instant, day_of, day_start
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId

Pico = NewType("Pico", int)
"""10^-12 US dollars."""
ChargeId = NewType("ChargeId", int)

PICO = 10**12
MOST = Pico(1_000_000 * PICO)
"""A million dollars: no budget, reservation or cost is larger."""

Period: TypeAlias = Literal["day", "month", "ever"]
PERIODS: tuple[Period, ...] = ("ever", "month", "day")


def pico(usd: Decimal) -> Pico:
    """US dollars as they are counted; what is finer than a picodollar counts as one.

    Raises:
        ValueError: it is negative, no number, or more than a million.
    """
    if not (usd.is_finite() and 0 <= usd <= 1_000_000):
        raise ValueError("is not an amount from 0 to 1,000,000 US dollars")
    with localcontext() as exact:
        exact.prec = 100
        return Pico(int((usd * PICO).to_integral_value(rounding=ROUND_CEILING)))


def usd(amount: Pico) -> Decimal:
    """Back in US dollars, exactly."""
    return Decimal(amount).scaleb(-12)


def number_of(period: Period, at: Instant) -> int:
    """Which day or month of UTC a moment is in, counted from 1970; the one `ever` is 0."""
    match period:
        case "day":
            return day_of(at)
        case "month":
            date = datetime.fromtimestamp(at, UTC)
            return (date.year - 1970) * 12 + date.month - 1
        case "ever":
            return 0
        case _:
            assert_never(period)


def ends_at(period: Period, at: Instant) -> Instant | None:
    """When the period a moment is in is over and its budget is whole again; None: never."""
    match period:
        case "day":
            return day_start(day_of(at) + 1)
        case "month":
            year, month = divmod(number_of(period, at) + 1, 12)
            return Instant(datetime(1970 + year, month + 1, 1, tzinfo=UTC).timestamp())
        case "ever":
            return None
        case _:
            assert_never(period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on what is spent from one account."""

    account: PoolId
    member: Member | Literal["each"] | None
    """Of one member; of each who has none of their own there; None: of all together."""
    community: CommunityId | None
    """In one community; None: anywhere."""
    period: Period
    limit: Pico


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """A wish to send one request that costs."""

    account: PoolId
    member: Member
    community: CommunityId
    model: ModelId
    most: Pico
    """It costs no more than this, as far as the catalogue knows."""
    accounts: frozenset[Member] = frozenset()
    """All that a budget may name the member by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money set aside for one request, durable. Settled, released or left unknown."""

    id: ChargeId
    spend: Spend
    reserved_at: Instant
    """Its day and month are charged, whenever it is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """Not enough is left, and of which budget. Nothing was set aside."""

    budget: Budget
    left: Pico
    resets_at: Instant | None


@dataclass(frozen=True, slots=True)
class NoBudget:
    """No budget says how much may be spent here, so nothing may."""


SetAside: TypeAlias = Charge | OverBudget | NoBudget


def applying(budgets: Iterable[Budget], spend: Spend) -> list[Budget]:
    """The budgets that a request must fit, all of them; a member's own in place of each member's."""
    mine = [one for one in budgets if one.account == spend.account and one.community in (None, spend.community)]
    names = {spend.member, *spend.accounts}
    own = {(one.community, one.period) for one in mine if one.member in names}

    def applies(budget: Budget) -> bool:
        if budget.member == "each":
            return (budget.community, budget.period) not in own
        return budget.member is None or budget.member in names

    return [one for one in mine if applies(one)]
