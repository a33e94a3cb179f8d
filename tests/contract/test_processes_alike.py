"""What several processes number and claim of their own is kept apart, whatever else happens at the same moment."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from bot.quota.ledger import Caps, PoolId
from bot.storage.board import SqlBoard
from bot.storage.ledger import SqlLedger
from bot.storage.living import Living
from bot.storage.money import SqlMoney
from tests.contract.processes import POOL, processes
from tests.contract.test_processes import waiting
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual
CAPS = Caps(rpm=20, rpd=100)


async def test_a_ticket_is_not_another_one_of_its_number(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=1, caps=CAPS) as (one,):
        async with opened(one.address, clock, loop) as database:
            ledger = SqlLedger(database, clock)
            dying = SqlBoard(database, ledger, SqlMoney(database, clock), clock)
            await dying.join()
            ticket = waiting(dying, 1, clock)
            for state in ("waiting", "left", "waiting"):  # it has opened the pool once more
                await dying.change(POOL, replace(ticket, state=state), [])
            await ledger.add_pool(PoolId("another"))
            await dying.change(PoolId("another"), replace(ticket, state="left"), [])
            opening = await one.board.open(POOL, 0)
            assert [change.number for change in opening.waiting] == [1]
            await asyncio.sleep(1.5)
            assert one.scheduler.waiting == 1
        await asyncio.sleep(15)
        assert one.scheduler.waiting == 0, "it died with its process"


async def test_what_is_claimed_while_a_sign_is_given_is_not_lost(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    with postgres.database() as address:
        async with opened(address, clock, loop) as database:
            living = Living(database, clock)
            await living.give_sign()
            written = threading.Event()
            both = [asyncio.create_task(living.claim("discord")), asyncio.create_task(living.give_sign())]
            after = asyncio.create_task(database.write(lambda connection: written.set()))
            await asyncio.sleep(0)
            assert written.wait(10), "the loop has not heard of any of it"
            await asyncio.gather(*both, after)
            assert not living.lost.is_set()
