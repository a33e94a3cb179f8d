"""One database, and how units of work run on it.

A unit is a plain function of a SQLAlchemy connection. It runs whole in the connection's own thread: one hop from the
loop and back, however many statements it has. Units that are waiting when the writer is free share one transaction and
so one fsync; each stands or falls by itself in a savepoint of its own.

`bot.storage.sqlite` and `bot.storage.postgres` have the connections; `bot.storage.dialects` what statements need to
know of the difference. When `write` returns, the unit survives a power cut.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from sqlalchemy import Select, select

from bot.clock import Clock, Instant
from bot.errors import DatabaseAway
from bot.storage.faults import away
from bot.storage.sqlite import SqliteSession
from bot.storage.tables import processes
from bot.storage.units import Job, Session, Unit, Where
from bot.telemetry.units import Timed, UnitTimes

T = TypeVar("T")

_SHARED = 64
"""Units that may share a transaction. More would make the first of them wait for the last."""
DEAD = 8.0
"""Seconds without a sign of life after which a process is taken to be dead."""


class Database:
    """The database of one process: one connection that writes and one that reads. `open` before use, `close` after.

    Args:
        where: see `bot.storage.units.Where`.
        keeps_time: PostgreSQL's clock is the authority on when something happened, for all processes alike. Not in
            virtual time.
    """

    def __init__(self, where: Where, clock: Clock, *, keeps_time: bool = True) -> None:
        self.where, self._clock = where, clock
        self.process = None if isinstance(where, Path) else token_hex(8)
        """This one's name among several. Of a file there is one alone."""
        self._writer, self._reader = (_session(where, clock, keeps_time=keeps_time) for _ in range(2))
        self._waiting: deque[Job[Any]] = deque()
        self.times = UnitTimes(clock)
        self.wrote_at = clock.monotonic()
        """When something was written last, by the monotonic clock."""
        self.trouble: DatabaseAway | None = None
        """Why nothing could be since; None: nothing says so."""
        self._at_work = 0
        self._left_behind: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open what `bot.storage.migration.migrate` has made.

        Raises:
            StorageError: it cannot be opened.
        """
        self._at_work += 1
        try:
            await self._writer.open()
            await self._reader.open()
        finally:
            self._at_work -= 1

    async def close(self) -> None:
        """Finish the units under way, then close."""
        self._at_work += 1
        try:
            await self._writer.shut()
            await self._reader.shut()
        finally:
            self._at_work -= 1

    @property
    def busy(self) -> bool:
        """True while a unit is under way in one of the threads."""
        return self._at_work > 0

    def living(self) -> Select[str]:
        """The processes that live."""
        cut = round((self.now() - DEAD) * 1_000_000)
        return select(processes.c.id).where(processes.c.seen_at > cut)

    def now(self) -> Instant:
        """For a unit that writes: the moment it happens at."""
        return self._writer.now()

    @property
    def transaction(self) -> int:
        """For a unit that writes: which one it is in, counted from the start."""
        return self._writer.transactions

    async def write(self, unit: Unit[T], *, of: str = "") -> T:
        """Run a unit in a transaction that holds the write lock from its start; durable when this returns.

        `of` names the pool a unit is about. It holds that pool's lock, so that no other process decides meanwhile;
        without it a unit must be right by its statements alone.

        A unit whose caller is cancelled still runs: whoever cannot lose the result shields the call.

        Raises:
            DatabaseAway: nothing can be written for now; nothing of the unit has happened.
        """
        job = Job(Timed(unit, self._clock), of)
        self._waiting.append(job)
        await self._hop(self._writer, self._drain)
        if job.error is None:
            return job.value
        if (cause := away(job.error)) is not None:
            raise cause from job.error
        raise job.error

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, on one snapshot of the database. Waits for no writer.

        Raises:
            DatabaseAway: nothing can be read for now.
        """
        try:
            return await self._hop(self._reader, self._look, Timed(unit, self._clock))
        except Exception as error:
            if (cause := away(error)) is not None:
                raise cause from error
            raise

    async def _hop(self, session: Session, work: Callable[..., T], *args: Any) -> T:
        self._at_work += 1
        try:
            result = await session.run(work, *args)
        except asyncio.CancelledError:
            # The work goes on without its caller: it is over when what is queued behind it is.
            behind = asyncio.create_task(session.run(lambda: None))
            self._left_behind.add(behind)
            behind.add_done_callback(self._over)
            raise
        except BaseException:
            self._at_work -= 1
            raise
        self._at_work -= 1
        return result

    def _over(self, behind: asyncio.Task[None]) -> None:
        self._left_behind.discard(behind)
        self._at_work -= 1

    def _drain(self) -> None:
        """Run what waits, in the writer's thread. Each caller calls it once, after adding its own job, and each call
        takes the first that waits: so every job is done by the time its caller's own call returns."""
        jobs = self._taken()
        if not jobs:
            return
        began = self._clock.monotonic()
        try:
            self._writer.write(jobs, jobs[0].of)
            self.wrote_at = self._clock.monotonic()
            self.trouble = next((away(job.error) for job in jobs if job.error is not None), None)
        except BaseException as error:  # the transaction itself: every unit in it is undone
            self.trouble = away(error) or self.trouble
            for job in jobs:
                job.error = error
        self.times.took("write", [job.unit for job in jobs], began, failed=self.trouble is not None)

    def _look(self, unit: Timed[T]) -> T:
        """Run a unit in the reader's thread."""
        began, failed = self._clock.monotonic(), True
        try:
            value = self._reader.read(unit)
            failed = False
            return value
        finally:
            self.times.took("read", [unit], began, failed=failed)

    def _taken(self) -> list[Job[Any]]:
        """The first that waits, and those that may share its transaction."""
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        jobs, rest = [first], list[Job[Any]]()
        # Locks of one pool, or of none but one's own rows: two processes can never wait for each other.
        while self._waiting and len(jobs) < _SHARED and (self._writer.mixes or first.of):
            job = self._waiting.popleft()
            (jobs if self._writer.mixes or job.of == first.of else rest).append(job)
        self._waiting.extendleft(reversed(rest))
        return jobs


def _session(where: Where, clock: Clock, *, keeps_time: bool) -> Session:
    if isinstance(where, Path):
        return SqliteSession(where, clock)
    # psycopg comes with the extra `postgres` only.
    from bot.storage.postgres import PostgresSession

    return PostgresSession(where, clock, keeps_time=keeps_time)
