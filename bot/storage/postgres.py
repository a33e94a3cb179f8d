"""One PostgreSQL connection in a thread of its own, with SQLAlchemy's Core on top of it.

A lost connection is made anew, and what was under way is done again if the server did not keep it: each transaction
leaves its number in a row of its session's own, so that nothing happens twice and nothing is taken for lost that was
not. The server's own word (`pg_xact_status`) tells only whether there is anything to wait for: one that fell before a
transaction was on its disk gives the number to another one.

So is a connection to a server that takes no changes: where several are named, or the address has come to mean another,
the next one leads to the one that does. Whoever waits is told after `PATIENCE` that there is none, and whoever comes
later at once.

A transaction about a pool begins by taking the pool's advisory lock, and then asks what time it is: processes decide
one after the other, by one clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import DeadlockDetected, InvalidParameterValue, LockNotAvailable, SerializationFailure
from psycopg.types.string import StrDumper
from sqlalchemy import Connection, create_engine, literal_column, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bot.clock import Clock, Instant, SharedClock, SystemClock
from bot.errors import DatabaseAway, StorageError
from bot.storage.dialects import upsert
from bot.storage.faults import away
from bot.storage.tables import adapter_notes
from bot.storage.thread import OwningThread
from bot.storage.units import Job, Unit
from bot.telemetry.logs import logger

log = logger(__name__)
T = TypeVar("T")

_PAUSES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Seconds between tries to reach the server."""
PATIENCE = sum(_PAUSES)
_TRIED = 0.5
"""Seconds for which nobody tries again what has just failed for longer than that."""
_HOPELESS: Mapping[str, str] = {"away": "cannot be reached", "read_only": "takes no changes"}
_BEGIN_READING = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
)
_PLATFORM = "potluck"
_MARKED = "SELECT value FROM adapter_notes WHERE platform = 'potluck' AND key = %s"
_FORGOTTEN = "DELETE FROM adapter_notes WHERE platform = 'potluck' AND key = %s"
_TRIES = 5
"""Of a transaction that others' locks were in the way of."""
_NOTICED: dict[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""By libpq's parameters, how soon a server that is gone without a word is known to be."""
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET lock_timeout = '15s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)


class _Text(StrDumper):
    """PostgreSQL keeps no NUL within a text."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


class _LostError(Exception):
    """The connection is gone or of no use, and so is all of the transaction."""


class _ReadOnlyError(Exception):
    """The server reads only, so that what it has may be old."""

    sqlstate = "25006"


class PostgresSession:
    """`bot.storage.units.Session` over a server.

    Args:
        keeps_time: the server's clock is the authority; else the given one is.
    """

    mixes = False
    transactions = 0

    def __init__(self, url: str, clock: Clock, *, keeps_time: bool = True) -> None:
        self._clock, self._keeps_time = clock, keeps_time
        self._name = shown(url)
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 5, "application_name": "potluck", **_NOTICED},
        )
        self._thread = OwningThread("postgres")
        self._mark = f"done {token_hex(8)}"
        """Names the row of this session's own."""
        self._marks = _marks(self._mark)
        self._core: Connection | None = None
        self._raw: psycopg.Connection[Any]
        self._now = Instant(0)
        self._away_since: float | None = None
        """By the machine's clock. None: what was done last could be."""
        self._given_up: tuple[float, DatabaseAway] | None = None
        """When that was found last, since patience is over."""

    @classmethod
    def alone(cls, url: str) -> PostgresSession:
        """One that is connected already, to be used in the caller's own thread and then `dropped`.

        Raises:
            StorageError: the server cannot be reached.
        """
        session = cls(url, SystemClock())
        session._patiently(lambda _: None)
        return session

    @property
    def core(self) -> Connection:
        """The connection there is now."""
        assert self._core is not None
        return self._core

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        return await self._thread.run(partial(work, *args))

    async def open(self) -> None:
        await self.run(self._patiently, lambda _: None)

    async def shut(self) -> None:
        await self.run(self._over)
        self._thread.end()

    def now(self) -> Instant:
        return self._now if self._keeps_time else self._clock.now()

    def write(self, jobs: Sequence[Job[Any]], of: str) -> None:
        self._patiently(lambda _: self._write_unhindered(jobs, of))

    def read(self, unit: Unit[T]) -> T:
        def work(core: Connection) -> T:
            with self._transaction(_BEGIN_READING):
                return unit(core)

        return self._patiently(work)

    def _patiently(self, work: Callable[[Connection], T]) -> T:
        """Do it on a connection, on another one if that is lost.

        Raises:
            DatabaseAway: there has been none of use for `PATIENCE`.
        """
        self._be_quick_if_hopeless()
        while True:
            try:
                done = work(self._connected())
            except _LostError as error:
                self.dropped()
                self._wait_or_give_up(error.__cause__ or error)
            except BaseException:
                self._away_since = None
                raise
            else:
                self._away_since = None
                return done

    def _be_quick_if_hopeless(self) -> None:
        """Nothing is tried where it was just found hopeless: others wait behind, and each try may take seconds."""
        if self._away_since is not None and self._given_up is not None:
            at, found = self._given_up
            if time.monotonic() - at < _TRIED:
                raise DatabaseAway(found.fault, str(found))

    def _wait_or_give_up(self, cause: BaseException) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        for_long = now - self._away_since
        told = away(cause)
        if for_long >= PATIENCE:
            fault = "away" if told is None else told.fault
            found = DatabaseAway(fault, f"{self._name} {_HOPELESS.get(fault, 'fails')}: {_first_line(cause)}")
            self._given_up = now, found
            raise found from cause
        time.sleep(min(0.5, max(0.05, for_long)))

    # --- a transaction -----------------------------------------------------------------------------------

    def _write_unhindered(self, jobs: Sequence[Job[Any]], of: str) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._write(jobs, of)
                return
            except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
                if not left:
                    raise
                log.info("others were in the way", extra={"action": "again", "why": type(error).__name__})

    def _write(self, jobs: Sequence[Job[Any]], of: str) -> None:
        self.transactions += 1
        # Whatever the server's default is: what is read under the lock is as it is then.
        with self._transaction(f"BEGIN ISOLATION LEVEL READ COMMITTED; {_turn(of, self._marks)}"):
            for job in jobs:
                self._attempt(job, alone=len(jobs) == 1)

    def _attempt(self, job: Job[Any], *, alone: bool) -> None:
        assert self._core is not None
        job.error = None
        if alone:
            job.value = job.unit(self._core)
            return
        self._raw.execute("SAVEPOINT unit")
        try:
            job.value = job.unit(self._core)
        except BaseException as error:
            _keep_values_out(error)
            if self._raw.closed or isinstance(_cause(error), DeadlockDetected | LockNotAvailable):
                raise
            self._raw.execute("ROLLBACK TO unit")
            job.error = error
        self._raw.execute("RELEASE unit")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """Raises what the body does, but `_LostError` where the connection is lost and nothing was kept."""
        raw, number = self._raw, None
        try:
            began = raw.execute(begin)
            while began.nextset():
                pass
            told: tuple[Any, ...] = () if began.description is None else began.fetchall()[0]
            if len(told) == 2:
                number, now = told
                self._told(now)
            elif told and told[0]:
                raise _ReadOnlyError
            yield
        except BaseException as error:
            _keep_values_out(error)
            if raw.closed or _reads_only(_cause(error)):
                raise _LostError from error
            raw.execute("ROLLBACK")
            if (cause := _cause(error)) is not error:
                raise cause from error
            raise
        try:
            raw.execute("COMMIT")
        except psycopg.Error as error:
            if not raw.closed:
                with suppress(psycopg.Error):
                    raw.execute("ROLLBACK")
                raise
            if number is None or not self._kept(number):
                raise _LostError from error

    def _kept(self, number: str) -> bool:
        """Whether the server has kept a transaction whose end the connection did not live to hear of."""
        for pause in (*_PAUSES, None):
            self.dropped()
            try:
                self._connected()
                status = self._raw.execute("SELECT pg_xact_status(%s::xid8)", [number]).fetchall()[0][0]
                if status != "in progress":
                    marked = self._raw.execute(_MARKED, [self._mark]).fetchone()
                    return marked is not None and bool(marked[0] == number)
            except InvalidParameterValue:  # the number is still to come: the server fell, and knows nothing of ours
                return False
            except (_LostError, psycopg.OperationalError):
                pass
            if pause is not None:
                time.sleep(pause)
        raise StorageError(f"{self._name} does not say whether it kept what it was told")

    # --- the connection ----------------------------------------------------------------------------------

    def _connected(self) -> Connection:
        """Raises: _LostError: there is none to be had now. DatabaseAway: nor will there be, as things are."""
        if self._core is not None and not self._raw.closed:
            return self._core
        self.dropped()
        try:
            self._core = self._engine.connect()
            raw = self._core.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)
            raw.adapters.register_dumper(str, _Text)
            for setting in _SETTINGS:
                raw.execute(setting)
            self._raw = raw
            self._told(raw.execute("SELECT extract(epoch FROM clock_timestamp())").fetchall()[0][0])
            return self._core
        except (DBAPIError, psycopg.Error) as error:
            self.dropped()
            if not _passes(_cause(error)):
                raise DatabaseAway("away", f"{self._name} cannot be reached: {_first_line(error)}") from error
            raise _LostError from error

    def _told(self, now: object) -> None:
        """What time it is, by the server."""
        self._now = Instant(float(str(now)))
        if isinstance(self._clock, SharedClock):
            self._clock.told(self._now)

    def _over(self) -> None:
        if self._core is not None and not self._raw.closed:
            with suppress(psycopg.Error):
                self._raw.execute(_FORGOTTEN, [self._mark])
        self.dropped()

    def dropped(self) -> None:
        """Disconnect, however the connection is."""
        core, self._core = self._core, None
        if core is not None:
            with suppress(DBAPIError, psycopg.Error):
                core.invalidate()
            with suppress(DBAPIError, psycopg.Error):
                core.close()


