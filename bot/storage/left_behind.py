"""What a process that has ended leaves of what it alone looked after: the pools it had shut, the questions it held.

A pool is open again, since nobody looks any more whether that is still right; and a question no longer waits for room,
until the process that takes it over says that it does.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy import Connection, Integer, case, func, select

from bot.clock import day_of
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import PoolId
from bot.storage.database import Database
from bot.storage.day_events import CHANNEL, keep
from bot.storage.pool_locks import tell
from bot.storage.tables import day_events, pools

_HELD = case((day_events.c.kind == EventKind.HELD.value, 1), else_=-1).cast(Integer)
_OF_HOLDING = day_events.c.kind.in_([EventKind.HELD.value, EventKind.RELEASED.value])


async def forget(database: Database, process: str) -> None:
    """It holds no longer. As often as one likes: it is done once.

    Raises:
        DatabaseAway: it is not done yet.
    """

    def of_process(connection: Connection) -> set[str]:
        of_day = (day_events.c.day == day_of(database.now())) & (day_events.c.process == process)
        held = select(day_events.c.pool).distinct().where(of_day, _OF_HOLDING)
        return {*connection.scalars(held), *connection.scalars(select(pools.c.id).where(pools.c.shut_by == process))}

    for pool in sorted(await database.read(of_process)):
        await database.write(partial(_forget_in, database, PoolId(pool), process), of=pool)


def _forget_in(database: Database, pool: PoolId, process: str, connection: Connection) -> None:
    mine = pools.update().where(pools.c.id == pool, pools.c.shut_by == process)
    connection.execute(mine.values(told=pools.c.told + 1, shut_for=None, shut_by=None))
    now = database.now()
    of_day = (day_events.c.pool == pool) & (day_events.c.day == day_of(now)) & (day_events.c.process == process)
    who = (day_events.c.member, day_events.c.community)
    waiting = select(*who, func.sum(_HELD).label("number")).where(of_day, _OF_HOLDING).group_by(*who)
    released = [
        DayEvent(kind=EventKind.RELEASED, at=now, member=Member.parse(row.member), community=CommunityId(row.community))
        for row in connection.execute(waiting).all()
        for _ in range(row.number)
    ]
    # In its name, so that whoever does this at the same time finds nothing left.
    keep(connection, pool, released, process)
    tell(connection, CHANNEL, [pool])
