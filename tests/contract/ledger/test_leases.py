"""What every ledger keeps: exactly so many a minute and a day, and each message and lease once."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import DAY, Instant, day_of
from bot.quota.ledger import AlreadyHandled, Caps, DaySpent, Lease, LeaseNotOpenError, MinuteFull, Outcome, PoolId
from bot.quota.word import Word
from tests.contract.ledger.claims import ANN, BEN, POOL, WIDE, AnyLedger, claim, lease
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_the_day_gives_exactly_its_units_to_any_number_at_once(ledger: AnyLedger, clock: VirtualClock) -> None:
    reserved = await asyncio.gather(*(ledger.reserve(claim(), Caps(rpm=1000, rpd=7)) for _ in range(100)))
    assert sum(isinstance(one, Lease) for one in reserved) == 7
    assert sum(isinstance(one, DaySpent) for one in reserved) == 93
    assert (await ledger.standing(POOL, day_of(clock.now()))).used == 7


async def test_the_minute_gives_exactly_its_starts_and_says_when_the_next_is(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    caps = Caps(rpm=5, rpd=1000)
    began = clock.now()
    reserved = await asyncio.gather(*(ledger.reserve(claim(), caps) for _ in range(30)))
    assert sum(isinstance(one, Lease) for one in reserved) == 5
    full = next(one for one in reserved if isinstance(one, MinuteFull))
    assert full.until == pytest.approx(began + 62, abs=0.01)
    await asyncio.sleep(61)
    assert isinstance(await ledger.reserve(claim(), caps), MinuteFull)
    await asyncio.sleep(full.until - clock.now())
    assert isinstance(await ledger.reserve(claim(), caps), Lease)


async def test_what_is_refused_takes_nothing(ledger: AnyLedger, clock: VirtualClock) -> None:
    await lease(ledger, caps=Caps(rpm=1, rpd=1))
    await asyncio.sleep(70)
    assert isinstance(await ledger.reserve(claim(BEN), Caps(rpm=1, rpd=1)), DaySpent)
    assert isinstance(await ledger.reserve(claim(BEN), Caps(rpm=1, rpd=2)), Lease), "the minute was not taken"
    standing = await ledger.standing(POOL, day_of(clock.now()))
    assert standing.taken == {ANN: 1, BEN: 1}


async def test_a_message_has_one_lease_whoever_asks_and_however_gathered(ledger: AnyLedger) -> None:
    both = await asyncio.gather(*(ledger.reserve(claim(ANN, "x"), WIDE) for _ in range(20)))
    assert sum(isinstance(one, Lease) for one in both) == 1
    assert isinstance(await ledger.reserve(claim(ANN, "y", "x"), WIDE), AlreadyHandled)
    assert isinstance(await ledger.reserve(claim(ANN, "y"), WIDE), Lease), "y was not handled by the refused claim"


async def test_a_lease_is_closed_once(ledger: AnyLedger) -> None:
    one = await lease(ledger)
    await ledger.settle(one, Outcome(result="answered", answer="hi", whole=True))
    with pytest.raises(LeaseNotOpenError):
        await ledger.settle(one, Outcome(result="answered"))
    with pytest.raises(LeaseNotOpenError):
        await ledger.release(one)


async def test_a_release_undoes_everything(ledger: AnyLedger) -> None:
    caps = Caps(rpm=2, rpd=2)
    await lease(ledger, caps=caps)
    reserved = await ledger.reserve(claim(ANN, "again"), caps)
    assert isinstance(reserved, Lease)
    await ledger.release(reserved)
    standing = await ledger.standing(POOL, reserved.day)
    assert (standing.used, standing.taken, len(standing.recent)) == (1, {ANN: 1}, 1)
    assert isinstance(await ledger.reserve(claim(ANN, "again"), caps), Lease), "unit, start and message are free again"
    assert isinstance(await ledger.reserve(claim(ANN), caps), MinuteFull), "and no more than that"


async def test_only_the_member_is_given_back(ledger: AnyLedger) -> None:
    one = await lease(ledger)
    await ledger.settle(one, Outcome(result="failed", give_back=True))
    standing = await ledger.standing(POOL, one.day)
    assert standing.used == 1
    assert standing.taken[ANN] == 0


async def test_recovery_spends_what_was_cut_and_gives_the_members_back(ledger: AnyLedger) -> None:
    settled, cut = await lease(ledger), await lease(ledger)
    await ledger.settle(settled, Outcome(result="answered"))
    assert await ledger.recover() == 1
    assert await ledger.recover() == 0
    standing = await ledger.standing(POOL, cut.day)
    assert standing.used == 2
    assert standing.taken == {ANN: 1}
    with pytest.raises(LeaseNotOpenError):
        await ledger.settle(cut, Outcome(result="answered"))


async def test_each_day_has_its_own_units(ledger: AnyLedger) -> None:
    caps = Caps(rpm=1000, rpd=1)
    await lease(ledger, caps=caps)
    assert isinstance(await ledger.reserve(claim(), caps), DaySpent)
    await asyncio.sleep(DAY)
    await lease(ledger, caps=caps)


async def test_pools_do_not_touch_each_other(ledger: AnyLedger) -> None:
    other = PoolId("other")
    await ledger.add_pool(other)
    caps = Caps(rpm=1, rpd=1)
    await lease(ledger, caps=caps)
    assert isinstance(await ledger.reserve(claim(pool=other), caps), Lease)


async def test_a_clock_that_was_far_ahead_does_not_block_the_minute_when_it_is_put_right(
    ledger: AnyLedger, clock: VirtualClock
) -> None:
    clock.skew = 7 * DAY
    await lease(ledger, caps=Caps(rpm=1, rpd=9))
    clock.skew = 0
    await lease(ledger, caps=Caps(rpm=1, rpd=9))


async def test_a_lowered_cap_counts_what_has_started_already(ledger: AnyLedger) -> None:
    for _ in range(10):
        await lease(ledger, caps=Caps(rpm=10, rpd=99))
    assert isinstance(await ledger.reserve(claim(), Caps(rpm=4, rpd=99)), MinuteFull)


async def test_units_used_elsewhere_are_kept_beside_our_own(ledger: AnyLedger, clock: VirtualClock) -> None:
    today = day_of(clock.now())
    await ledger.told(POOL, today - 1, {"elsewhere": 1})
    await ledger.told(POOL, today, {"elsewhere": 9})
    await lease(ledger)
    word = await ledger.told(POOL, today, {"elsewhere": 4})
    standing = await ledger.standing(POOL, today)
    assert (standing.used, standing.elsewhere) == (1, 4)
    assert standing.word == word
    await ledger.told(POOL, today, {"spent_at": 20})
    assert (await ledger.standing(POOL, today)).elsewhere == 19, "whatever was counted"


async def test_what_the_account_has_said_is_kept_and_numbered(ledger: AnyLedger, clock: VirtualClock) -> None:
    today, until = day_of(clock.now()), Instant(clock.now() + 90)
    assert (await ledger.standing(POOL, today)).word == Word(day=today)
    await ledger.told(POOL, today, {"paused_until": until, "rpm": 7, "rpm_under": 20})
    word = await ledger.told(POOL, today, {"rpd": 1000, "begun": True})
    assert word == Word(number=2, paused_until=until, rpm=7, rpm_under=20, rpd=1000, day=today, begun=True)
    assert (await ledger.standing(POOL, today)).word == word
    assert (await ledger.standing(POOL, today + 1)).word == word.of(today + 1)
