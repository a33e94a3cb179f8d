"""The ledger in SQL: each method is one unit of work. What a lease's rows are: `opening`, `closing`, `left_open`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from bot.clock import DAY, Clock, Instant
from bot.messages import Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import Ask
from bot.quota.ledger import (
    WINDOW,
    AlreadyHandled,
    Aside,
    Caps,
    Claim,
    DaySpent,
    Lease,
    MinuteFull,
    NoAttemptLeftError,
    Outcome,
    PoolId,
    Reserved,
    Standing,
)
from bot.quota.word import Said, Word
from bot.storage import day_events as kept
from bot.storage.closing import GIVEN_UP, release, settle
from bot.storage.database import Database
from bot.storage.dialects import Prepared, upsert
from bot.storage.left_open import CRASHED, close_open
from bot.storage.moments import MICROSECONDS, instant, microseconds
from bot.storage.opening import HandledError, NotReserved, open_aside, take, take_second
from bot.storage.tables import day_events, leases, member_days, pool_days, pools
from bot.storage.words import keep_word, word_after

_WINDOW = int(WINDOW * MICROSECONDS)
_ADD_POOL = Prepared(upsert(pools).values(id=bindparam("pool"), started=0).on_conflict_do_nothing())


class SqlLedger:
    """`bot.quota.ledger.Ledger` over one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self.shared: Callable[[PoolId], bool] = lambda pool: False
        """Others use the pool at this time, and are told at once what happens in it."""

    async def add_pool(self, pool: PoolId) -> None:
        """Make sure the pool exists. Before its first lease."""
        await self._database.write(lambda connection: _ADD_POOL(connection, pool=pool))

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        try:
            return await self._database.write(
                lambda connection: self.take(connection, claim, caps, events), of=claim.pool
            )
        except NotReserved as refusal:
            return refusal.reason
        except HandledError:
            return AlreadyHandled()

    def take(
        self,
        connection: Connection,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        word: int | None = None,
        also: tuple[Prepared, ...] = (),
        **values: Any,
    ) -> Lease:
        """As `opening.take`, told to the others."""
        if self.shared(claim.pool):
            also = (*also, kept.TELL)
        now, process = self._database.now(), self._database.process
        return take(connection, claim, caps, events, now, process, word=word, also=also, **values)

    def take_second(
        self,
        connection: Connection,
        lease: Lease,
        outcome: Outcome,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        word: int | None = None,
    ) -> Lease:
        """As `opening.take_second`, told to the others.

        Raises:
            NoAttemptLeftError: it is a second attempt itself, or was opened aside.
        """
        if lease.attempt != 1 or lease.aside:
            raise NoAttemptLeftError(f"lease {lease.id} has no second attempt")
        now, process = self._database.now(), self._database.process
        second = take_second(connection, lease, outcome, claim, caps, events, now, process, word=word)
        self.tell(connection, lease.pool)
        return second

    def keep(self, connection: Connection, pool: PoolId, events: Sequence[DayEvent]) -> None:
        """Write events down, within a unit of work."""
        kept.keep(connection, pool, events, self._database.process)
        self.tell(connection, pool)

    def tell(self, connection: Connection, pool: PoolId) -> None:
        """The others are told that something has happened, within a unit of work."""
        if self.shared(pool):
            kept.TELL(connection, pool=pool)

    async def open_aside(self, claim: Claim) -> Aside:
        try:
            return await self._database.write(
                lambda connection: open_aside(connection, claim, self._database.now(), self._database.process)
            )
        except HandledError:
            return AlreadyHandled()

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        try:
            return await self._database.write(
                lambda connection: self.take_second(connection, lease, outcome, claim, caps, events), of=lease.pool
            )
        except NotReserved as refusal:
            return refusal.reason

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        def unit(connection: Connection) -> None:
            if settle(connection, lease, outcome, self._database.now()):
                self.keep(connection, lease.pool, events)

        await self._database.write(unit, of="" if lease.aside else lease.pool)

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        def unit(connection: Connection) -> None:
            if release(connection, lease, self._database.now()):
                self.keep(connection, lease.pool, events)

        await self._database.write(unit, of="" if lease.aside else lease.pool)

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        await self._database.write(lambda connection: self.keep(connection, pool, events), of=pool)

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        def unit(connection: Connection) -> Word:
            word = keep_word(connection, pool, day, said, self._database.process)
            self.tell(connection, pool)
            return word

        return await self._database.write(unit, of=pool)

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        wanted = (
            select(*kept.EVENT)
            .where(day_events.c.pool == pool, day_events.c.day == day)
            .order_by(day_events.c.at, day_events.c.id)
        )

        def unit(connection: Connection) -> list[DayEvent]:
            return [kept.event_of(row) for row in connection.execute(wanted)]

        return await self._database.read(unit)

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        wanted = select(day_events.c.day, day_events.c.at, day_events.c.community, day_events.c.member).where(
            day_events.c.pool == pool, day_events.c.day.between(first, last), day_events.c.kind == EventKind.ASKED
        )

        def unit(connection: Connection) -> dict[int, list[Ask]]:
            days: dict[int, list[Ask]] = {}
            for row in connection.execute(wanted):
                days.setdefault(row.day, []).append(Ask(instant(row.at) % DAY, row.community, row.member))
            return {day: sorted(asks) for day, asks in days.items()}

        return await self._database.read(unit)

    async def prune(self, *, before_day: int) -> None:
        """Delete who asked and was sent what on the days before one, for good. The pool's own totals name nobody."""

        def unit(connection: Connection) -> None:
            connection.execute(delete(day_events).where(day_events.c.day < before_day))
            connection.execute(delete(member_days).where(member_days.c.day < before_day))
            connection.execute(delete(leases).where(leases.c.day < before_day, leases.c.settled_at.is_not(None)))

        await self._database.write(unit)

    async def standing(self, pool: PoolId, day: int) -> Standing:
        now = self._clock.now()
        return await self._database.read(lambda connection: standing(connection, pool, day, now))

    async def recover(self) -> int:
        return await close_open(self._database, CRASHED)

    async def give_up(self) -> int:
        """As `recover`, at any time: of processes that are not heard of any more."""
        return await close_open(self._database, GIVEN_UP)


def standing(connection: Connection, pool: PoolId, day: int, now: Instant) -> Standing:
    """As `SqlLedger.standing`, within the caller's unit of work."""
    used = select(pool_days.c.used).where(pool_days.c.pool == pool, pool_days.c.day == day)
    taken = connection.execute(
        select(member_days.c.member, member_days.c.taken).where(member_days.c.pool == pool, member_days.c.day == day)
    )
    started = connection.scalar(select(pools.c.started).where(pools.c.id == pool)) or 0
    at = microseconds(now)
    recent = connection.execute(
        select(leases.c.reserved_at, leases.c.member)
        .where(leases.c.pool == pool, leases.c.number > started - 100_000)
        .where(leases.c.reserved_at > at - _WINDOW, leases.c.reserved_at <= at + _WINDOW)
        .order_by(leases.c.number)
    )
    return Standing(
        used=connection.scalar(used) or 0,
        taken={Member.parse(row.member): row.taken for row in taken},
        recent=[(instant(row.reserved_at), Member.parse(row.member)) for row in recent],
        word=word_after(connection, pool, day, -1) or Word(day=day),
    )
