"""A day's events as they are kept, and the word to other processes that something has happened in a pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select

from bot.clock import day_of
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import PoolId
from bot.storage.dialects import Prepared
from bot.storage.moments import instant, microseconds
from bot.storage.tables import day_events

CHANNEL = "potluck"
TELL = Prepared(select(func.pg_notify(CHANNEL, bindparam("pool"))))
"""The others are to look what has happened in the pool. Over PostgreSQL only."""
EVENT = tuple(day_events.c[name] for name in ("kind", "at", "member", "community", "units", "other"))
"""The columns `event_of` reads, in its order."""
_OWN = ("day", "at", "kind", "member", "community", "units", "other")
"""Columns of an event; the pool and the process are those of all that are written together."""
_AT_ONCE = 8


@cache
def added(count: int) -> Prepared:
    """So many events, written down: with the values of `values_of`."""
    return Prepared(
        insert(day_events).values(
            [
                {"pool": bindparam("pool"), "process": bindparam("process")}
                | {name: bindparam(f"{name}_{number}") for name in _OWN}
                for number in range(count)
            ]
        )
    )


def values_of(pool: PoolId, events: Sequence[DayEvent], process: str | None) -> dict[str, Any]:
    """What `added` writes."""
    values: dict[str, Any] = {"pool": pool, "process": process}
    for number, event in enumerate(events):
        values |= {
            f"day_{number}": day_of(event.at),
            f"at_{number}": microseconds(event.at),
            f"kind_{number}": event.kind.value,
            f"member_{number}": event.member.key,
            f"community_{number}": event.community,
            f"units_{number}": event.units,
            f"other_{number}": None if event.other is None else event.other.key,
        }
    return values


def keep(connection: Connection, pool: PoolId, events: Sequence[DayEvent], process: str | None) -> None:
    """Write events down, within a unit of work."""
    left = iter(events)
    while some := list(islice(left, _AT_ONCE)):
        added(len(some))(connection, **values_of(pool, some, process))


def event_of(row: Sequence[Any]) -> DayEvent:
    """An event from its columns."""
    kind, at, member, community, units, other = row
    return DayEvent(
        kind=EventKind(kind),
        at=instant(at),
        member=Member.parse(member),
        community=CommunityId(community),
        units=units,
        other=None if other is None else Member.parse(other),
    )
