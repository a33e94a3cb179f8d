"""What other processes did with a pool: where it stands, and what has happened since it was last looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, exists, func, or_, select

from bot.clock import Instant, day_of
from bot.messages import Member
from bot.quota.board import Cursor, News, Opened
from bot.quota.ledger import PoolId
from bot.storage.day_events import EVENT, event_of
from bot.storage.dialects import Prepared
from bot.storage.ledger import standing
from bot.storage.tables import day_events, leases, line_changes
from bot.storage.tickets import WAITS, change_of
from bot.storage.words import word_after

_RECALLED = 2_000
"""Turns of the newest tickets that started, which a process that begins takes into account."""
_of_others = (
    day_events.c.pool == bindparam("pool"),
    day_events.c.day.in_([bindparam("before"), bindparam("today"), bindparam("after")]),
    day_events.c.id > bindparam("seen_event", type_=BigInteger),
    or_(day_events.c.process.is_(None), day_events.c.process != bindparam("own")),
)
_changes_of_others = (
    line_changes.c.pool == bindparam("pool"),
    line_changes.c.id > bindparam("seen_change", type_=BigInteger),
    line_changes.c.process != bindparam("own"),
)
EVENTS = Prepared(select(day_events.c.id, *EVENT).where(*_of_others).order_by(day_events.c.id))
CHANGES = Prepared(select(line_changes).where(*_changes_of_others).order_by(line_changes.c.id))
ANY = Prepared(select(or_(exists().where(*_changes_of_others), exists().where(*_of_others))))
"""Whether there is one of either, which is asked before every lease."""


def after(connection: Connection, pool: PoolId, seen: Cursor, now: Instant, process: str) -> News | None:
    """What others than a process did; None: nothing."""
    values = _since(pool, seen, now, process)
    found = ANY(connection, **values)
    if found is None or not found[0]:
        return None
    return News(
        events=[(row[0], event_of(row[1:])) for row in EVENTS.all(connection, **values)],
        changes=[(row[0], change_of(row)) for row in CHANGES.all(connection, **values)],
    )


def all_after(connection: Connection, pool: PoolId, seen: Cursor, now: Instant, process: str) -> News | None:
    """The same with what the account has said, which who reserves is told in any case."""
    news = after(connection, pool, seen, now, process)
    word = word_after(connection, pool, day_of(now), seen.word)
    return news if word is None else replace(news or News(), word=word)


def opened(connection: Connection, pool: PoolId, day: int, now: Instant, process: str) -> Opened:
    """Where the pool stands, for a process that begins."""
    everybody = EVENTS.all(connection, **_since(pool, Cursor(), now, ""))
    events = [event for event in (event_of(row[1:]) for row in everybody) if day_of(event.at) == day]
    newest = connection.scalar(select(func.max(day_events.c.id)).where(day_events.c.pool == pool)) or 0
    change = connection.scalar(select(func.max(line_changes.c.id)).where(line_changes.c.pool == pool)) or 0
    ours = select(line_changes).where(line_changes.c.pool == pool)
    started = ours.where(line_changes.c.state == "started").order_by(line_changes.c.id.desc()).limit(_RECALLED)
    stands = standing(connection, pool, day, now)
    return Opened(
        events=sorted(events, key=lambda event: event.at),
        standing=stands,
        waiting=[change_of(tuple(row)) for row in connection.execute(ours.where(WAITS).order_by(line_changes.c.id))],
        started=[change_of(tuple(row)) for row in connection.execute(started)],
        busy=_under_way(connection, pool, day, process),
        cursor=Cursor(newest, change, stands.word.number),
    )


def _under_way(connection: Connection, pool: PoolId, day: int, process: str) -> dict[Member, int]:
    """Requests in other processes."""
    busy = (
        select(leases.c.member)
        .where(leases.c.pool == pool, leases.c.settled_at.is_(None), leases.c.process != process)
        .where(leases.c.lane == "free", leases.c.day == day)
    )
    found: dict[Member, int] = {}
    for key in connection.scalars(busy):
        member = Member.parse(key)
        found[member] = found.get(member, 0) + 1
    return found


def _since(pool: PoolId, seen: Cursor, now: Instant, own: str) -> dict[str, Any]:
    day = day_of(now)
    return {
        "pool": pool,
        "seen_event": seen.event,
        "seen_change": seen.change,
        "own": own,
        "before": day - 1,
        "today": day,
        "after": day + 1,
    }
