"""The statements between a member and an answer find their rows by an index, however many there are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from bot.clock import SystemClock
from bot.storage import attachments, closing, news, opening, transcripts
from bot.storage.database import Database
from bot.storage.dialects import Prepared
from bot.storage.units import Where
from tests.fakes.databases import opened

OF_POOL: dict[str, Any] = {"pool": "default", "own": "me", "seen_event": 1, "seen_change": 1}
OF_POOL |= {"before": 1, "today": 2, "after": 3}
HOT: dict[str, tuple[Prepared, dict[str, Any]]] = {
    "a start of the minute": (opening.TAKE_MINUTE, {"pool": "default", "rpm": 20, "horizon": 1, "ahead": 2}),
    "a lease closed": (
        closing.CLOSE,
        {"lease": 1, "settled_at": 1, "outcome": "answered", "generation": None, "cost_usd": None}
        | {"upstream_usd": None, "turn": 1},
    ),
    "what others did": (news.EVENTS, OF_POOL),
    "who waits elsewhere": (news.CHANGES, OF_POOL),
    "whether others did anything": (news.ANY, OF_POOL),
    "a message handled": (transcripts._HANDLED, {"message": "m"}),
    "a member's first": (transcripts._SPOKE_BEFORE, {"member": "web:ann"}),
    "a conversation's turns": (transcripts._TURNS, {"of": "c", "newest": 20}),
    "a conversation's files": (attachments._OF_CONVERSATION, {"of": "c"}),
}


def steps(connection: Connection, statement: Prepared, values: dict[str, Any]) -> list[str]:
    """How the database goes about it."""
    if connection.dialect.name == "sqlite":
        return [str(row[-1]) for row in statement.all(connection, "EXPLAIN QUERY PLAN ", **values)]
    connection.execute(text("SET enable_seqscan = off"))  # the tables are empty: whether it could do without
    return [str(row[0]) for row in statement.all(connection, "EXPLAIN ", **values)]


def looks_through(plan: list[str]) -> bool:
    """All rows of a table."""
    return any((step.startswith("SCAN ") and "CONSTANT ROW" not in step) or "Seq Scan" in step for step in plan)


@pytest.mark.parametrize("name", HOT)
async def test_it_looks_through_no_table(where: Where, name: str) -> None:
    async with opened(where, SystemClock()) as database:
        plan = await database.write(lambda connection: steps(connection, *HOT[name]))
        assert not looks_through(plan), plan


async def test_control_without_its_index_it_would(where: Where) -> None:
    async with opened(where, SystemClock()) as database:
        assert await without(database, "ix_leases_pool_number", "a start of the minute")


async def without(database: Database, index: str, name: str) -> bool:
    class Undone(Exception):
        pass

    found: list[list[str]] = []

    def unit(connection: Connection) -> None:
        connection.execute(text(f"DROP INDEX {index}"))
        found.append(steps(connection, *HOT[name]))
        raise Undone

    with pytest.raises(Undone):
        await database.write(unit)
    return looks_through(found[0])
