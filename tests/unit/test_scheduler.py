"""The scheduler over a ledger in memory, with members, answers and cancellations as hypothesis likes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant, day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota import history
from bot.quota.day import FairDay
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import Past
from bot.quota.ledger import Caps, Claim, DaySpent, Lease, MinuteFull, Outcome, PoolId, Question
from bot.quota.line import FairLine, FirstCome, Line, Ticket
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import Days, FairDays, FirstComeDays
from bot.quota.terms import Block, MemberTerms, Terms
from tests.fakes.deployment import most_in_any
from tests.fakes.virtual import VirtualClock, VirtualLoop

POOL = PoolId("default")
WEB = CommunityId("test")
ANN = Member("test", "ann")


@dataclass(frozen=True)
class Ask:
    """One question: by whom, when, how long its answer takes, and whether its member goes away first."""

    member: int
    at: float
    answer: float
    gone_after: float | None


asks = st.lists(
    st.builds(
        Ask,
        member=st.integers(0, 5),
        at=st.floats(0, 300),
        answer=st.floats(0, 40),
        gone_after=st.none() | st.floats(0, 120),
    ),
    max_size=40,
)


class World:
    """Asks through one scheduler, and writes down what happened."""

    def __init__(
        self,
        loop: VirtualLoop,
        caps: Caps,
        max_wait: float = 900,
        line: Line | None = None,
        *,
        watched: bool = False,
        ledger: type[MemoryLedger] = MemoryLedger,
        days: Days | None = None,
    ) -> None:
        self.clock = VirtualClock(loop)
        self.ledger = ledger(self.clock)
        self._line, self._days = FirstCome() if line is None else line, days or FirstComeDays()
        self._caps, self._max_wait, self._watched = caps, max_wait, watched
        self.scheduler = self.another()
        self.started: list[tuple[float, int]] = []
        self.under_way: dict[int, int] = {}
        self.most_under_way = 0
        self.ends: list[str] = []

    def another(self) -> Scheduler:
        """One more over the same ledger, as a restart makes it."""
        return Scheduler(
            pool=POOL,
            caps=self._caps,
            line=self._line,
            days=self._days,
            ledger=self.ledger,
            clock=self.clock,
            max_wait=self._max_wait,
            watched=self._watched,
        )

    async def run(self, asks: list[Ask]) -> None:
        await self.ledger.add_pool(POOL)
        await self.scheduler.open()
        await asyncio.gather(*(self.ask(number, ask) for number, ask in enumerate(asks)))
        await self.scheduler.close()

    async def ask(self, number: int, ask: Ask) -> None:
        await asyncio.sleep(ask.at)
        try:
            async with asyncio.timeout(ask.gone_after):
                await self.reply(number, ask)
            self.ends.append("answered")
        except TimeoutError:
            self.ends.append("gone")
        except Refused as refusal:
            self.ends.append(refusal.code)

    async def reply(self, number: int, ask: Ask) -> None:
        member = Member("test", str(ask.member))
        claim = _claim(member, number)
        lease: Lease | None = None
        async with aclosing(self.scheduler.admit(member, WEB, lambda: claim)) as steps:
            async for step in steps:
                if isinstance(step, Place):
                    assert step.place >= 1
                elif isinstance(step, Lease):
                    lease = step
        assert lease is not None
        self.scheduler.sent(lease)
        self.started.append((self.clock.now(), number))
        self.under_way[ask.member] = self.under_way.get(ask.member, 0) + 1
        self.most_under_way = max(self.most_under_way, *self.under_way.values())
        try:
            await asyncio.sleep(ask.answer)
        finally:
            self.under_way[ask.member] -= 1
            await self.scheduler.settle(lease, Outcome(result="answered"))


def simulate(asks: list[Ask], caps: Caps, max_wait: float = 900, line: Line | None = None) -> World:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world = World(loop, caps, max_wait, line)
        loop.run_until_complete(world.run(asks))
        return world
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@given(asks, st.integers(1, 6), st.integers(1, 30))
def test_caps_hold_and_every_ticket_ends_once(asks: list[Ask], rpm: int, rpd: int) -> None:
    world = simulate(asks, Caps(rpm=rpm, rpd=rpd))
    assert most_in_any(62, [at for at, _ in world.started]) <= rpm
    assert len(world.started) <= rpd
    assert world.most_under_way <= 1, "one in flight for each member"
    assert len(world.ends) == len(asks)
    assert world.scheduler.answering == world.scheduler.waiting == 0
    assert world.scheduler.used_here == len(world.started)


@given(asks, st.integers(1, 6))
def test_nobody_is_refused_while_there_is_enough(asks: list[Ask], rpm: int) -> None:
    patient = [Ask(ask.member, ask.at, ask.answer, None) for ask in asks]
    world = simulate(patient, Caps(rpm=rpm, rpd=1000), max_wait=80_000)
    assert set(world.ends) <= {"answered"}


@given(st.integers(1, 40), st.integers(1, 7))
def test_a_burst_is_served_in_the_order_it_came_and_as_fast_as_the_minute_allows(number: int, rpm: int) -> None:
    world = simulate([Ask(member, 0, 5, None) for member in range(number)], Caps(rpm=rpm, rpd=1000), 9000)
    assert [who for _, who in world.started] == list(range(number))
    began = world.started[0][0]
    for place, (at, _) in enumerate(world.started):
        assert at - began == pytest.approx(place // rpm * 62, abs=0.5)


class _Unruly(FirstCome):
    """A line that forgets that each member has one request under way at most."""

    def next(self, may: Callable[[Member], bool]) -> Ticket | None:
        return super().next(lambda _: True)


def test_a_line_without_the_rule_runs_two_of_one_member_at_once() -> None:
    """The control: the property above is not true by itself."""
    world = simulate([Ask(0, 0, 5, None), Ask(0, 0, 5, None)], Caps(rpm=9, rpd=9), line=_Unruly())
    assert world.most_under_way == 2


@pytest.fixture
async def world(loop: VirtualLoop) -> AsyncIterator[World]:
    world = World(loop, Caps(rpm=2, rpd=100))
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    yield world
    await world.scheduler.close()


@pytest.mark.virtual
async def test_a_request_that_left_late_counts_from_when_it_left(world: World) -> None:
    """A slow connection must not let one more through in the minute that OpenRouter sees."""

    async def late(number: int, connecting: float) -> None:
        member = Member("test", str(number))
        async with aclosing(world.scheduler.admit(member, WEB, lambda: _claim(member, number))) as steps:
            lease = await anext(steps)
        assert isinstance(lease, Lease)
        await asyncio.sleep(connecting)
        world.scheduler.sent(lease)
        world.started.append((world.clock.now(), number))
        await world.scheduler.settle(lease, Outcome(result="answered"))

    await asyncio.gather(late(1, 10), late(2, 0))
    await asyncio.gather(*(world.ask(number, Ask(number, 0, 1, None)) for number in range(3, 7)))
    assert most_in_any(60, [at for at, _ in world.started]) == 2


@pytest.mark.virtual
async def test_a_pause_holds_the_line_and_keeps_its_order(world: World) -> None:
    world.scheduler.pause(Instant(world.clock.now() + 30))
    began = world.clock.now()
    await asyncio.gather(*(world.ask(number, Ask(number, number * 0.01, 1, None)) for number in range(2)))
    assert [who for _, who in world.started] == [0, 1]
    assert world.started[0][0] - began >= 30
    assert world.scheduler.paused_until is None


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
async def test_a_line_that_is_full_says_so_and_keeps_the_others(world: World) -> None:
    asks = [asyncio.create_task(world.ask(number, Ask(0, 0, 1, None))) for number in range(110)]
    await asyncio.gather(*asks)
    assert world.ends.count("line_full") == 110 - 101
    assert world.ends.count("answered") > 20


def _claim(member: Member, number: int) -> Claim:
    return Claim(
        pool=POOL,
        member=member,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(f"{number}")],
            conversation=ConversationId("c"),
            community=CommunityId("test"),
            author_name="",
            text="",
            asked_at=Instant(0),
        ),
    )


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=80),
    st.integers(1, 5),
)
def test_members_take_turns(steps: list[tuple[int, bool]], behind: int) -> None:
    """However many tickets the others have, nobody's first one waits behind more than one of each of them."""
    line = FairLine()
    for member, goes in steps:
        line.join(_ticket(member))
        if goes:
            _goes(line)
    for _ in range(behind):
        line.join(_ticket(9))
        waiting = [ticket.member.user for ticket in line]
        before = waiting[: waiting.index("9")] if waiting.count("9") == 1 else []
        assert all(before.count(member) <= 1 for member in before)
        _goes(line)


