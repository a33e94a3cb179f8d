"""The day that is played: four weeks of the same in the database, and a database's clock by which it is nearly over.

Which day and which minute it is, processes take from their database. So a play may begin minutes before midnight at
any time, and what the level keeps for those who may still come is given out while one watches, as it is every day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from bot.clock import Instant, day_of, day_start
from bot.quota.history import Ask
from bot.storage.migration import migrate

POOL = "default"
_NOW = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())"


def prepared(address: str, days: Mapping[int, Sequence[Ask]]) -> None:
    """Make the tables, and write down who asked on which day before."""
    migrate(address)
    with _connected(address) as connection, connection.cursor() as cursor:
        columns = "pool, day, at, kind, member, community, units"
        with cursor.copy(f"COPY day_events ({columns}) FROM STDIN") as copy:
            for day, asks in days.items():
                for ask in asks:
                    at = round((day_start(day) + ask.second) * 1_000_000)
                    copy.write_row((POOL, day, at, "asked", ask.member, ask.community, 0))


def today(address: str) -> int:
    """The day it is at the server."""
    with _connected(address) as connection:
        return day_of(_now(connection))


def set_clock(address: str, *, until_midnight: float) -> None:
    """From the next connection on, today ends in so many seconds by this database's clock."""
    with _connected(address) as connection:
        now = _now(connection)
        ahead = day_start(day_of(now) + 1) - until_midnight - now
        connection.execute(
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
            f" $$ SELECT pg_catalog.clock_timestamp() + interval '{ahead:.6f} seconds' $$".encode()
        )
        # What stands in front of the server's own functions is found first.
        name = sql.Identifier(make_url(address).database or "")
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(name))


def processes(address: str) -> int:
    """How many are in the database's list of those that live."""
    with _connected(address) as connection:
        row = connection.execute("SELECT count(*) FROM processes").fetchone()
        assert row is not None
        return int(row[0])


def _now(connection: psycopg.Connection) -> Instant:
    row = connection.execute(_NOW).fetchone()
    assert row is not None
    return Instant(float(row[0]))


def _connected(address: str) -> psycopg.Connection:
    plain = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)
