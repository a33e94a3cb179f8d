"""Brings a database to this program's version, or says why it cannot.

Runs at every start and by `potluck migrate`. All steps are one transaction: a crash in the middle leaves the
database as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from bot.errors import StorageError
from bot.storage.units import Where

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What `migrate` did."""

    before: str | None
    """The version it found; None: a new database."""
    after: str


def migrate(where: Where, *, to: str = "head") -> Migrated:
    """Create or upgrade the database. Of a server's, only the tables: the database itself has to be there.

    Raises:
        StorageError: it is no database, is another program's, is newer than this program, or cannot be written. It is
            left as it was.
    """
    return _migrate_file(where, to) if isinstance(where, Path) else _migrate_server(where, to)


def _migrate_file(file: Path, to: str) -> Migrated:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # What people write is nobody else's on this machine; SQLite gives its journals the same mode.
        file.touch(mode=0o600)
        raw = sqlite3.connect(file, isolation_level=None, timeout=30)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"{file} cannot be opened: {error}. Set DATABASE_URL to a file that can be.") from error
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection, transaction(connection, "BEGIN IMMEDIATE"):
            return _upgrade(connection, str(file), to)
    except StorageError:
        raise
    except Exception as error:
        if not isinstance(error, sqlite3.Error) and not isinstance(error.__cause__, sqlite3.Error):
            raise
        reason = error.__cause__ or error
        raise StorageError(f"{file}: {reason}. Set DATABASE_URL to a file Potluck may write.") from error
    finally:
        engine.dispose()
        raw.close()


def _migrate_server(url: str, to: str) -> Migrated:
    from bot.storage.postgres import PostgresSession, lock_of, shown

    session = PostgresSession.alone(url)
    try:
        # One process at a time: the others find it done.
        with transaction(session.core, f"BEGIN; SELECT pg_advisory_xact_lock({lock_of('migration')})"):
            return _upgrade(session.core, shown(url), to)
    except DBAPIError as error:
        raise StorageError(f"{shown(url)}: {str(error.orig).strip()}.") from error
    finally:
        session.dropped()


@contextmanager
def transaction(connection: Connection, begin: str) -> Iterator[None]:
    """A transaction that begins with these words, on a connection that begins none by itself."""
    connection.exec_driver_sql(begin)
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def _upgrade(connection: Connection, name: str, to: str) -> Migrated:
    # Alembic is slow to import and needed once: not while the program's modules load.
    from alembic import command
    from alembic.runtime.migration import MigrationContext

    scripts = _scripts()
    tables = set(inspect(connection).get_table_names())
    before = MigrationContext.configure(connection).get_current_revision()
    what = "file" if connection.dialect.name == "sqlite" else "database"
    # Alembic's own table does not tell: other programs have one too, and number their versions likewise.
    if tables - {"alembic_version"} and (before is None or not {"turns", "leases"} <= tables):
        raise StorageError(f"{name} belongs to another program. Set DATABASE_URL to a {what} of Potluck's own.")
    if before is not None and before not in {script.revision for script in scripts.walk_revisions()}:
        raise StorageError(
            f"{name} was written by a newer Potluck (version {before}). Update Potluck, or restore an older {what}."
        )
    if before is not None and before == (scripts.get_current_head() if to == "head" else to):
        return Migrated(before=before, after=before)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    after = MigrationContext.configure(connection).get_current_revision()
    assert after is not None
    return Migrated(before=before, after=after)


def _config() -> Config:
    from alembic.config import Config

    import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return config


@cache
def _scripts() -> ScriptDirectory:
    """The steps there are, read once: to load them takes longer than to see that nothing is to be done."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
