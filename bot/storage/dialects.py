"""What differs between SQLite and PostgreSQL, for whoever writes statements.

Everything else is SQLAlchemy's: the same Core statements and migrations run over both. `Prepared` and `Chained` are for
the few that stand between a member and an answer. SQLAlchemy's execution of a cached statement costs more than the
database's own work there: these keep the statement, compiled once, and leave the machinery out. Values go to the driver
as they are: integers, text, truth, None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, cast
from weakref import WeakKeyDictionary

from sqlalchemy import CTE, ClauseElement, ColumnElement, Connection, Select, bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.compiler import SQLCompiler

# PostgreSQL's `insert` compiles for SQLite too, and not the other way round.
__all__ = ["Chained", "Prepared", "Steps", "upsert"]


class Prepared:
    """A Core statement compiled once."""

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement
        self._kept: dict[str, _Compiled] = {}

    def __call__(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """Execute; the first row, if the statement gives rows."""
        rows = self.all(connection, **values)
        return rows[0] if rows else None

    def all(self, connection: Connection, before: str = "", /, **values: Any) -> list[tuple[Any, ...]]:
        """Execute, with a word such as EXPLAIN `before` it; every row."""
        kind = connection.dialect.name
        found = self._kept.get(kind)
        if found is None:
            found = self._kept[kind] = _Compiled(self.statement, kind)
        cursor = _driver(connection)(before + found.sql, found.in_order(values))
        return [] if cursor.description is None else cursor.fetchall()


class Steps:
    """Statements one after another, of which later ones use what earlier ones gave. See `Chained`."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once
        self.taken: list[tuple[str, Any]] = []

    def does(self, statement: Any) -> None:
        """A step whose value nobody needs."""
        name = f"step_{len(self.taken)}"
        if isinstance(statement, Select):
            self.gives(name, statement)  # PostgreSQL would not run one that is not asked for its value
        else:
            self.taken.append(("", statement.cte(name) if self.at_once else statement))

    def gives(self, name: str, statement: Any) -> ColumnElement[Any]:
        """A step that gives one value, or none; what comes back stands for it in later ones."""
        if not self.at_once:
            self.taken.append((name, statement))
            return bindparam(name)
        step: CTE = statement.cte(name)
        self.taken.append((name, step))
        return select(next(iter(step.c))).scalar_subquery()

    def together(self) -> Select[Any]:
        """All of them as one statement, whose columns are what they give."""
        given = [select(next(iter(step.c))).scalar_subquery().label(name) for name, step in self.taken if name]
        return select(*given).add_cte(*(step for _, step in self.taken))


class Chained:
    """Steps that are one statement where the database can run them so, and one round trip then.

    PostgreSQL can (WITH): each step sees the tables as they were before all of them, so none may need to see or change
    a row that another has changed; what gave nothing is NULL to later ones. SQLite runs them in turn, up to the first
    that gives nothing. Whoever finds that one did undoes all of it.
    """

    def __init__(self, steps: Callable[[Steps], None]) -> None:
        self._steps = steps
        self._kept: dict[str, tuple[Sequence[str], Sequence[_Compiled]]] = {}

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Execute; what the steps gave, by name. None, or not there: nothing."""
        kind = connection.dialect.name
        found = self._kept.get(kind)
        if found is None:
            found = self._kept[kind] = self._compiled(kind)
        names, statements = found
        run, given, known = _driver(connection), dict[str, Any](), dict(values)
        if len(statements) < len(names):
            (row,) = run(statements[0].sql, statements[0].in_order(values)).fetchall()
            return dict(zip(names, row, strict=True))
        for name, statement in zip(names, statements, strict=True):
            cursor = run(statement.sql, statement.in_order(known))
            if name:
                rows = cursor.fetchall()
                if not rows:
                    break
                known[name] = given[name] = rows[0][0]
        return given

    def _compiled(self, kind: str) -> tuple[Sequence[str], Sequence[_Compiled]]:
        steps = Steps(at_once=kind == "postgresql")
        self._steps(steps)
        if steps.at_once:
            return [name for name, _ in steps.taken if name], [_Compiled(steps.together(), kind)]
        return [name for name, _ in steps.taken], [_Compiled(statement, kind) for _, statement in steps.taken]


class _Compiled:
    """A statement as the driver takes it: with its values in order."""

    def __init__(self, statement: ClauseElement, kind: str) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=_dialect(kind)))
        self.sql = str(compiled)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._names: Sequence[str] = compiled.positiontup or ()

    def in_order(self, values: Mapping[str, Any]) -> list[Any]:
        fixed = self._fixed
        return [fixed[name] if name in fixed else values[name] for name in self._names]


class _Cursor(Protocol):
    @property
    def description(self) -> Any: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


_Driver: TypeAlias = Callable[[str, Sequence[Any]], _Cursor]
_DRIVERS: WeakKeyDictionary[Connection, _Driver] = WeakKeyDictionary()
"""The way down is asked for with every statement, and is long."""


def _driver(core: Connection) -> _Driver:
    """How the driver below a connection is given a statement."""
    found = _DRIVERS.get(core)
    if found is None:
        found = _DRIVERS[core] = _found(core.dialect.name, core.connection.driver_connection)
    return found


def _found(kind: str, connection: Any) -> _Driver:
    if kind == "sqlite":
        execute: _Driver = connection.execute
        return execute
    # psycopg comes with the extra `postgres` only. This cursor takes statements as the server does, unread.
    from psycopg import RawCursor

    return RawCursor(connection).execute


def _dialect(kind: str) -> Any:
    if kind == "sqlite":
        return sqlite.dialect(paramstyle="qmark")
    from sqlalchemy.dialects.postgresql import psycopg

    dialect: Any = psycopg.dialect
    return dialect(paramstyle="numeric_dollar")
