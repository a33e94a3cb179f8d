"""One database, and how units of work run on it.

A unit is a plain function of a SQLAlchemy connection. It runs whole in the database's own thread, which aiosqlite
owns: one hop from the loop and back, however many statements it has. Units that are waiting when the writer is
free share one transaction and so one fsync; each stands or falls by itself in a savepoint of its own.

The file is in WAL mode with `synchronous=FULL`: when `write` returns, the unit survives a power cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import aiosqlite
from sqlalchemy import ClauseElement, Connection, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import StaticPool

from bot.clock import Clock
from bot.errors import StorageError
from bot.telemetry.logs import logger

log = logger(__name__)
T = TypeVar("T")
Unit = Callable[[Connection], T]

_SHARED = 64
"""Units that may share a transaction. More would make the first of them wait for the last."""
_SLOW_SECONDS = 1.0


class _Session(aiosqlite.Connection):
    """One SQLite connection in a thread of its own, with SQLAlchemy's Core on top of it."""

    core: Connection

    def __init__(self, file: Path) -> None:
        super().__init__(lambda: _connect(file), iter_chunk_size=64)
        # A program that fails before it closes the database must end all the same.
        self._thread.daemon = True

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run a function in the connection's thread."""
        # aiosqlite's own way in; each of its public methods is one call of it, for one statement at a time.
        execute: Callable[..., Awaitable[T]] = self._execute
        return await execute(work, *args)

    async def open(self) -> None:
        await self
        engine = create_engine("sqlite://", creator=lambda: self._conn, poolclass=StaticPool)
        # SQLAlchemy stays out of transactions: `_transaction` below begins and ends them.
        self.core = await self.run(lambda: engine.connect().execution_options(isolation_level="AUTOCOMMIT"))

    async def shut(self) -> None:
        await self.run(self.core.close)
        await self.close()


class _Job(Generic[T]):
    """A unit of work on its way through the writer."""

    __slots__ = ("error", "unit", "value")

    def __init__(self, unit: Unit[T]) -> None:
        self.unit = unit
        self.value: T
        self.error: BaseException | None = None


class Database:
    """The SQLite database of one process. `open` before use, `close` after."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._writer, self._reader = _Session(file), _Session(file)
        self._waiting: deque[_Job[Any]] = deque()
        self._at_work = 0
        self._left_behind: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the file, which `bot.storage.migration.migrate` has made.

        Raises:
            StorageError: it cannot be opened.
        """
        self._at_work += 1
        try:
            await self._writer.open()
            await self._reader.open()
        except sqlite3.Error as error:
            raise StorageError(f"{self._file}: {error}") from error
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

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit in a transaction that holds the write lock from its start; durable when this returns.

        A unit whose caller is cancelled still runs: whoever cannot lose the result shields the call.
        """
        job = _Job(unit)
        self._waiting.append(job)
        await self._hop(self._writer, self._drain)
        if job.error is not None:
            raise job.error
        return job.value

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, on one snapshot of the database. Waits for no writer."""
        return await self._hop(self._reader, _read, self._reader.core, unit)

    async def _hop(self, session: _Session, work: Callable[..., T], *args: Any) -> T:
        started = self._clock.monotonic()
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
        took = self._clock.monotonic() - started
        if took > _SLOW_SECONDS:
            log.warning("the database took long", extra={"action": "slow_unit", "seconds": round(took, 3)})
        return result

    def _over(self, behind: asyncio.Task[None]) -> None:
        self._left_behind.discard(behind)
        self._at_work -= 1

    def _drain(self) -> None:
        """Run what waits, in the writer's thread. Each caller calls it once, after adding its own job: so every
        job is done by the time its caller's own call returns, by that call or by an earlier one."""
        jobs: list[_Job[Any]] = []
        while self._waiting and len(jobs) < _SHARED:
            jobs.append(self._waiting.popleft())
        if not jobs:
            return
        try:
            with _transaction(self._writer.core, "BEGIN IMMEDIATE"):
                for job in jobs:
                    _attempt(job, self._writer.core, alone=len(jobs) == 1)
        except BaseException as error:  # the transaction itself: every unit in it is undone
            for job in jobs:
                job.error = error


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, timeout=10)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _transaction(core: Connection, begin: str) -> Iterator[None]:
    raw = _raw(core)
    raw.execute(begin)
    try:
        yield
        raw.execute("COMMIT")
    except BaseException:
        # SQLite ends it by itself after some errors (a full disk): then there is nothing to roll back.
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


_RAW: WeakKeyDictionary[Connection, sqlite3.Connection] = WeakKeyDictionary()
"""What lies below a connection: the way down is asked for with every statement, and is long."""


def _raw(core: Connection) -> sqlite3.Connection:
    raw = _RAW.get(core)
    if raw is None:
        raw = core.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        _RAW[core] = raw
    return raw


def _attempt(job: _Job[Any], core: Connection, *, alone: bool) -> None:
    if alone:
        job.value = job.unit(core)
        return
    raw = _raw(core)
    raw.execute("SAVEPOINT unit")
    try:
        job.value = job.unit(core)
    except BaseException as error:
        raw.execute("ROLLBACK TO unit")
        job.error = error
    raw.execute("RELEASE unit")


def _read(core: Connection, unit: Unit[T]) -> T:
    with _transaction(core, "BEGIN"):
        return unit(core)


class Prepared:
    """A Core statement compiled once, for the few that stand between a member and an answer.

    SQLAlchemy's execution of a cached statement costs more than SQLite's own work here; this keeps the statement
    and leaves the machinery out. Values go to the driver as they are: integers, text, None.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._fixed: dict[str, Any] = dict(compiled.params)
        self._sql = str(compiled)

    def __call__(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Execute; the first row, if the statement gives rows."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def all(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Execute; every row."""
        rows: list[tuple[Any, ...]] = _raw(connection).execute(self._sql, self._fixed | values).fetchall()
        return rows

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each of the rows."""
        _raw(connection).executemany(self._sql, [{**self._fixed, **row} for row in rows])
