"""What a database says of a row it could not take is told without what stands in the row: it comes into logs."""

from __future__ import annotations

from traceback import format_exception

import pytest
from sqlalchemy import Connection, insert

from bot.clock import SystemClock
from bot.storage.database import Database
from bot.storage.tables import adapter_notes
from bot.storage.units import Where
from tests.fakes.databases import opened

ROW = {"platform": "web", "key": "a secret name", "value": "a secret question", "noted_at": 0}


def nothing_in(connection: Connection) -> None:
    connection.execute(insert(adapter_notes), {**ROW, "value": None})


def twice(connection: Connection) -> None:
    connection.execute(insert(adapter_notes), [ROW, ROW])


async def said(database: Database) -> list[str]:
    """All that tracebacks show."""
    found = list[str]()
    for unit in (nothing_in, twice):
        with pytest.raises(Exception, match="constraint") as caught:
            await database.write(unit, of="default")
        found.append("".join(format_exception(caught.value)))
    return found


async def test_it_names_no_values(where: Where) -> None:
    async with opened(where, SystemClock()) as database:
        for text in await said(database):
            assert "adapter_notes" in text
            assert "secret" not in text, text