def test_first_come_lets_a_flood_stand_in_front() -> None:
    """The control: the property is the fair line's, not every line's."""
    line = FirstCome()
    for member in (1, 1, 1, 9):
        line.join(_ticket(member))
    assert [ticket.member.user for ticket in line] == ["1", "1", "1", "9"]


def test_a_member_who_comes_back_has_saved_nothing_up() -> None:
    line = FairLine()
    for _ in range(20):
        line.join(_ticket(1))
        _goes(line)
    for member in (2, 1, 2, 1):
        line.join(_ticket(member))
    assert [ticket.member.user for ticket in line] == ["2", "1", "2", "1"]


def _ticket(member: int) -> Ticket:
    return Ticket(member=Member("test", str(member)), community=WEB, asked_at=Instant(0))


def _goes(line: FairLine) -> None:
    ticket = line.next(lambda _: True)
    assert ticket is not None
    ticket.started_at = Instant(0)
    line.leave(ticket)


# --- the second attempt ----------------------------------------------------------------------------------


async def lease_for(world: World, number: int, member: Member) -> Lease:
    async with aclosing(world.scheduler.admit(member, WEB, lambda: _claim(member, number))) as steps:
        async for step in steps:
            if isinstance(step, Lease):
                world.scheduler.sent(step)
                return step
    raise AssertionError("no lease")


