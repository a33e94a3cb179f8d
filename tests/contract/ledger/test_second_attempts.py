"""A second attempt is the pool's, belongs to the first one's day, and there is never a third."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import DAY, day_of
from bot.messages import Member
from bot.quota.ledger import (
    AlreadyHandled,
    Caps,
    DaySpent,
    Lease,
    LeaseNotOpenError,
    MinuteFull,
    NoAttemptLeftError,
    Outcome,
)
from tests.contract.ledger.claims import ANN, FAILED, POOL, WIDE, AnyLedger, claim, lease
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def retried(ledger: AnyLedger, first: Lease, caps: Caps = WIDE) -> Lease:
    second = await ledger.retry(first, FAILED, claim(first.member), caps)
    assert isinstance(second, Lease), second
    return second


async def test_a_second_attempt_charges_the_pool_and_not_the_member(ledger: AnyLedger, clock: VirtualClock) -> None:
    first = await lease(ledger)
    second = await retried(ledger, first)
    assert (second.attempt, second.turn, second.id != first.id) == (2, first.turn, True)
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, standing.taken) == (2, {ANN: 1})
    with pytest.raises(LeaseNotOpenError):
        await ledger.settle(first, FAILED)
    await ledger.settle(second, Outcome(result="answered", answer="hi", whole=True))


async def test_a_denied_second_attempt_changes_nothing(ledger: AnyLedger, clock: VirtualClock) -> None:
    first = await lease(ledger)
    before = await ledger.standing(POOL, day_of(clock.now()))
    full = await ledger.retry(first, FAILED, claim(), Caps(rpm=1, rpd=9))
    assert isinstance(full, MinuteFull)
    assert full.until == pytest.approx(first.reserved_at + 62, abs=0.01)
    await asyncio.sleep(70)
    assert isinstance(await ledger.retry(first, FAILED, claim(), Caps(rpm=9, rpd=1)), DaySpent)
    after = await ledger.standing(POOL, day_of(clock.now()))
    assert (after.used, after.taken) == (before.used, before.taken)
    await ledger.settle(first, Outcome(result="failed", give_back=True))  # it is still open
    assert (await ledger.standing(POOL, day_of(clock.now()))).taken == {ANN: 0}


async def test_there_is_never_a_third_attempt(ledger: AnyLedger) -> None:
    second = await retried(ledger, await lease(ledger))
    with pytest.raises(NoAttemptLeftError):
        await ledger.retry(second, FAILED, claim(), WIDE)


async def test_a_second_attempt_that_was_never_sent_frees_its_unit_and_the_member(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    reserved = await ledger.reserve(claim(ANN, "once"), WIDE)
    assert isinstance(reserved, Lease)
    await ledger.release(await retried(ledger, reserved))
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, standing.taken, len(standing.recent)) == (1, {ANN: 0}, 1)
    # Control: a first attempt that was released leaves its message to be asked again; this one was sent once.
    assert isinstance(await ledger.reserve(claim(ANN, "once"), WIDE), AlreadyHandled)


async def test_a_second_attempt_belongs_to_the_day_of_the_first(ledger: AnyLedger, clock: VirtualClock) -> None:
    first = await lease(ledger)
    await asyncio.sleep(DAY)
    assert isinstance(await ledger.retry(first, FAILED, claim(), WIDE), DaySpent)


async def test_a_crash_after_a_second_attempt_spends_both_units_and_gives_the_member_one_back(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    await retried(ledger, await lease(ledger))
    assert await ledger.recover() == 1
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert (standing.used, standing.taken) == (2, {ANN: 0})


async def test_of_many_second_attempts_at_once_no_more_than_the_day_has_are_given(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    caps = Caps(rpm=1000, rpd=13)
    firsts = [await lease(ledger, Member("web", str(number)), caps) for number in range(10)]
    given = await asyncio.gather(*(ledger.retry(first, FAILED, claim(first.member), caps) for first in firsts))
    assert sum(isinstance(one, Lease) for one in given) == 3
    assert (await ledger.standing(POOL, day_of(clock.now()))).used == 13
