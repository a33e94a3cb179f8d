"""A second attempt waits for nobody, overtakes nobody, is the pool's alone, and leaves nothing open."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import Instant
from bot.messages import Member
from bot.quota.ledger import Caps, Lease, Outcome
from tests.fakes.virtual import VirtualLoop
from tests.unit.scheduler.world import ANN, FAILED, POOL, WEB, SlowLedger, World, claim_of, lease_for


@pytest.mark.virtual
async def test_a_second_attempt_leaves_at_once_and_is_the_pools(world: World) -> None:
    first = await lease_for(world, 1, ANN)
    second = await world.scheduler.retry(first, FAILED, claim_of(ANN, 1))
    assert second is not None
    world.scheduler.sent(second)
    assert (world.scheduler.used_here, world.scheduler.minute_used, world.scheduler.answering) == (2, 2, 1)
    assert world.scheduler.share(ANN, WEB).used == 1
    assert await world.scheduler.retry(second, FAILED, claim_of(ANN, 1)) is None, "there is no third"
    await world.scheduler.settle(second, Outcome(result="failed", give_back=True))
    assert (world.scheduler.used_here, world.scheduler.share(ANN, WEB).used) == (2, 0)
    assert world.scheduler.answering == 0


@pytest.mark.virtual
@pytest.mark.parametrize("why", ["minute", "day", "paused", "shut", "somebody could start"])
async def test_a_second_attempt_waits_for_nobody_and_overtakes_nobody(loop: VirtualLoop, why: str) -> None:
    world = World(loop, Caps(rpm=1 if why == "minute" else 20, rpd=1 if why == "day" else 20))
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    first = await lease_for(world, 1, ANN)
    if why == "paused":
        world.scheduler.pause(Instant(world.clock.now() + 5))
    if why == "shut":
        world.scheduler.shut("admin")
    waiting = asyncio.create_task(lease_for(world, 2, ANN)) if why == "somebody could start" else None
    await asyncio.sleep(0)
    second = await world.scheduler.retry(first, FAILED, claim_of(ANN, 1))
    if waiting is not None:
        # Whoever waits behind the very member has no start to lose: a member has one request under way.
        assert second is not None
        await world.scheduler.settle(second, Outcome(result="answered"))
        await world.scheduler.settle(await waiting, Outcome(result="answered"))
    else:
        assert second is None
        await world.scheduler.settle(first, Outcome(result="failed", give_back=True))
    await world.scheduler.close()
    assert world.scheduler.answering == world.scheduler.waiting == 0


@pytest.mark.virtual
@pytest.mark.parametrize("turns", range(1, 7))
async def test_whoever_goes_away_during_a_second_attempt_leaves_nothing_open(world: World, turns: int) -> None:
    first = await lease_for(world, 1, ANN)

    async def again() -> None:
        sent = first
        try:
            second = await world.scheduler.retry(first, FAILED, claim_of(ANN, 1))
            if second is not None:
                world.scheduler.sent(second)
                sent = second
            await asyncio.sleep(10)
        finally:
            await world.scheduler.settle(sent, Outcome(result="stopped"))

    trying = asyncio.create_task(again())
    for _ in range(turns):
        await asyncio.sleep(0)
    trying.cancel()
    await asyncio.wait([trying])
    await world.scheduler.close()
    assert world.scheduler.answering == 0
    assert await world.ledger.recover() == 0, "no lease is open"


@pytest.mark.virtual
async def test_one_spare_unit_is_one_second_attempt(loop: VirtualLoop) -> None:
    world = World(loop, Caps(rpm=100, rpd=3), ledger=SlowLedger)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    ben = Member("test", "ben")
    leases = [await lease_for(world, 1, ANN), await lease_for(world, 2, ben)]
    tried = await asyncio.gather(
        *(world.scheduler.retry(lease, FAILED, claim_of(lease.member, 1)) for lease in leases),
        lease_for(world, 3, Member("test", "cy")),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Lease) for one in tried) == 1
    assert world.scheduler.used == 3
    for lease, second in zip(leases, tried[:2], strict=True):
        await world.scheduler.settle(second if isinstance(second, Lease) else lease, FAILED)
    await world.scheduler.close()


@pytest.mark.virtual
@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_whoever_is_cancelled_several_times_leaves_nothing_open(loop: VirtualLoop, cancels: int) -> None:
    world = World(loop, Caps(rpm=100, rpd=30), ledger=SlowLedger)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    first = await lease_for(world, 1, ANN)

    async def again() -> None:
        try:
            await world.scheduler.retry(first, FAILED, claim_of(ANN, 1))
        finally:
            await world.scheduler.settle(first, Outcome(result="stopped"))

    trying = asyncio.create_task(again())
    for _ in range(cancels):
        await asyncio.sleep(0.01)
        trying.cancel()
    await asyncio.wait([trying])
    await world.scheduler.close()
    assert world.scheduler.answering == 0
    assert await world.ledger.recover() == 0, "no lease is open"