def lock_of(name: str) -> int:
    """The number of an advisory lock, by what it is for."""
    return int.from_bytes(hashlib.blake2b(f"potluck {name}".encode(), digest_size=8).digest(), signed=True)


def shown(url: str) -> str:
    """An address as anyone may see it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=True)


def libpq(url: str) -> str:
    """An address for psycopg itself: how SQLAlchemy names several hosts is its own."""
    known = make_url(url)
    _, arguments = known.get_dialect()().create_connect_args(known)
    return make_conninfo(**{name: value for name, value in arguments.items() if name != "context"})


def _turn(of: str, marks: str) -> str:
    # The time is asked for when the lock is there: who waited longer is not earlier.
    lock = [f"SELECT pg_advisory_xact_lock({lock_of(of)})"] if of else []
    return "; ".join([*lock, marks, "SELECT pg_current_xact_id()::text, extract(epoch FROM clock_timestamp())"])


def _marks(mark: str) -> str:
    """Leaves a transaction's number."""
    number, now = "pg_current_xact_id()::text", "(extract(epoch FROM now()) * 1000000)::bigint"
    row = upsert(adapter_notes).values(
        platform=_PLATFORM, key=mark, value=literal_column(number), noted_at=literal_column(now)
    )
    marking = row.on_conflict_do_update(
        index_elements=["platform", "key"], set_={name: row.excluded[name] for name in ("value", "noted_at")}
    )
    dialect: Any = postgresql.dialect
    return str(marking.compile(dialect=dialect(), compile_kwargs={"literal_binds": True}))


