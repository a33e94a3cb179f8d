"""What accounts have said, in SQL: beside what their pools have given, so that a lease is given and asked at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, case, func, select, update

from bot.quota.ledger import PoolId
from bot.quota.word import OF_THE_DAY, Said, Word
from bot.storage.dialects import Prepared, upsert
from bot.storage.moments import instant, microseconds
from bot.storage.tables import pool_days, pools, processes

_SHUT = case((pools.c.shut_by.in_(select(processes.c.id)), pools.c.shut_for))
"""What a process has found out holds no longer than the process: nobody else may ever look whether it is still so."""
_WORD = Prepared(
    select(
        pools.c.told,
        pools.c.paused_until,
        pools.c.rpm,
        pools.c.rpm_under,
        pools.c.rpd,
        _SHUT,
        func.coalesce(pool_days.c.elsewhere, 0),
        pool_days.c.spent_at,
        func.coalesce(pool_days.c.begun, False),
    )
    .select_from(pools)
    .outerjoin(pool_days, and_(pool_days.c.pool == pools.c.id, pool_days.c.day == bindparam("day")))
    .where(pools.c.id == bindparam("pool"), pools.c.told > bindparam("seen", type_=BigInteger))
)


def word_after(connection: Connection, pool: PoolId, day: int, seen: int) -> Word | None:
    """What the account has said, of that day too. None: nothing since."""
    row = _WORD(connection, pool=pool, day=day, seen=seen)
    if row is None:
        return None
    number, paused_until, rpm, rpm_under, rpd, shut_for, elsewhere, spent_at, begun = row
    return Word(
        number=number,
        paused_until=None if paused_until is None else instant(paused_until),
        rpm=rpm,
        rpm_under=rpm_under,
        rpd=rpd,
        shut_for=shut_for,
        day=day,
        elsewhere=elsewhere,
        spent_at=spent_at,
        begun=bool(begun),
    )


def keep_word(connection: Connection, pool: PoolId, day: int, said: Said, process: str | None) -> Word:
    """Keep what it has said, of that day where it is about a day. Returns all that it has."""
    values: dict[str, Any] = {name: value for name, value in said.items() if name not in OF_THE_DAY}
    if (until := said.get("paused_until")) is not None:
        values["paused_until"] = microseconds(until)
    if "shut_for" in values:
        values["shut_by"] = process
    connection.execute(update(pools).where(pools.c.id == pool).values(told=pools.c.told + 1, **values))
    of_day: dict[str, Any] = {name: value for name, value in said.items() if name in OF_THE_DAY}
    if of_day:
        row = upsert(pool_days).values(pool=pool, day=day, used=0, **of_day)
        connection.execute(row.on_conflict_do_update(index_elements=["pool", "day"], set_=of_day))
    word = word_after(connection, pool, day, -1)
    assert word is not None, f"the pool {pool} was never added"
    return word
