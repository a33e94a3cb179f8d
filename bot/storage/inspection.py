"""What a database is, found out without changing a byte of it.

Nothing is added to a file's folder, but for one case: where a crash left a journal, SQLite makes the journal's index
(`-shm`) anew to read it, as the next start would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import sqlalchemy
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bot.errors import StorageError
from bot.messages import CommunityId
from bot.quota.ledger import PoolId
from bot.storage.tables import own_keys, pool_days
from bot.storage.units import Where

State: TypeAlias = Literal["missing", "new", "current", "older", "newer", "foreign", "unreadable"]
"""`new`: a database without tables. `older`, `newer`: than this program; the next start brings an older one up."""
UNREADABLE = (SQLAlchemyError, sqlite3.Error, StorageError)
"""What `reading` and statements over it raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found."""

    state: State
    version: str | None = None
    reason: str = ""
    """Why it is unreadable, in the database's words."""


def inspect(where: Where) -> Inspection:
    """Look at a database. Never raises for what it finds."""
    if isinstance(where, Path) and not where.exists():
        return Inspection(state="missing")
    try:
        with reading(where) as connection:
            tables = set(sqlalchemy.inspect(connection).get_table_names())
            if "alembic_version" not in tables:
                return Inspection(state="foreign" if tables else "new")
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except UNREADABLE as error:
        reason = getattr(error, "orig", None) or error
        return Inspection(state="unreadable", reason=str(reason).strip())
    return Inspection(state=_state(version, tables), version=version)


def used_on(where: Where, pool: str, day: int) -> int | None:
    """Units that Potluck itself took of a pool on a UTC day; None: there is no book to tell."""
    wanted = select(pool_days.c.used).where(pool_days.c.pool == pool, pool_days.c.day == day)
    try:
        with reading(where) as connection:
            return connection.scalar(wanted) or 0
    except UNREADABLE:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """A community's key, as it is kept."""

    owner: str
    sealed: str
    pool: PoolId
    """Of the account it is a key of."""


def community_keys(where: Where) -> Mapping[CommunityId, KeptKey]:
    """The keys of communities; none where there is no book to tell."""
    columns = own_keys.c.owner, own_keys.c.sealed, own_keys.c.pool
    wanted = select(*columns).where(own_keys.c.pool.is_not(None)).order_by(own_keys.c.owner)
    try:
        with reading(where) as connection:
            return {
                CommunityId(row.owner.partition(" ")[2]): KeptKey(
                    owner=row.owner, sealed=row.sealed, pool=PoolId(row.pool)
                )
                for row in connection.execute(wanted)
            }
    except UNREADABLE:
        return {}


@contextmanager
def reading(where: Where) -> Iterator[Connection]:
    """A connection that changes nothing."""
    if isinstance(where, Path):
        name, file = read_only(where), where
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(name, uri=True, isolation_level=None, timeout=2),
            poolclass=StaticPool,
        )
        if not file.exists():
            raise StorageError(f"{file} is not there")
    else:
        options = {"connect_timeout": 3, "options": "-c default_transaction_read_only=on"}
        engine = create_engine(where, connect_args=options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def read_only(file: Path) -> str:
    """The address by which SQLite opens a file to read only.

    Where no journal lies beside the file, it is opened as one that nobody changes: to read a database in WAL mode
    SQLite would otherwise make that journal, and remove it again.
    """
    journal = file.with_name(f"{file.name}-wal")
    whole = not journal.exists() or not journal.stat().st_size
    return f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' if whole else ''}"


def _state(version: str | None, tables: set[str]) -> State:
    # Alembic is slow to import and needed once: not while the program's modules load.
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    scripts = ScriptDirectory.from_config(config)
    if version is None or version in {script.revision for script in scripts.walk_revisions()}:
        return "current" if version == scripts.get_current_head() else "older"
    return "newer" if {"turns", "leases"} <= tables else "foreign"
