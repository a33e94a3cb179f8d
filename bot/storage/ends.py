"""The two ends of a copy: a database that is read at one moment, and one that is filled or left as it was."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from bot.errors import StorageError
from bot.storage.inspection import inspect, read_only
from bot.storage.migration import migrate

End: TypeAlias = Connection
"""A database that is open, in a transaction."""

_SQLITE = "sqlite+aiosqlite:///"


@contextmanager
def reading(url: str) -> Iterator[End]:
    """A database as it is at this moment, also while Potluck writes to it.

    Raises:
        StorageError: it is not there, or no database of Potluck's that can be read.
    """
    file = _file(url)
    _known(file)
    # Not read-only: to read beside a writer SQLite wants to leave a mark in the journal's index.
    with _sqlite(file, f"{file.resolve().as_uri()}?mode=rw", begin="BEGIN") as connection:
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
        with reading(f"{_SQLITE}{copy}") as up_to_date:
            yield up_to_date


@contextmanager
def filling(url: str) -> Iterator[End]:
    """A database with the tables of this version, made where there are none.

    Raises:
        StorageError: it cannot be written, or is another program's.
    """
    file = _file(url)
    migrate(file)
    with _sqlite(file, f"{file.resolve().as_uri()}?mode=rw", begin="BEGIN IMMEDIATE") as connection:
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
        with filling(f"{_SQLITE}{part}") as connection:
            yield connection
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, file)  # unlike a rename, never in place of a file that has come meanwhile
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


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


def _known(file: Path) -> None:
    found = inspect(file)
    if found.state not in ("current", "older", "newer"):
        why = f" ({found.reason})" if found.reason else ""
        raise StorageError(f"{file} is no database of Potluck's{why}.")


def _file(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE))
