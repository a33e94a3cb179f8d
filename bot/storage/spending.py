"""What has been spent and is set aside, in counters that a budget can be held against.

Every request is counted for its member, its community, both and everything, in its day, its month and for ever,
whether there is a budget or not: one that is set in the middle of a month knows what was spent before. The counters
are touched in one fixed order, so that two requests cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, or_, select, update

from bot.clock import Instant
from bot.messages import CommunityId, Member, ModelId
from bot.routing.budget import PERIODS, Budget, Pico, Spend, number_of
from bot.storage.dialects import Prepared, upsert
from bot.storage.tables import spending

_COUNTER = ("account", "member", "community", "period", "number")

HOLD = Prepared(
    upsert(spending)
    .values({name: bindparam(name) for name in _COUNTER} | {"spent": 0, "held": bindparam("amount", type_=BigInteger)})
    .on_conflict_do_update(
        index_elements=_COUNTER,
        set_={"held": spending.c.held + bindparam("amount", type_=BigInteger)},
        where=or_(
            bindparam("most", type_=BigInteger) < 0,
            spending.c.spent + spending.c.held + bindparam("amount", type_=BigInteger)
            <= bindparam("most", type_=BigInteger),
        ),
    )
    .returning(spending.c.held)
)
"""Sets `amount` aside in a counter; no row comes back where that would pass `most`. A counter that is not there yet is
made, which no condition guards."""
FREE = Prepared(
    update(spending)
    .where(and_(*(spending.c[name] == bindparam(f"in_{name}") for name in _COUNTER)))
    .values(
        held=spending.c.held - bindparam("amount", type_=BigInteger),
        spent=spending.c.spent + bindparam("cost", type_=BigInteger),
    )
)
"""Takes back an `amount` that was set aside, and counts what it `cost`."""
NO_LIMIT = -1
"""For `HOLD`: there is no most."""


def counters(spend: Spend, at: Instant) -> Iterator[dict[str, Any]]:
    """Of a request, always in this order: the widest first."""
    member, community = spend.member.key, spend.community
    for one, place in (("", ""), ("", community), (member, ""), (member, community)):
        for period in PERIODS:
            yield {
                "account": spend.account,
                "member": one,
                "community": place,
                "period": period,
                "number": number_of(period, at),
            }


def counted_by(budget: Budget, spend: Spend) -> tuple[str, str]:
    """The counter that a budget limits, of a request it applies to."""
    return "" if budget.member is None else spend.member.key, budget.community or ""


def left_of(connection: Connection, budget: Budget, at: Instant) -> Pico:
    """What is left of a budget in its period; of each member's, what each has at most."""
    if budget.member == "each":
        return budget.limit
    spend = Spend(
        account=budget.account,
        member=budget.member or Member("", ""),  # of all together, so of no one
        community=budget.community or CommunityId(""),
        model=ModelId(""),
        most=Pico(0),
    )
    return left_for(connection, budget, spend, at)


def left_for(connection: Connection, budget: Budget, spend: Spend, at: Instant) -> Pico:
    """What is left of a budget in its period, for a request it applies to."""
    member, community = counted_by(budget, spend)
    gone = connection.scalar(
        select(spending.c.spent + spending.c.held).where(
            spending.c.account == spend.account,
            spending.c.member == member,
            spending.c.community == community,
            spending.c.period == budget.period,
            spending.c.number == number_of(budget.period, at),
        )
    )
    return Pico(max(0, budget.limit - (gone or 0)))
