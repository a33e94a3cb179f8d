"""A database whose disk is full: it gives what it has and takes nothing more, until there is room again.

SQLite refuses by itself (SQLITE_FULL) when its file may not grow. Of a shared PostgreSQL the disk is not ours to fill:
there a trigger says what the server does then (SQLSTATE 53100), in the middle of the transaction, and the rest is real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Connection

from bot.storage.database import Database
from bot.storage.postgres import libpq
from bot.storage.tables import metadata
from bot.storage.units import Where

_AS_LARGE_AS_IT_LIKES = 4_294_967_294
_REFUSE = """
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$
"""


@asynccontextmanager
async def full(database: Database) -> AsyncIterator[None]:
    """Within this nothing can be written."""
    await fill(database)
    try:
        yield
    finally:
        if isinstance(database.where, Path):
            await database.write(_as_large_as_it_likes)
        else:
            make_room(database.where)


async def fill(database: Database) -> None:
    """From now on nothing can be written: to a file not by this process, to a server's by none until `make_room`."""
    if isinstance(database.where, Path):
        await database.write(_no_larger)
        return
    with psycopg.connect(libpq(database.where), autocommit=True) as connection:
        connection.execute(_REFUSE)
        for table in metadata.sorted_tables:
            connection.execute(
                f"CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION disk_full()"
            )


def make_room(where: Where) -> None:
    """On a server."""
    if isinstance(where, str):
        with psycopg.connect(libpq(where), autocommit=True) as connection:
            for table in metadata.sorted_tables:  # one by one: who holds one waits for no other
                connection.execute(f"DROP TRIGGER disk_full ON {table.name}")
            connection.execute("DROP FUNCTION disk_full")


def _no_larger(connection: Connection) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    # Nor may what was deleted leave room.
    free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    assert free == 0, "there is room in the file"


def _as_large_as_it_likes(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA max_page_count = {_AS_LARGE_AS_IT_LIKES}")
