"""A ledger in memory and one on each database, with a pool in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.quota.memory import MemoryLedger
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.units import Where
from tests.contract.ledger.claims import POOL, AnyLedger
from tests.fakes.databases import migrated
from tests.fakes.databases import opened as opened_database
from tests.fakes.virtual import VirtualClock, VirtualLoop


@pytest.fixture
async def database(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    async with opened_database(where, clock, loop) as database:
        yield database


@pytest.fixture
async def sql_ledger(database: Database, clock: VirtualClock) -> SqlLedger:
    ledger = SqlLedger(database, clock)
    await ledger.add_pool(POOL)
    return ledger


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> AsyncIterator[AnyLedger]:
    if request.param == "memory":
        kept = MemoryLedger(clock)
        await kept.add_pool(POOL)
        yield kept
        return
    with migrated(request.param, request, tmp_path) as where:
        async with opened_database(where, clock, loop) as database:
            ledger = SqlLedger(database, clock)
            await ledger.add_pool(POOL)
            yield ledger
