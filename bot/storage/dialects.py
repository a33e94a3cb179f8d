"""What differs between SQLite and PostgreSQL, for whoever writes statements.

Everything else is SQLAlchemy's: the same Core statements and migrations run over both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import insert as upsert

__all__ = ["Prepared", "raw", "upsert"]  # PostgreSQL's `insert` compiles for SQLite too, and not the other way round

_NAMED = sqlite.dialect(paramstyle="named")


class _Cursor(Protocol):
    @property
    def description(self) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class Raw(Protocol):
    """What lies below a connection: `sqlite3.Connection` or `psycopg.Connection`, as far as they are alike."""

    def execute(self, sql: str, values: Mapping[str, Any] = ...) -> _Cursor: ...

    def cursor(self) -> Any: ...


_RAW: WeakKeyDictionary[Connection, Raw] = WeakKeyDictionary()
"""The way down is asked for with every statement, and is long."""


def raw(core: Connection) -> Raw:
    """What lies below a connection."""
    found = _RAW.get(core)
    if found is None:
        found = _RAW[core] = cast(Raw, core.connection.driver_connection)
    return found


class Prepared:
    """A Core statement compiled once, for the few that stand between a member and an answer.

    SQLAlchemy's execution of a cached statement costs more than the database's own work here; this keeps the statement
    and leaves the machinery out. Values go to the driver as they are: integers, text, truth, None.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._kept: dict[str, tuple[str, dict[str, Any]]] = {}

    def __call__(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Execute; the first row, if the statement gives rows."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def all(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """Execute; every row."""
        sql, fixed = self.compiled(connection)
        cursor = raw(connection).execute(sql, fixed | values)
        return [] if cursor.description is None else cursor.fetchall()

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each of the rows."""
        if rows:
            sql, fixed = self.compiled(connection)
            raw(connection).cursor().executemany(sql, [{**fixed, **row} for row in rows])

    def compiled(self, connection: Connection) -> tuple[str, dict[str, Any]]:
        """The SQL for a connection's kind of database, and the values that are always the same."""
        name = connection.dialect.name
        found = self._kept.get(name)
        if found is None:
            compiled = self._statement.compile(dialect=_NAMED if name == "sqlite" else connection.dialect)
            found = self._kept[name] = str(compiled), dict(compiled.params)
        return found
