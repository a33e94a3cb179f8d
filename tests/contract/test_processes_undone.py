"""What is taken back while the ledger is at it is kept once, as the others hear of it."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import DAY, day_of
from bot.quota.events import EventKind
from bot.quota.ledger import Caps
from tests.contract.processes import POOL, member, processes
from tests.fakes.databases import PostgresServer
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual


async def test_who_goes_away_in_mid_lease_having_waited_over_midnight_leaves_nothing(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    clock.skew = DAY - clock.now() % DAY - 30
    async with processes(postgres, clock, loop, number=1, caps=Caps(rpm=1, rpd=100)) as (one,):
        assert await one.ask(member(0))
        asking = asyncio.create_task(one.ask(member(1)))
        await asyncio.sleep(40)
        (ticket,) = one.scheduler._line
        wake, going = ticket.wake, list[asyncio.Task[None]]()

        async def go() -> None:
            for _ in range(6):
                await asyncio.sleep(0)
            assert one.database.busy
            assert not ticket.leased
            asking.cancel()

        def woken() -> None:
            wake()
            if ticket.started_at is not None:
                going.append(asyncio.create_task(go()))

        ticket.wake = woken
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.gather(*going)
        await one.scheduler.caught_up()
        events = await one.ledger.events(POOL, day_of(clock.now()))
        assert sorted(event.kind for event in events) == sorted(
            (EventKind.ASKED, EventKind.LET_THROUGH, EventKind.SENT, EventKind.UNSENT, EventKind.WITHDRAWN)
        )
