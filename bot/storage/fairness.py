"""How fairly each day was shared, in SQL: a row a pool and day, without a name."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bot.fairness import DayFairness
from bot.quota.events import EventKind
from bot.quota.ledger import PoolId
from bot.storage.database import Database
from bot.storage.dialects import upsert
from bot.storage.tables import day_events, day_fairness


class SqlFairness:
    """`bot.fairness.FairnessStore` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, pool: PoolId, day: int) -> DayFairness | None:
        wanted = select(day_fairness).where(day_fairness.c.pool == pool, day_fairness.c.day == day)

        def unit(connection: Connection) -> DayFairness | None:
            row = connection.execute(wanted).one_or_none()
            if row is None:
                return None
            return DayFairness(
                day=row.day,
                ratio=row.ratio,
                members=row.members,
                asked=row.asked,
                given=row.given,
                units=row.units,
            )

        return await self._database.read(unit)

    async def missing(self, pool: PoolId, *, before: int) -> Sequence[int]:
        known = select(day_fairness.c.day).where(day_fairness.c.pool == pool)
        wanted = (
            select(day_events.c.day)
            .distinct()
            .where(
                day_events.c.pool == pool,
                day_events.c.day < before,
                day_events.c.kind == EventKind.ASKED,
                day_events.c.day.not_in(known),
            )
            .order_by(day_events.c.day)
        )
        return await self._database.read(lambda connection: connection.scalars(wanted).all())

    async def keep(self, pool: PoolId, figure: DayFairness) -> None:
        row = upsert(day_fairness).values(
            pool=pool,
            day=figure.day,
            ratio=figure.ratio,
            members=figure.members,
            asked=figure.asked,
            given=figure.given,
            units=figure.units,
        )
        change = row.on_conflict_do_nothing(index_elements=["pool", "day"])
        await self._database.write(lambda connection: connection.execute(change) and None)
