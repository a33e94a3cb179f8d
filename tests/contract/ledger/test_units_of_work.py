"""What the database does below a ledger: a unit of work is whole or not at all, whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from bot.clock import day_of
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from tests.contract.ledger.claims import POOL, WIDE, claim, lease
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_one_unit_that_fails_undoes_itself_alone(database: Database) -> None:
    def insert(number: int) -> Callable[[Connection], None]:
        def unit(connection: Connection) -> None:
            connection.execute(text("INSERT INTO pools (id, started) VALUES (:id, 0)"), {"id": f"p{number}"})
            if number % 3 == 0:
                raise ValueError(number)

        return unit

    units = (database.write(insert(number), of="one pool") for number in range(40))
    done = await asyncio.gather(*units, return_exceptions=True)
    failed = {number for number, result in enumerate(done) if isinstance(result, ValueError)}
    assert failed == set(range(0, 40, 3))
    kept = await database.read(lambda core: {row[0] for row in core.execute(text("SELECT id FROM pools"))})
    assert kept == {f"p{number}" for number in range(40) if number % 3}


async def test_a_unit_whose_caller_went_away_still_runs(
    sql_ledger: SqlLedger, database: Database, clock: VirtualClock
) -> None:
    task = asyncio.create_task(sql_ledger.reserve(claim(), WIDE))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    while database.busy:
        await asyncio.sleep(0)
    assert (await sql_ledger.standing(POOL, day_of(clock.now()))).used == 1


async def test_readers_see_no_half_of_a_unit(database: Database, sql_ledger: SqlLedger) -> None:
    async def write() -> None:
        for _ in range(50):
            await lease(sql_ledger)

    async def read() -> None:
        for _ in range(50):
            used, leases = await database.read(
                lambda core: (
                    core.scalar(text("SELECT COALESCE(SUM(used), 0) FROM pool_days")),
                    core.scalar(text("SELECT COUNT(*) FROM leases")),
                )
            )
            assert used == leases

    await asyncio.gather(write(), read())