def _cause(error: BaseException) -> BaseException:
    """What psycopg said, where SQLAlchemy has wrapped it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


def _keep_values_out(error: BaseException) -> None:
    """The server tells of the row that it could not take, and of keys: what members wrote is nothing for a log."""
    for one in (error, _cause(error)):
        if isinstance(one, DBAPIError | psycopg.Error):
            one.args = (_first_line(one),)


def _reads_only(error: BaseException) -> bool:
    return getattr(error, "sqlstate", None) == _ReadOnlyError.sqlstate


def _passes(error: BaseException) -> bool:
    """A server that is away, or starting, may come back; a wrong password does not get better."""
    state = getattr(error, "sqlstate", None)
    text = str(error)
    return (
        isinstance(error, psycopg.OperationalError)
        and (state is None or state.startswith(("57P", "53", "08")))
        and not any(sign in text for sign in ("authentication failed", "does not exist", "no pg_hba.conf"))
    )


def _first_line(error: BaseException) -> str:
    text = str(_cause(error)).strip().splitlines()
    return next((line for line in text if line), type(error).__name__)[:200]


async def notices(url: str, channel: str) -> AsyncGenerator[str]:
    """What is told on a channel, from when the first, which is empty, has come. What was told while the connection was
    lost is not told again: an empty one says that something may have been missed."""
    plain = libpq(url)
    while True:
        try:
            with closing(await _listening(plain, channel)) as connection:
                yield ""
                while True:
                    # Not psycopg's own waiting, which looks ten times a second whether anything has come.
                    await _readable(connection.fileno())
                    for notice in list(connection.notifies(timeout=0)):
                        yield notice.payload
        except psycopg.Error as error:
            log.info("no notices for now", extra={"action": "listen", "error": _first_line(error)})
        await asyncio.sleep(1.0)


async def _listening(url: str, channel: str) -> psycopg.Connection[Any]:
    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5, **_NOTICED)
        connection.execute(f"LISTEN {channel}")
        return connection

    connecting = asyncio.create_task(asyncio.to_thread(connect))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(psycopg.Error):
            (await connecting).close()
        raise


async def _readable(file: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
