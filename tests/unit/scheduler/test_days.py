"""One day follows another: when it opens, whose questions are of it, and what may be missing or fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.clock import day_of, day_start
from bot.messages import Member
from bot.quota import history
from bot.quota.day import FairDay
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps, Outcome
from bot.quota.past import Past
from bot.quota.sharing import FairDays, FirstComeDays
from tests.fakes.virtual import VirtualLoop
from tests.unit.scheduler.world import ANN, POOL, WEB, World, lease_for


@pytest.mark.virtual
@pytest.mark.parametrize("watched", [True, False])
async def test_a_watched_accounts_day_opens_when_its_count_shows_the_reset(loop: VirtualLoop, watched: bool) -> None:
    world = World(loop, Caps(rpm=20, rpd=20), watched=watched)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    midnight = day_start(day_of(world.clock.now()) + 1)
    await asyncio.sleep(midnight + 1 - world.clock.now())
    asking = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(20)
    assert asking.done() is not watched
    assert world.scheduler.awaits_reset is watched
    world.scheduler.reported(1)  # yesterday's count: it says nothing of today
    await asyncio.sleep(1)
    assert asking.done() is not watched
    world.scheduler.reported(0)
    await world.scheduler.settle(await asking, Outcome(result="answered"))
    assert world.clock.now() < midnight + 30
    assert (world.scheduler.drift, world.scheduler.used_here) == (0, 1)
    await world.scheduler.close()


@pytest.mark.virtual
@pytest.mark.parametrize("watched", [True, False])
async def test_who_waits_over_midnight_waits_for_the_reset_too(loop: VirtualLoop, watched: bool) -> None:
    world = World(loop, Caps(rpm=1, rpd=20), watched=watched)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    midnight = day_start(day_of(world.clock.now()) + 1)
    await asyncio.sleep(midnight - 40 - world.clock.now())
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    asking = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(midnight + 40 - world.clock.now())
    assert asking.done() is not watched, "nobody has asked anything since, and the minute has room"
    world.scheduler.reported(0)
    await world.scheduler.settle(await asking, Outcome(result="answered"))
    assert world.clock.now() < midnight + 45
    await world.scheduler.close()


@pytest.mark.virtual
async def test_a_watched_day_opens_by_itself_where_the_account_says_nothing(loop: VirtualLoop) -> None:
    world = World(loop, Caps(rpm=20, rpd=20), watched=True)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    midnight = day_start(day_of(world.clock.now()) + 1)
    await asyncio.sleep(midnight + 1 - world.clock.now())
    await world.scheduler.settle(await lease_for(world, 2, ANN), Outcome(result="answered"))
    assert world.clock.now() == pytest.approx(midnight + 120, abs=1)
    await world.scheduler.close()


@pytest.mark.virtual
async def test_what_is_held_is_of_its_day_only(loop: VirtualLoop) -> None:
    """Midnight may pass between the look that finds room and the question that is taken out of those that wait."""
    world = World(loop, Caps(rpm=20, rpd=20), days=FairDays())
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    held_on = day_of(world.clock.now())
    world.scheduler.hold(ANN, WEB, day=held_on)
    await asyncio.sleep(day_start(held_on + 1) - world.clock.now())
    world.scheduler.unhold(ANN, WEB, day=held_on)
    # Asked yesterday, refused just before midnight, and held just after it.
    world.scheduler.hold(ANN, WEB, day=held_on + 1)
    world.scheduler.unhold(ANN, WEB, day=held_on)
    world.scheduler.unhold(ANN, WEB, day=held_on + 1)
    assert world.scheduler.share(ANN, WEB).used == 0
    await world.scheduler.close()


@pytest.mark.virtual
@pytest.mark.parametrize("between", [False, True], ids=["one level", "between communities"])
async def test_a_day_with_events_missing_is_taken_up_and_its_member_may_go_on_asking(
    loop: VirtualLoop, between: bool
) -> None:
    kinds = [kind for kind in EventKind if kind not in (EventKind.ASKED, EventKind.JOINED)]
    world = World(loop, Caps(rpm=100, rpd=50), days=FairDays(between_communities=between))
    await world.ledger.add_pool(POOL)
    now = world.clock.now()
    lost = [DayEvent(kind=kind, at=now, member=Member("test", kind), community=WEB, units=1) for kind in kinds]
    await world.ledger.note(POOL, lost)
    with pytest.raises(KeyError):  # the control: the day itself knows nobody who has not been introduced
        FairDay(day_of(now), rpd=50, past=Past(day_of(now), [], {})).let_through("test:ann", now)
    await world.scheduler.open()
    for number, kind in enumerate(kinds):
        lease = await lease_for(world, number, Member("test", kind))
        await world.scheduler.settle(lease, Outcome(result="answered"))
        share = world.scheduler.share(Member("test", kind), WEB)
        assert share.used == 1 + (kind is EventKind.LET_THROUGH), kind
    await world.scheduler.close()


class Unteachable(FirstComeDays):
    """Fails to learn."""

    def remember(self, day: int, asks: Sequence[history.Ask]) -> None:
        raise RuntimeError("no")


@pytest.mark.virtual
async def test_a_day_that_cannot_be_learned_from_does_not_stop_the_next(loop: VirtualLoop) -> None:
    world = World(loop, Caps(rpm=20, rpd=20), days=Unteachable())
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    await world.scheduler.settle(await lease_for(world, 1, ANN), Outcome(result="answered"))
    await asyncio.sleep(day_start(day_of(world.clock.now()) + 1) + 10 - world.clock.now())
    await world.scheduler.settle(await lease_for(world, 2, ANN), Outcome(result="answered"))
    assert world.scheduler.used == 1
    await world.scheduler.close()
