"""One SQLite connection in a thread of its own, with SQLAlchemy's Core on top of it.

The file is in WAL mode with `synchronous=FULL`: a unit whose transaction is committed survives a power cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from bot.clock import Clock, Instant
from bot.errors import StorageError
from bot.storage.units import Job, Unit

T = TypeVar("T")


class SqliteSession(aiosqlite.Connection):
    """`bot.storage.units.Session` over a file."""

    mixes = True
    transactions = 0
    core: Connection

    def __init__(self, file: Path, clock: Clock) -> None:
        super().__init__(lambda: _connect(file), iter_chunk_size=64)
        self._file, self._clock = file, clock
        # A program that fails before it closes the database must end all the same.
        self._thread.daemon = True

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        # aiosqlite's own way in; each of its public methods is one call of it, for one statement at a time.
        execute: Callable[..., Awaitable[T]] = self._execute
        return await execute(work, *args)

    async def open(self) -> None:
        try:
            await self
        except sqlite3.Error as error:
            raise StorageError(f"{self._file}: {error}") from error
        engine = create_engine("sqlite://", creator=lambda: self._conn, poolclass=StaticPool, hide_parameters=True)
        # SQLAlchemy stays out of transactions: `_transaction` below begins and ends them.
        self.core = await self.run(lambda: engine.connect().execution_options(isolation_level="AUTOCOMMIT"))

    async def shut(self) -> None:
        await self.run(self.core.close)
        await self.close()

    def now(self) -> Instant:
        return self._clock.now()

    def write(self, jobs: Sequence[Job[Any]], of: str) -> None:
        self.transactions += 1
        with _transaction(self._conn, "BEGIN IMMEDIATE"):
            for job in jobs:
                self._attempt(job, alone=len(jobs) == 1)

    def read(self, unit: Unit[T]) -> T:
        with _transaction(self._conn, "BEGIN"):
            return unit(self.core)

    def _attempt(self, job: Job[Any], *, alone: bool) -> None:
        if alone:
            job.value = job.unit(self.core)
            return
        self._conn.execute("SAVEPOINT unit")
        try:
            job.value = job.unit(self.core)
        except BaseException as error:
            if not self._conn.in_transaction:  # a full disk has ended it: nothing of any of them has happened
                raise
            self._conn.execute("ROLLBACK TO unit")
            job.error = error
        self._conn.execute("RELEASE unit")


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, timeout=10)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite ends it by itself after some errors (a full disk): then there is nothing to roll back.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
