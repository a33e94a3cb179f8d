"""What the errors of both databases mean: whether one is a database that takes or gives nothing for now, and why.

Told by what the drivers say of it, SQLite's result codes and PostgreSQL's SQLSTATE, never by its text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

from bot.errors import DatabaseAway, DatabaseFault

_SQLITE: Mapping[int, DatabaseFault] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "away",
    sqlite3.SQLITE_PERM: "away",
    sqlite3.SQLITE_IOERR: "broken",
    sqlite3.SQLITE_NOMEM: "broken",
}
"""By the primary code: the lowest byte."""
_POSTGRES: Mapping[str, DatabaseFault] = {
    "53100": "full",
    "53": "busy",  # too many connections, no memory
    "25006": "read_only",
    "57P": "away",
    "08": "away",
    "58": "broken",
    "55P03": "busy",
    "57014": "busy",
    "40": "busy",
}
"""By the longest beginning of an SQLSTATE that stands here. https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_SAID: Mapping[DatabaseFault, str] = {
    "full": "the database's disk is full",
    "away": "the database cannot be reached",
    "read_only": "the database takes no changes",
    "busy": "something else keeps the database busy",
    "broken": "the database's disk fails",
}


def away(error: BaseException) -> DatabaseAway | None:
    """What to raise in place of an error. None: it is a fault of another kind, and would come again."""
    if isinstance(error, DatabaseAway):
        return error
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    fault = _fault(told)
    if fault is None:
        return None
    lines = str(told).strip().splitlines()
    return DatabaseAway(fault, f"{_SAID[fault]} ({lines[0] if lines else type(told).__name__})")


def _fault(told: BaseException) -> DatabaseFault | None:
    if isinstance(told, sqlite3.Error):
        code = getattr(told, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    # psycopg comes with an extra, and is not imported for its errors.
    if not hasattr(told, "sqlstate"):
        return None
    if told.sqlstate is None:  # without a word from the server: there was none
        return "away" if any(kind.__name__ == "OperationalError" for kind in type(told).__mro__) else None
    found = (told.sqlstate[:length] for length in (5, 3, 2))
    return next((_POSTGRES[one] for one in found if one in _POSTGRES), None)
