"""What is opened aside takes nothing from the pool or the member, and is handled once."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from bot.clock import day_of
from bot.messages import Member, ModelId
from bot.quota.ledger import (
    AlreadyHandled,
    Caps,
    Claim,
    DaySpent,
    Lease,
    LeaseNotOpenError,
    MinuteFull,
    NoAttemptLeftError,
    NotAsideError,
    Outcome,
)
from tests.contract.ledger.claims import ANN, BEN, FAILED, POOL, WIDE, AnyLedger, claim, lease
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


def aside(member: Member = ANN, *messages: str) -> Claim:
    return dataclasses.replace(claim(member, *messages), lane="paid", model=ModelId("maker/model"))


async def opened(ledger: AnyLedger, member: Member = ANN, *messages: str) -> Lease:
    lease = await ledger.open_aside(aside(member, *messages))
    assert isinstance(lease, Lease), lease
    return lease


async def test_what_is_opened_aside_takes_nothing_from_the_pool_or_the_member(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    for outcome in (Outcome(result="answered", answer="hi", whole=True), Outcome(result="failed", give_back=True)):
        await ledger.settle(await opened(ledger), outcome)
    await ledger.release(await opened(ledger))
    still_open = await opened(ledger)
    assert (still_open.lane, still_open.aside) == ("paid", True)
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, dict(standing.taken), standing.recent) == (0, {}, [])
    assert await ledger.events(POOL, day_of(clock.now())) == []
    # Control: the pool has its one unit, and a lease of its own takes it.
    assert isinstance(await ledger.reserve(claim(), Caps(rpm=1, rpd=1)), Lease)
    assert (await ledger.standing(POOL, day_of(clock.now()))).used == 1


async def test_what_is_opened_aside_and_closed_gives_nothing_back(ledger: AnyLedger, clock: VirtualClock) -> None:
    caps = Caps(rpm=2, rpd=2)
    for _ in range(2):
        await lease(ledger, caps=caps)
    await ledger.release(await opened(ledger))
    await ledger.settle(await opened(ledger), Outcome(result="failed", give_back=True))
    await opened(ledger)
    assert await ledger.recover() == 3
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, standing.taken, len(standing.recent)) == (2, {ANN: 0}, 2)
    assert isinstance(await ledger.reserve(claim(BEN), caps), MinuteFull)
    await asyncio.sleep(70)
    assert isinstance(await ledger.reserve(claim(BEN), caps), DaySpent)


async def test_a_crash_of_what_was_opened_aside_leaves_the_members_day_alone(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    await ledger.settle(await lease(ledger), Outcome(result="answered"))
    cut = await opened(ledger)
    assert await ledger.recover() == 1
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, standing.taken) == (1, {ANN: 1})
    assert await ledger.events(POOL, day_of(clock.now())) == []
    with pytest.raises(LeaseNotOpenError):
        await ledger.settle(cut, Outcome(result="answered"))


async def test_a_message_is_handled_once_on_whatever_lane(ledger: AnyLedger) -> None:
    both = await asyncio.gather(*(ledger.open_aside(aside(ANN, "x")) for _ in range(20)))
    assert sum(isinstance(one, Lease) for one in both) == 1
    assert isinstance(await ledger.reserve(claim(ANN, "y", "x"), WIDE), AlreadyHandled)
    assert isinstance(await ledger.reserve(claim(ANN, "y"), WIDE), Lease)
    assert isinstance(await ledger.open_aside(aside(ANN, "y")), AlreadyHandled)
    await ledger.release(await opened(ledger, ANN, "z"))
    assert isinstance(await ledger.reserve(claim(ANN, "z"), WIDE), Lease), "nothing was sent, so it may be asked"


async def test_the_free_lane_is_never_opened_aside_and_what_is_has_no_second_attempt(ledger: AnyLedger) -> None:
    with pytest.raises(NotAsideError):
        await ledger.open_aside(claim())
    with pytest.raises(NoAttemptLeftError):
        await ledger.retry(await opened(ledger), FAILED, claim(), WIDE)
