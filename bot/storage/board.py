"""Where processes over one PostgreSQL tell each other what they do with the pools, and look after what a dead one left.

Every second each gives a sign of life and looks what the others did; where they use a pool at the same time they wake
each other besides (NOTIFY). One that is alone has nothing to look at and gives its sign less often; whoever joins wakes
it. A dead one's tickets are taken out of the line, and its open leases count as spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from functools import partial

from sqlalchemy import Connection, Select

from bot.clock import Clock
from bot.errors import DatabaseAway
from bot.quota.board import Behind, Change, Cursor, News, Opened
from bot.quota.events import DayEvent
from bot.quota.ledger import (
    AlreadyHandled,
    Caps,
    Claim,
    DaySpent,
    Lease,
    MinuteFull,
    Outcome,
    PoolId,
    Reserved,
)
from bot.storage import news, tickets
from bot.storage.database import Database
from bot.storage.day_events import CHANNEL, TELL
from bot.storage.ledger import SqlLedger
from bot.storage.left_behind import forget
from bot.storage.living import Living
from bot.storage.money import SqlMoney
from bot.storage.opening import HandledError, NotReserved, OutdatedError
from bot.telemetry.logs import logger

log = logger(__name__)

_BEAT, _BEAT_ALONE = 1.0, 3.0
"""Seconds between signs of life, and between looks at what the others did."""
_COMPANY = 60.0
"""Seconds for which others who used a pool are told at once what is done with it. Those who come later look."""
_PRUNE_EVERY = 60.0


class SqlBoard:
    """`bot.quota.board.Board`. `join` before use, then `run` in a task of its own; `part` after."""

    def __init__(self, database: Database, ledger: SqlLedger, money: SqlMoney, clock: Clock) -> None:
        self.living = Living(database, clock)
        self.process = self.living.process
        self._database, self._ledger, self._money, self._clock = database, ledger, money, clock
        ledger.shared = self._shared
        self._followed: dict[PoolId, tuple[Callable[[], Cursor], Callable[[News], None]]] = {}
        self._company: dict[PoolId, float] = {}
        """When others were last heard of, by pool."""
        self._news = asyncio.Event()
        self._heard: tuple[object, News] | None = None
        """What was last found, and where it was looked for."""
        self._prune_at = 0.0

    @property
    def alone(self) -> bool:
        return self.living.alone

    # --- what a pool does --------------------------------------------------------------------------------

    async def open(self, pool: PoolId, day: int) -> Opened:
        now = self._clock.now()
        return await self._database.read(lambda connection: news.opened(connection, pool, day, now, self.process))

    def follow(self, pool: PoolId, seen: Callable[[], Cursor], hear: Callable[[News], None]) -> None:
        self._followed[pool] = seen, hear

    def leave(self, pool: PoolId) -> None:
        self._followed.pop(pool, None)

    async def look(self, pool: PoolId, seen: Cursor) -> News | None:
        found = await self._database.read(lambda connection: self._all_after(connection, pool, seen))
        if found is not None:
            self._company[pool] = self._clock.monotonic()
        return found

    async def reserve(
        self,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        seen: Cursor | None,
        word: int | None = None,
        started: Change | None,
    ) -> Reserved | Behind:
        def unit(connection: Connection) -> Lease | Behind:
            if seen is not None and (heard := self._after(connection, claim.pool, seen)) is not None:
                return Behind(heard)
            also = {} if started is None else tickets.values_of(claim.pool, started)
            change = (tickets.ADD_CHANGE,) if also else ()
            return self._ledger.take(connection, claim, caps, events, word=word, also=change, **also)

        try:
            reserved = await self._database.write(unit, of=claim.pool)
        except NotReserved as refusal:
            return refusal.reason
        except HandledError:
            return AlreadyHandled()
        except OutdatedError as outdated:
            reserved = Behind(News(word=outdated.word))
        if isinstance(reserved, Behind):
            self._company[claim.pool] = self._clock.monotonic()
        return reserved

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent], *, word: int
    ) -> Lease | MinuteFull | DaySpent | Behind:
        def unit(connection: Connection) -> Lease:
            return self._ledger.take_second(connection, lease, outcome, claim, caps, events, word=word)

        try:
            return await self._database.write(unit, of=lease.pool)
        except NotReserved as refusal:
            return refusal.reason
        except OutdatedError as outdated:
            return Behind(News(word=outdated.word))

    async def change(
        self, pool: PoolId, change: Change, events: Sequence[DayEvent], *, seen: Cursor | None = None
    ) -> Behind | None:
        def unit(connection: Connection) -> Behind | None:
            if seen is not None and (heard := self._all_after(connection, pool, seen)) is not None:
                return Behind(heard)
            tickets.ADD_CHANGE(connection, **tickets.values_of(pool, change))
            self._ledger.keep(connection, pool, events)
            return None

        return await self._database.write(unit, of=pool)

    # --- this process among the others -------------------------------------------------------------------

    async def join(self) -> None:
        """Be one of them."""
        await self.living.give_sign()
        await self._database.write(partial(TELL, pool=""))

    async def run(self) -> None:
        """Live among the others until cancelled."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                try:
                    await self.living.give_sign()
                    if not self.alone:
                        await self._look(self._followed)
                        await self._bury()
                    await self._prune()
                except Exception as error:  # the database is away: tried again, and nobody is taken for dead meanwhile
                    if self.living.interrupted():
                        log.warning("other processes cannot be heard", extra={"action": "board", "error": repr(error)})
                await self._until_next_beat()
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def part(self) -> None:
        """Be one of them no more. Nothing is under way. Where it cannot be said, the others take this one for dead."""
        try:
            await forget(self._database, self.process)
        except DatabaseAway as error:
            log.warning("others are not told of the end", extra={"action": "part", "error": str(error)})
            return
        await self.living.end()

    async def _until_next_beat(self) -> None:
        """Look at pools that there is news of meanwhile."""
        began = self._clock.monotonic()
        while (left := began + (_BEAT_ALONE if self.alone else _BEAT) - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return
            self._news.clear()
            with suppress(Exception):  # the next beat says so
                await self._look([pool for pool in self._followed if pool in self._company])

    async def _look(self, pools: Iterable[PoolId]) -> None:
        """Hear what others did with these pools."""
        wanted = [(pool, self._followed[pool][0]()) for pool in pools]

        def unit(connection: Connection) -> list[tuple[PoolId, News]]:
            found = ((pool, self._all_after(connection, pool, seen)) for pool, seen in wanted)
            return [(pool, heard) for pool, heard in found if heard is not None]

        for pool, heard in await self._database.read(unit):
            self._company[pool] = self._clock.monotonic()
            if pool in self._followed:
                self._followed[pool][1](heard)

    async def _listen(self) -> None:
        from bot.storage.postgres import notices

        assert isinstance(self._database.where, str)
        async with aclosing(notices(self._database.where, CHANNEL)) as told:
            async for pool in told:
                if not pool:
                    self.living.met_others()
                elif PoolId(pool) in self._followed:
                    self._company.setdefault(PoolId(pool), self._clock.monotonic())
                else:
                    continue
                self._news.set()

    async def _bury(self) -> None:
        """Give up what the dead have left."""
        for process in await self.living.dead():
            left = tickets.left_by(process)
            for pool in await self._database.read(partial(_scalars, left)):
                await self._database.write(partial(self._give_up, PoolId(pool), process), of=pool)
            cut = await self._ledger.give_up()
            await self._money.recover()
            await forget(self._database, process)
            await self.living.strike_off(process)
            log.warning("a process has died", extra={"action": "buried", "buried": process, "leases": cut})

    def _give_up(self, pool: PoolId, process: str, connection: Connection) -> None:
        tickets.give_up(pool, process, self._database.now(), connection)

    async def _prune(self) -> None:
        if self._clock.monotonic() < self._prune_at:
            return
        self._prune_at = self._clock.monotonic() + _PRUNE_EVERY
        await self._database.write(lambda connection: tickets.prune(self._database.now(), connection))

    # --- inside ------------------------------------------------------------------------------------------

    def _after(self, connection: Connection, pool: PoolId, seen: Cursor) -> News | None:
        """For a unit that writes. Those that share a transaction and are all behind are told the same: under the pool's
        lock nothing is added that could not be heard later, and to read it for each is what keeps them behind."""
        where = self._database.transaction, pool, seen
        if self._heard is not None and self._heard[0] == where:
            return self._heard[1]
        found = news.after(connection, pool, seen, self._clock.now(), self.process)
        self._heard = None if found is None else (where, found)
        return found

    def _all_after(self, connection: Connection, pool: PoolId, seen: Cursor) -> News | None:
        return news.all_after(connection, pool, seen, self._clock.now(), self.process)

    def _shared(self, pool: PoolId) -> bool:
        return self._clock.monotonic() - self._company.get(pool, -_COMPANY) < _COMPANY


def _scalars(wanted: Select[str], connection: Connection) -> Sequence[str]:
    return connection.scalars(wanted).all()
