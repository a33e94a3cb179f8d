"""Leases that nobody will settle any more: of a process that has crashed, or that the others have given up."""

from __future__ import annotations

from functools import partial

from sqlalchemy import ColumnElement, Connection, or_, select, update

from bot.messages import CommunityId, Member
from bot.quota.events import cut_off
from bot.quota.ledger import PoolId
from bot.storage.closing import GIVE_MEMBER_BACK
from bot.storage.database import Database
from bot.storage.day_events import keep
from bot.storage.moments import instant, microseconds
from bot.storage.tables import leases, turns

CRASHED = "crashed"
"""The outcome of those that are found at the start."""


async def close_open(database: Database, outcome: str) -> int:
    """Close what no process that lives has: the pools' units stay spent, the members' are given back. How many."""
    left = select(leases.c.pool).where(leases.c.settled_at.is_(None), _of_nobody(database)).distinct()
    found = await database.read(lambda connection: connection.scalars(left).all())
    cut = 0
    for pool in found:
        cut += await database.write(partial(_close_open_of, database, PoolId(pool), outcome), of=pool)
    return cut


def _close_open_of(database: Database, pool: PoolId, outcome: str, connection: Connection) -> int:
    at = microseconds(database.now())
    cut = connection.execute(
        update(leases)
        .where(leases.c.settled_at.is_(None), leases.c.pool == pool, _of_nobody(database))
        .values(settled_at=at, outcome=outcome)
        .returning(leases.c.day, leases.c.member, leases.c.turn, leases.c.reserved_at, leases.c.lane)
    ).all()
    for row in cut:
        connection.execute(update(turns).where(turns.c.id == row.turn).values(ended_at=at))
        if row.lane != "free":
            continue
        GIVE_MEMBER_BACK(connection, in_pool=pool, on_day=row.day, of_member=row.member)
        community = connection.scalar(select(turns.c.community).where(turns.c.id == row.turn)) or ""
        member, reserved_at = Member.parse(row.member), instant(row.reserved_at)
        # Nobody has written these: who follows the others' hears of them, too.
        keep(connection, pool, cut_off(member, CommunityId(community), reserved_at), None)
    return len(cut)


def _of_nobody(database: Database) -> ColumnElement[bool]:
    """No process that lives has it."""
    return or_(leases.c.process.is_(None), leases.c.process.not_in(database.living()))
