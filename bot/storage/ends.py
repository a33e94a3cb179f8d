"""The two ends of a copy: a database that is read at one moment, and one that is filled or left as it was."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from bot.errors import StorageError
from bot.storage.inspection import inspect, read_only
from bot.storage.migration import migrate, transaction
from bot.storage.units import Where

End: TypeAlias = Connection
"""A database that is open, in a transaction."""


@contextmanager
def reading(where: Where) -> Iterator[End]:
    """A database as it is at this moment, also while Potluck writes to it.

    Raises:
        StorageError: it is not there, or no database of Potluck's that can be read.
    """
    _known(where)
    with _open(where, file="BEGIN", server="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as connection:
        yield connection


@contextmanager
def upgraded(file: Path) -> Iterator[End]:
    """A database file that nobody writes to, read as this version of Potluck would have it. The file is not changed.

    Raises:
        StorageError: as `reading`; or a newer Potluck made it.
    """
    _known(file)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        try:
            with (
                closing(sqlite3.connect(read_only(file), uri=True)) as kept,
                closing(sqlite3.connect(copy)) as raw,
            ):
                kept.backup(raw)
        except sqlite3.Error as error:
            raise StorageError(f"{file}: {error}.") from error
        migrate(copy)
        with reading(copy) as up_to_date:
            yield up_to_date


@contextmanager
def filling(where: Where) -> Iterator[End]:
    """A database with the tables of this version, made where there are none.

    Raises:
        StorageError: it cannot be written, or is another program's.
    """
    migrate(where)
    with _open(where, file="BEGIN IMMEDIATE", server="BEGIN") as connection:
        yield connection


@contextmanager
def new_file(file: Path) -> Iterator[End]:
    """A database file that is there whole at the end, or not at all.

    Raises:
        StorageError: there is one of that name, or it cannot be written.
    """
    if file.exists():
        raise StorageError(f"{file} is there already. Name another, or move it away.")
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        with filling(part) as connection:
            yield connection
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, file)  # unlike a rename, never in place of a file that has come meanwhile
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def in_use(url: str) -> bool:
    """A Potluck is connected to a server's database."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'potluck' AND pid <> pg_backend_pid()"
    )
    with _server(url, begin="BEGIN") as connection:
        return bool(connection.scalar(text(others)))


def _open(where: Where, *, file: str, server: str) -> AbstractContextManager[End]:
    """In a transaction that begins so."""
    if isinstance(where, Path):
        # Never read-only: to read beside a writer SQLite wants to leave a mark in the journal's index.
        return _sqlite(where, f"{where.resolve().as_uri()}?mode=rw", begin=file)
    return _server(where, begin=server)


@contextmanager
def _sqlite(file: Path, address: str, *, begin: str) -> Iterator[End]:
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=30)) as raw:
            engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                raw.execute(begin)
                try:
                    yield connection
                    raw.execute("COMMIT")
                except BaseException:
                    if raw.in_transaction:
                        raw.execute("ROLLBACK")
                    raise
    except sqlite3.Error as error:
        raise StorageError(f"{file}: {error}.") from error


@contextmanager
def _server(url: str, *, begin: str) -> Iterator[End]:
    from bot.storage.postgres import PostgresSession, shown

    session = PostgresSession.alone(url)
    try:
        with transaction(session.core, begin):
            yield session.core
    except DBAPIError as error:
        raise StorageError(f"{shown(url)}: {str(error.orig).strip()}.") from error
    finally:
        session.dropped()


def _known(where: Where) -> None:
    found = inspect(where)
    if found.state not in ("current", "older", "newer"):
        why = f" ({found.reason})" if found.reason else ""
        raise StorageError(f"{_name(where)} is no database of Potluck's{why}.")


def _name(where: Where) -> str:
    if isinstance(where, Path):
        return str(where)
    from bot.storage.postgres import shown

    return shown(where)