FAILED = Outcome(result="failed")


@pytest.mark.virtual
async def test_a_second_attempt_leaves_at_once_and_is_the_pools(world: World) -> None:
    first = await lease_for(world, 1, ANN)
    second = await world.scheduler.retry(first, FAILED, _claim(ANN, 1))
    assert second is not None
    world.scheduler.sent(second)
    assert (world.scheduler.used_here, world.scheduler.minute_used, world.scheduler.answering) == (2, 2, 1)
    assert world.scheduler.share(ANN, WEB).used == 1
    assert await world.scheduler.retry(second, FAILED, _claim(ANN, 1)) is None, "there is no third"
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
    second = await world.scheduler.retry(first, FAILED, _claim(ANN, 1))
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
            second = await world.scheduler.retry(first, FAILED, _claim(ANN, 1))
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


# --- the pool as a whole ---------------------------------------------------------------------------------


@pytest.mark.virtual
async def test_a_shut_pool_tells_the_line_once_and_takes_nothing(world: World) -> None:
    first = await lease_for(world, 1, ANN)
    waiting = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(1)
    world.scheduler.shut("bad_key")
    with pytest.raises(Refused, match="pool_paused"):
        await waiting
    with pytest.raises(Refused, match="pool_paused"):
        await lease_for(world, 3, Member("test", "ben"))
    await world.scheduler.settle(first, Outcome(result="answered"))
    assert world.scheduler.used_here == world.scheduler.share(ANN, WEB).used == 1
    world.scheduler.reopen()
    await world.scheduler.settle(await lease_for(world, 4, ANN), Outcome(result="answered"))


@pytest.mark.virtual
async def test_the_minute_is_learnt_downwards_only(world: World) -> None:
    most = world.scheduler.caps.rpm
    world.scheduler.limit_minute(most - 1)
    assert world.scheduler.caps.rpm == most - 1
    world.scheduler.limit_minute(10 * most)
    assert world.scheduler.caps.rpm == most


@pytest.mark.virtual
async def test_a_blocked_member_is_told_also_in_mid_line(world: World) -> None:
    ben = Member("test", "ben")
    first = await lease_for(world, 1, ANN)
    waiting = asyncio.create_task(lease_for(world, 2, ANN))
    await asyncio.sleep(1)
    until = Instant(world.clock.now() + 60)
    world.scheduler.lay_down(Terms(members={ANN.key: MemberTerms(block=Block(until=until))}))
    with pytest.raises(Refused, match="member_blocked") as told:
        await waiting
    assert told.value.resets_at == until
    with pytest.raises(Refused, match="member_blocked"):
        await lease_for(world, 3, ANN)
    await world.scheduler.settle(await lease_for(world, 4, ben), Outcome(result="answered"))
    await world.scheduler.settle(first, Outcome(result="answered"))
    assert world.scheduler.share(ANN, WEB).used == 1
    await asyncio.sleep(61)
    await world.scheduler.settle(await lease_for(world, 5, ANN), Outcome(result="answered"))


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
async def test_a_weight_counts_for_those_in_line_at_once(loop: VirtualLoop) -> None:
    """Two members with many questions each, one start at a time: the heavier has more of the turns from then on."""
    world = World(loop, Caps(rpm=1, rpd=100), max_wait=1e6, line=FairLine())
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    ben, order = Member("test", "ben"), list[str]()

    async def ask(number: int, member: Member) -> None:
        lease = await lease_for(world, number, member)
        order.append(member.user)
        await world.scheduler.settle(lease, Outcome(result="answered"))

    asking = [asyncio.create_task(ask(number, (ANN, ben)[number % 2])) for number in range(24)]
    await asyncio.sleep(4 * 62)
    assert order.count("ann") - order.count("ben") in (-1, 0, 1)
    before = len(order)
    world.scheduler.lay_down(Terms(members={ben.key: MemberTerms(weight=3)}))
    await asyncio.sleep(8 * 62)
    after = order[before:]
    assert after.count("ben") >= 2 * after.count("ann"), after
    await asyncio.gather(*asking)
    await world.scheduler.close()


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


class SlowLedger(MemoryLedger):
    """Takes its time over second attempts."""

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        await asyncio.sleep(0.05)
        return await super().retry(lease, outcome, claim, caps, events)


@pytest.mark.virtual
async def test_one_spare_unit_is_one_second_attempt(loop: VirtualLoop) -> None:
    world = World(loop, Caps(rpm=100, rpd=3), ledger=SlowLedger)
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    ben = Member("test", "ben")
    leases = [await lease_for(world, 1, ANN), await lease_for(world, 2, ben)]
    tried = await asyncio.gather(
        *(world.scheduler.retry(lease, FAILED, _claim(lease.member, 1)) for lease in leases),
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
            await world.scheduler.retry(first, FAILED, _claim(ANN, 1))
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
