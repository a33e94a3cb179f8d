"""What waits for room in the day is reckoned with by every process, whichever of them holds it, and exactly once."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import day_of
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps
from bot.quota.scheduler import Scheduler
from bot.storage.board import SqlBoard
from bot.storage.database import DEAD
from bot.storage.ledger import SqlLedger
from bot.storage.left_behind import forget
from bot.storage.money import SqlMoney
from tests.contract.processes import POOL, WEB, member, process, processes
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

CAPS = Caps(rpm=20, rpd=40)


def waiting(scheduler: Scheduler, who: Member, community: CommunityId = WEB) -> int:
    """Held questions of a member's that the level is worked out with."""
    standing = scheduler._today.sharing._fair.standing(who.key)  # type: ignore[attr-defined]
    return 0 if standing is None else standing.waiting


async def test_what_one_holds_all_reckon_with_until_it_ends(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        today = day_of(clock.now())
        one.scheduler.hold(member(1), WEB, day=today)
        one.scheduler.hold(member(1), WEB, day=today)
        two.scheduler.hold(member(2), WEB, day=today)
        await asyncio.sleep(2.5)
        one.scheduler.unhold(member(1), WEB, day=today)
        await asyncio.sleep(2.5)
        async with process(one.address, clock, loop, CAPS) as late:
            for found in (one, two, late):
                assert [waiting(found.scheduler, member(number)) for number in (1, 2, 3)] == [1, 1, 0]
            late.scheduler.hold(member(3), WEB, day=today)
            await asyncio.sleep(2.5)
            assert [waiting(found.scheduler, member(3)) for found in (one, two)] == [1, 1]
        await asyncio.sleep(2.5)
        assert [waiting(found.scheduler, member(3)) for found in (one, two)] == [0, 0], "it ended, and holds nothing"


async def test_what_a_dead_one_held_is_reckoned_with_once_by_whoever_takes_it_over(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        today = day_of(clock.now())
        async with opened(one.address, clock, loop) as database:
            dying = SqlBoard(database, SqlLedger(database, clock), SqlMoney(database, clock), clock)
            await dying.join()
            held = DayEvent(kind=EventKind.HELD, at=clock.now(), member=member(1), community=WEB)
            await SqlLedger(database, clock).note(POOL, [held])
            await asyncio.sleep(2.0)
            assert [waiting(found.scheduler, member(1)) for found in (one, two)] == [1, 1]
            await asyncio.sleep(DEAD)
            one.scheduler.hold(member(1), WEB, day=today)
            await asyncio.sleep(4.0)
            await forget(two.database, dying.process)  # whoever comes too late finds nothing left
            await asyncio.sleep(2.0)
            assert [waiting(found.scheduler, member(1)) for found in (one, two)] == [1, 1]
        async with process(one.address, clock, loop, CAPS) as late:
            assert waiting(late.scheduler, member(1)) == 1
