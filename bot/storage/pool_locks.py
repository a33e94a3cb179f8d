"""Holding pools against other processes within a unit of work that is about a person, not about one pool.

What concerns a pool is written by who holds it, so that its events are numbered in the order in which they come to be
seen. An event written by anybody else could be seen after one with a higher number, and would never be heard of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, select

from bot.storage.tables import day_events


def pools_of(connection: Connection, names: Sequence[str], day: int) -> list[str]:
    """The pools in which something of these has happened on a day."""
    wanted = select(day_events.c.pool).distinct().where(day_events.c.day == day, day_events.c.member.in_(names))
    return sorted(connection.scalars(wanted))


def hold(connection: Connection, pools: Iterable[str]) -> None:
    """Hold these to the end of the unit, whose beginning this is: who holds rows already could wait for ever."""
    if connection.dialect.name == "postgresql":
        from bot.storage.postgres import lock_of

        for pool in sorted(pools):  # in one order, so that no two wait for each other
            connection.execute(select(func.pg_advisory_xact_lock(lock_of(pool))))


def tell(connection: Connection, channel: str, pools: Iterable[str]) -> None:
    """Tell other processes that something has happened in these."""
    if connection.dialect.name == "postgresql":
        for pool in pools:
            connection.execute(select(func.pg_notify(channel, pool)))
