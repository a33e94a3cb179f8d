"""What one process hears of the account holds for every process, before its next lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from bot.clock import Instant, day_of, day_start
from bot.quota.ledger import Caps, Claim, Lease, Outcome
from bot.quota.scheduler import Scheduler
from bot.storage.board import SqlBoard
from bot.storage.database import DEAD
from bot.storage.ledger import SqlLedger
from bot.storage.left_behind import forget
from bot.storage.money import SqlMoney
from tests.contract.ledger.claims import claim
from tests.contract.processes import POOL, WEB, Process, member, process, processes
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

CAPS = Caps(rpm=20, rpd=50)
NEWCOMERS = count(100)
A_MOMENT = 0.01
"""Long enough for what happened to be written down, and too short for a look."""


async def codes(*found: Process) -> list[str]:
    """What becomes of a newcomer's question in each, at once: `sent`, `waits`, or why it was refused."""
    told = []
    for one in found:
        refused, sent = one.refused.copy(), len(one.sent)
        asking = asyncio.create_task(one.ask(member(next(NEWCOMERS))))
        await asyncio.sleep(A_MOMENT)
        if len(one.sent) > sent:
            told.append("sent")
            await asking
        else:
            told.append(next(iter(one.refused - refused), "waits"))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    return told


HEARD: dict[str, tuple[Callable[[Scheduler, Instant], None], str]] = {
    "a pause": (lambda scheduler, now: scheduler.pause(Instant(now + 60)), "waits"),
    "the day is spent": (lambda scheduler, now: scheduler.spend_rest(day_of(now)), "pool_spent"),
    "used elsewhere": (lambda scheduler, _: scheduler.reported(50), "pool_spent"),
    "a lower cap": (lambda scheduler, _: scheduler.limit(0), "pool_spent"),
    "shut on two witnesses": (lambda scheduler, _: scheduler.shut("out_of_credit"), "pool_paused"),
    "shut by the guard": (lambda scheduler, _: scheduler.shut("cost_seen"), "pool_paused"),
}


@pytest.mark.parametrize("what", HEARD)
async def test_who_did_not_hear_it_holds_to_it_too_and_so_does_who_comes_later(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop, what: str
) -> None:
    said, becomes = HEARD[what]
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        assert await codes(two) == ["sent"], "the control"
        said(one.scheduler, clock.now())
        await asyncio.sleep(A_MOMENT)
        assert await codes(two, one) == [becomes] * 2
        async with process(one.address, clock, loop, CAPS) as late:
            assert await codes(late) == [becomes]


async def test_a_cap_on_the_minute_is_everybodys(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        one.scheduler.limit_minute(2)
        await asyncio.sleep(A_MOMENT)
        asking = [asyncio.create_task(two.ask(member(number))) for number in range(3)]
        await asyncio.sleep(20)
        assert len(two.sent) == two.scheduler.caps.rpm == 2
        await asyncio.gather(*asking)
        two.scheduler.lay_down_caps(rpm=30, rpd=None)
        assert two.scheduler.caps.rpm == 30, "an admin's goes before it"
        two.scheduler.lay_down_caps(rpm=None, rpd=None)
        assert two.scheduler.caps.rpm == 2


async def test_a_second_attempt_is_not_made_by_who_has_not_heard_of_it(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        for who, heard in ((member(1), False), (member(2), True)):
            wanted = claim(who)
            lease = [step async for step in two.scheduler.admit(who, WEB, partial(_same, wanted))][-1]
            assert isinstance(lease, Lease)
            two.scheduler.sent(lease)
            if heard:
                one.scheduler.pause(Instant(clock.now() + 60))
                await asyncio.sleep(A_MOMENT)
            second = await two.scheduler.retry(lease, Outcome(result="failed"), wanted)
            assert (second is None) is heard
            await two.scheduler.settle(second or lease, Outcome(result="failed"))


def _same(wanted: Claim) -> Claim:
    return wanted


async def test_what_one_found_out_ends_with_it_and_any_other_may_end_it(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        one.scheduler.shut("bad_key")
        await asyncio.sleep(2.0)
        assert two.scheduler.shut_for == "bad_key"
        two.scheduler.reopen()
        await asyncio.sleep(2.0)
        assert one.scheduler.shut_for is None
        async with process(one.address, clock, loop, CAPS) as ending:
            ending.scheduler.shut("guard")
            await asyncio.sleep(2.0)
            assert [found.scheduler.shut_for for found in (one, two)] == ["guard"] * 2
        await asyncio.sleep(2.0)
        assert [found.scheduler.shut_for for found in (one, two)] == [None] * 2


async def test_a_process_that_died_leaves_no_pool_shut(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=1, caps=CAPS) as (one,):
        await asyncio.sleep(3.0)
        async with opened(one.address, clock, loop) as database:
            ledger = SqlLedger(database, clock)
            await SqlBoard(database, ledger, SqlMoney(database, clock), clock).join()
            await ledger.told(POOL, day_of(clock.now()), {"shut_for": "out_of_credit"})
            await asyncio.sleep(2.0)
            assert one.scheduler.shut_for == "out_of_credit"
            await asyncio.sleep(DEAD + 3)
            assert one.scheduler.shut_for is None


async def test_who_was_only_slow_keeps_shut_what_nobody_else_may_open(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        one.scheduler.shut("cost_seen")
        await asyncio.sleep(2.0)
        await forget(two.database, one.board.process)  # as if it had been dead
        await asyncio.sleep(3.0)
        assert [found.scheduler.shut_for for found in (one, two)] == ["cost_seen"] * 2


async def test_the_days_reset_is_seen_by_all_when_one_sees_it(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS, watched=True) as (one, two):
        await one.ask(member(1))
        clock.skew = day_start(day_of(clock.now()) + 1) - 5 - clock.now()  # hours, without living through them
        await asyncio.sleep(15)
        assert [found.scheduler.awaits_reset for found in (one, two)] == [True, True]
        assert await codes(two) == ["waits"]
        one.scheduler.reported(0)
        await asyncio.sleep(2.0)
        assert [found.scheduler.awaits_reset for found in (one, two)] == [False, False]
        assert await codes(two) == ["sent"]
        async with process(one.address, clock, loop, CAPS, watched=True) as late:
            assert await codes(late) == ["sent"]


async def test_what_another_process_sends_is_not_taken_for_somebody_elses(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        await asyncio.sleep(3.0)
        for number in range(3):
            await one.ask(member(number))
        await one.ask(member(4))
        two.scheduler.reported(4)
        await asyncio.sleep(2.0)
        assert [found.scheduler.drift for found in (one, two)] == [0, 0]
        two.scheduler.reported(6)
        await asyncio.sleep(2.0)
        assert [found.scheduler.drift for found in (one, two)] == [2, 2], "the control"


async def test_a_pause_outlasts_the_end_of_all_processes(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    with postgres.database() as address:
        async with process(address, clock, loop, CAPS) as one:
            one.scheduler.pause(Instant(clock.now() + 60))
            one.scheduler.shut("bad_key")
            await one.scheduler.caught_up()
        async with process(address, clock, loop, CAPS) as again:
            assert again.scheduler.paused_until is not None
            assert again.scheduler.shut_for is None
            assert await codes(again) == ["waits"]
