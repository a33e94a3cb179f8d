"""What every ledger keeps, and what the SQL one keeps beyond that."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.clock import DAY, Instant, day_of
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
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
    PoolId,
    Question,
)
from bot.quota.memory import MemoryLedger
from bot.quota.word import Word
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.units import Where
from tests.fakes.databases import migrated
from tests.fakes.databases import opened as opened_database
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

POOL = PoolId("default")
ANN, BEN = Member("web", "ann"), Member("slack", "U1", "T1")
WIDE = Caps(rpm=1000, rpd=1000)


AnyLedger = SqlLedger | MemoryLedger


@pytest.fixture
async def database(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    async with opened_database(where, clock, loop) as database:
        yield database


@pytest.fixture
async def sql_ledger(database: Database, clock: VirtualClock) -> SqlLedger:
    ledger = SqlLedger(database, clock)
    await ledger.add_pool(POOL)
    return ledger


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> AsyncIterator[AnyLedger]:
    if request.param == "memory":
        kept = MemoryLedger(clock)
        await kept.add_pool(POOL)
        yield kept
        return
    with migrated(request.param, request, tmp_path) as where:
        async with opened_database(where, clock, loop) as database:
            ledger = SqlLedger(database, clock)
            await ledger.add_pool(POOL)
            yield ledger


_numbers = iter(range(1_000_000))


def claim(member: Member = ANN, *messages: str, pool: PoolId = POOL) -> Claim:
    return Claim(
        pool=pool,
        member=member,
        lane="free",
        model=ModelId("openrouter/free"),
        question=Question(
            messages=[MessageId(message) for message in messages or (f"m{next(_numbers)}",)],
            conversation=ConversationId("c"),
            community=CommunityId("web"),
            author_name="someone",
            text="hello",
            asked_at=Instant(0),
        ),
    )


async def lease(ledger: AnyLedger, member: Member = ANN, caps: Caps = WIDE) -> Lease:
    reserved = await ledger.reserve(claim(member), caps)
    assert isinstance(reserved, Lease), reserved
    return reserved


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


# --- the database below it ---------------------------------------------------------------------------------


async def test_one_unit_that_fails_undoes_itself_alone(database: Database) -> None:
    def insert(number: int) -> Callable[[Connection], None]:
        def unit(connection: Connection) -> None:
            connection.execute(text("INSERT INTO pools (id, started) VALUES (:id, 0)"), {"id": f"p{number}"})
            if number % 3 == 0:
                raise ValueError(number)

        return unit

    units = (database.write(insert(number), of="one pool") for number in range(40))
    done = await asyncio.gather(*units, return_exceptions=True)
    failed = {number for number, result in enumerate(done) if isinstance(result, ValueError)}
    assert failed == set(range(0, 40, 3))
    kept = await database.read(lambda core: {row[0] for row in core.execute(text("SELECT id FROM pools"))})
    assert kept == {f"p{number}" for number in range(40) if number % 3}


async def test_a_unit_whose_caller_went_away_still_runs(
    sql_ledger: SqlLedger, database: Database, clock: VirtualClock
) -> None:
    task = asyncio.create_task(sql_ledger.reserve(claim(), WIDE))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    while database.busy:
        await asyncio.sleep(0)
    assert (await sql_ledger.standing(POOL, day_of(clock.now()))).used == 1


async def test_readers_see_no_half_of_a_unit(database: Database, sql_ledger: SqlLedger) -> None:
    async def write() -> None:
        for _ in range(50):
            await lease(sql_ledger)

    async def read() -> None:
        for _ in range(50):
            used, leases = await database.read(
                lambda core: (
                    core.scalar(text("SELECT COALESCE(SUM(used), 0) FROM pool_days")),
                    core.scalar(text("SELECT COUNT(*) FROM leases")),
                )
            )
            assert used == leases

    await asyncio.gather(write(), read())


# --- the second attempt ----------------------------------------------------------------------------------

FAILED = Outcome(result="failed")


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


# --- beside the pool -------------------------------------------------------------------------------------


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
