"""What a database file is, found out without changing a byte of it.

Nothing is added to its folder, but for one case: where a crash left a journal, SQLite makes the journal's index
(`-shm`) anew to read it, as the next start would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

State: TypeAlias = Literal["missing", "new", "current", "older", "newer", "foreign", "unreadable"]
"""`new`: a database without tables. `older`, `newer`: than this program; the next start brings an older one up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found."""

    state: State
    version: str | None = None
    reason: str = ""
    """Why it is unreadable, in SQLite's words."""


def inspect_file(file: Path) -> Inspection:
    """Look at a database file. Never raises for what it finds."""
    if not file.exists():
        return Inspection(state="missing")
    try:
        with closing(sqlite3.connect(_uri(file), uri=True, isolation_level=None, timeout=2)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "alembic_version" not in tables:
                return Inspection(state="foreign" if tables else "new")
            row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        return Inspection(state="unreadable", reason=str(error))
    version = None if row is None else str(row[0])
    return Inspection(state=_state(version, tables), version=version)


def used_on(file: Path, pool: str, day: int) -> int | None:
    """Units that Potluck itself took of a pool on a UTC day; None: there is no book to tell."""
    try:
        with closing(sqlite3.connect(_uri(file), uri=True, isolation_level=None, timeout=2)) as db:
            row = db.execute("SELECT used FROM pool_days WHERE pool = ? AND day = ?", (pool, day)).fetchone()
    except sqlite3.Error:
        return None
    return 0 if row is None else int(row[0])


def community_keys(file: Path) -> Mapping[str, str]:
    """The sealed keys of communities, by their owner; none where there is no book to tell."""
    try:
        with closing(sqlite3.connect(_uri(file), uri=True, isolation_level=None, timeout=2)) as db:
            return dict(db.execute("SELECT owner, sealed FROM own_keys WHERE pool IS NOT NULL ORDER BY owner"))
    except sqlite3.Error:
        return {}


def _uri(file: Path) -> str:
    """Read only. Where no journal lies beside the file, it is opened as one that nobody changes: to read a database
    in WAL mode SQLite would otherwise make that journal, and remove it again."""
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
