"""What the account reports of itself: believed when it says less, late over midnight, and kept over a restart."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import day_of, day_start
from bot.errors import Refused
from bot.messages import Member
from bot.quota.ledger import Caps, Outcome
from tests.fakes.virtual import VirtualLoop
from tests.unit.scheduler.world import ANN, FAILED, POOL, WEB, Ask, World, lease_for


@pytest.mark.virtual
async def test_the_account_is_believed_only_when_it_says_less(world: World) -> None:
    await world.ask(0, Ask(0, 0, 0, None))
    world.scheduler.limit(10)
    world.scheduler.reported(4)
    assert world.scheduler.used == 4
    world.scheduler.reported(0)
    assert world.scheduler.used == 4
    await world.ask(1, Ask(1, 0, 0, None))
    assert world.scheduler.used == 5
    world.scheduler.limit(1000)
    assert world.scheduler.share(Member("test", "1"), WEB).left_now == 995


@pytest.mark.virtual
async def test_yesterdays_count_does_not_spend_the_new_day(world: World) -> None:
    """What the account reports lags: just after midnight it is still the day before's."""
    await asyncio.sleep(day_start(day_of(world.clock.now()) + 1) + 30 - world.clock.now())
    world.scheduler.reported(100)
    assert world.scheduler.used == 0
    # Control: a little later the same count is today's, used elsewhere.
    await asyncio.sleep(120)
    world.scheduler.reported(100)
    assert world.scheduler.used == 100


@pytest.mark.virtual
async def test_the_minute_is_learnt_downwards_only(world: World) -> None:
    most = world.scheduler.caps.rpm
    world.scheduler.limit_minute(most - 1)
    assert world.scheduler.caps.rpm == most - 1
    world.scheduler.limit_minute(10 * most)
    assert world.scheduler.caps.rpm == most


@pytest.mark.virtual
async def test_units_used_elsewhere_come_back_only_when_several_quiet_looks_say_so(world: World) -> None:
    world.scheduler.reported(5)
    assert world.scheduler.drift == 5
    await asyncio.sleep(300)
    for _ in range(2):
        world.scheduler.reported(1)
        assert world.scheduler.drift == 5
    lease = await lease_for(world, 1, ANN)
    world.scheduler.reported(1)  # something of ours is under way: the count may be behind
    await world.scheduler.settle(lease, Outcome(result="answered"))
    assert world.scheduler.drift == 5
    await asyncio.sleep(300)
    for _ in range(3):
        world.scheduler.reported(2)
    assert world.scheduler.drift == 1


@pytest.mark.virtual
async def test_a_count_that_lags_over_midnight_is_not_taken_for_the_reset(loop: VirtualLoop) -> None:
    """40 sent, the account has counted 38 so far; after midnight it says 39 before it begins anew."""
    world = World(loop, Caps(rpm=100, rpd=50), watched=True)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    for number in range(40):
        await world.scheduler.settle(await lease_for(world, number, ANN), Outcome(result="answered"))
    world.scheduler.reported(38)
    await asyncio.sleep(day_start(day_of(world.clock.now()) + 1) + 5 - world.clock.now())
    world.scheduler.reported(39)
    assert (world.scheduler.used, world.scheduler.awaits_reset) == (0, True)
    world.scheduler.reported(2)  # begun anew, and used elsewhere already
    assert (world.scheduler.used, world.scheduler.awaits_reset) == (2, False)
    await world.scheduler.close()


@pytest.mark.virtual
async def test_a_word_about_yesterday_does_not_spend_today(world: World) -> None:
    await asyncio.sleep(day_start(day_of(world.clock.now()) + 1) - 10 - world.clock.now())
    lease = await lease_for(world, 1, ANN)
    await asyncio.sleep(15)
    world.scheduler.spend_rest(lease.day)
    assert world.scheduler.used == 0
    world.scheduler.spend_rest(lease.day + 1)
    assert world.scheduler.used == world.scheduler.caps.rpd
    await world.scheduler.settle(lease, FAILED)


@pytest.mark.virtual
async def test_what_the_account_said_outlasts_a_restart(world: World) -> None:
    world.scheduler.reported(7)
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    await world.scheduler.close()
    again = world.another()
    await again.open()
    assert (again.used, again.drift) == (8, 7)
    again.spend_rest(day_of(world.clock.now()))
    await again.close()
    third = world.another()
    await third.open()
    assert third.used == third.caps.rpd
    await third.close()


@pytest.mark.virtual
async def test_a_unit_that_comes_back_to_a_day_that_is_spent_is_nobodys(world: World) -> None:
    lease = await lease_for(world, 1, ANN)
    world.scheduler.spend_rest(lease.day)
    await world.scheduler.caught_up()
    await world.scheduler.release(lease)
    assert world.scheduler.share(ANN, WEB).left_now == 0
    with pytest.raises(Refused, match="pool_spent"):
        await lease_for(world, 2, ANN)
