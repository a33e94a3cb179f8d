"""Who used what, in SQL: sums over the day's events and over what was charged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, case, func, select

from bot.clock import day_of, day_start
from bot.messages import CommunityId, Member, ModelId
from bot.quota.events import EventKind
from bot.routing.budget import Pico, usd
from bot.storage.database import Database
from bot.storage.moments import instant, microseconds
from bot.storage.tables import charges, day_events, turns
from bot.uses import Use


def _how_many(**units: int) -> ColumnElement[int]:
    return func.sum(case(*((day_events.c.kind == kind, units_of) for kind, units_of in units.items()), else_=0))


_TAKEN = {EventKind.LET_THROUGH.value: 1, EventKind.WITHDRAWN.value: -1, EventKind.GIVEN_BACK.value: -1}


class SqlUses:
    """`bot.uses.UsesStore` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, community: CommunityId, *, first: int, last: int) -> Sequence[Use]:
        return await self._uses(day_events.c.community == community, charges.c.community == community, first, last)

    async def by(self, names: Collection[Member], *, first: int, last: int) -> Sequence[Use]:
        keys = [name.key for name in names]
        return await self._uses(day_events.c.member.in_(keys), charges.c.member.in_(keys), first, last)

    async def _uses(
        self, asked_there: ColumnElement[bool], paid_there: ColumnElement[bool], first: int, last: int
    ) -> Sequence[Use]:
        free = (
            select(
                day_events.c.day,
                day_events.c.member,
                _how_many(asked=1).label("asked"),
                _how_many(**_TAKEN).label("taken"),
                _how_many(refused=1).label("refused"),
            )
            .where(day_events.c.day.between(first, last), asked_there)
            .where(day_events.c.kind != EventKind.JOINED)
            .group_by(day_events.c.day, day_events.c.member)
        )
        paid = select(charges.c.reserved_at, charges.c.member, charges.c.cost).where(
            paid_there,
            charges.c.reserved_at >= microseconds(day_start(first)),
            charges.c.reserved_at < microseconds(day_start(last + 1)),
            charges.c.state.in_(("settled", "given_up")),
        )

        def unit(connection: Connection) -> list[Use]:
            found = [
                Use(
                    day=row.day,
                    member=Member.parse(row.member),
                    asked=row.asked,
                    taken=row.taken,
                    refused=row.refused,
                )
                for row in connection.execute(free)
            ]
            for row in connection.execute(paid):
                day, member = day_of(instant(row.reserved_at)), Member.parse(row.member)
                found.append(Use(day=day, member=member, paid=1, usd=usd(Pico(row.cost or 0))))
            return found

        return await self._database.read(unit)

    async def any(self, names: Collection[Member], community: CommunityId) -> bool:
        wanted = (
            select(day_events.c.id)
            .where(day_events.c.community == community, day_events.c.member.in_([name.key for name in names]))
            .limit(1)
        )
        return await self._database.read(lambda connection: connection.scalar(wanted)) is not None

    async def models(self, community: CommunityId, *, first: int, last: int) -> Counter[ModelId]:
        wanted = (
            select(turns.c.model, func.count().label("answers"))
            .where(turns.c.community == community, turns.c.model.is_not(None))
            .where(turns.c.asked_at >= microseconds(day_start(first)))
            .where(turns.c.asked_at < microseconds(day_start(last + 1)))
            .group_by(turns.c.model)
        )

        def unit(connection: Connection) -> Counter[ModelId]:
            return Counter({ModelId(row.model): row.answers for row in connection.execute(wanted)})

        return await self._database.read(unit)
