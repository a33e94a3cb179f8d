"""A small world around the real scheduler: members, an upstream that fails, an account that reports, processes that
crash. It writes down by itself what leaves and how every question ends, so that a test need not ask the scheduler.

Time is virtual. Several processes share one ledger; each reaches it over a `Wire`, which a crash cuts: what was written
stays, what was under way never arrives.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeAlias, TypeVar, assert_never

from hypothesis import strategies as st

from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import Ask
from bot.quota.ledger import (
    AlreadyHandled,
    Aside,
    Caps,
    Claim,
    DaySpent,
    Lease,
    LeaseId,
    LeaseNotOpenError,
    Ledger,
    MinuteFull,
    Outcome,
    PoolId,
    Question,
    Reserved,
    Standing,
)
from bot.quota.line import FairLine, Line
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import Days, FairDays
from bot.quota.terms import NO_TERMS, Terms
from bot.quota.virtual_time import VirtualLoop
from bot.quota.word import Said, Word

POOL = PoolId("default")
TODAY = 20_500
MEMBERS = [Member("test", f"m{number}") for number in range(8)]
COMMUNITIES = [CommunityId(f"c{number}") for number in range(3)]

T = TypeVar("T")

Course: TypeAlias = Literal["answered", "failed", "twice failed", "stopped", "unsent"]
"""What becomes of a request: a failed one is tried again if there is room, a twice failed one in vain."""


@dataclass(frozen=True)
class Asks:
    """A member's question at a second of the run, and what becomes of it."""

    at: float
    member: int
    answer: float = 5.0
    course: Course = "answered"
    gone_after: float | None = None
    """The member goes away so many seconds later, whatever the question is at."""
    process: int = 0


@dataclass(frozen=True)
class Reports:
    """The account's count: so many units more than really left."""

    at: float
    more: int


@dataclass(frozen=True)
class Limits:
    """The account's cap on the day changes."""

    at: float
    rpd: int


@dataclass(frozen=True)
class LaysDown:
    """An admin's terms."""

    at: float
    terms: Terms


@dataclass(frozen=True)
class Crashes:
    """All processes end at once without a word, and begin again."""

    at: float


Step: TypeAlias = Asks | Reports | Limits | LaysDown | Crashes


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the world is made of. A control puts a part without the rule in place of the real one."""

    rpm: int = 20
    rpd: int = 50
    begins: float = 36_000.0
    """Second of the day."""
    history: Mapping[int, Sequence[Ask]] = field(default_factory=dict)
    terms: Terms = NO_TERMS
    processes: int = 1
    latency: float = 0.004
    """Seconds to the ledger and back, half before the transaction and half after it."""
    max_wait: float = 900.0
    line: Callable[[], Line] = FairLine
    days: Callable[[], Days] = FairDays
    ledger: Callable[[Clock], MemoryLedger] = MemoryLedger
    scheduler: type[Scheduler] = Scheduler


class Wire:
    """One process's way to the ledger. Cut, it brings nothing there any more and says no."""

    def __init__(self, ledger: MemoryLedger, latency: float) -> None:
        self._ledger, self._latency = ledger, latency
        self.cut = False
        self.closed: list[LeaseId] = []
        """Every lease that was settled, released or followed by a second attempt."""

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        return await self._over(lambda: self._ledger.reserve(claim, caps, events), DaySpent())

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        no: Lease | MinuteFull | DaySpent = DaySpent()
        second = await self._over(lambda: self._ledger.retry(lease, outcome, claim, caps, events), no)
        if isinstance(second, Lease):
            self.closed.append(lease.id)
        return second

    async def open_aside(self, claim: Claim) -> Aside:
        no: Aside = AlreadyHandled()
        return await self._over(lambda: self._ledger.open_aside(claim), no)

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        await self._close(lease, lambda: self._ledger.settle(lease, outcome, events))

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        await self._close(lease, lambda: self._ledger.release(lease, events))

    async def _close(self, lease: Lease, closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if not self.cut:
            self.closed.append(lease.id)
        await self._over(closing, None)

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        kept = list(events)
        await self._over(lambda: self._ledger.note(pool, kept), None)

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        return await self._over(lambda: self._ledger.told(pool, day, said), Word())

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        return await self._ledger.events(pool, day)

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        return await self._ledger.asks(pool, first=first, last=last)

    async def standing(self, pool: PoolId, day: int) -> Standing:
        return await self._ledger.standing(pool, day)

    async def recover(self) -> int:
        return await self._ledger.recover()

    async def _over(self, transaction: Callable[[], Coroutine[Any, Any, T]], no: T) -> T:
        await asyncio.sleep(self._latency / 2)
        if self.cut:
            return no
        done = await transaction()
        await asyncio.sleep(self._latency / 2)
        return done


class World:
    """See the module. `run` takes its steps and waits until all of it is over."""

    def __init__(self, loop: VirtualLoop, setting: Setting) -> None:
        self.setting, self.clock = setting, loop
        self.began = loop.now()
        self.ledger = setting.ledger(loop)
        self.wires: list[Wire] = []
        self.schedulers: list[Scheduler] = []
        self.sends: list[tuple[Instant, Member]] = []
        """Every request that left, second attempts too."""
        self.ends: dict[int, list[str]] = {}
        """How each question ended, by its number: the code of a refusal, or what came of the request."""
        self.broken: list[str] = []
        """Promises: a unit that was sure at the moment of a question, and was refused."""
        self.lowered = False
        """The account or an admin took something away: promises are excused from here on."""
        self.rpd, self.elsewhere, self.terms = setting.rpd, 0, setting.terms
        self.watch: Callable[[World], None] = lambda _: None
        """Called whenever something has happened."""
        self._asking: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []

    @property
    def scheduler(self) -> Scheduler:
        return self.schedulers[0]

    def days_sends(self) -> Counter[int]:
        return Counter(day_of(at) for at, _ in self.sends)

    async def open(self) -> None:
        await self.ledger.add_pool(POOL)
        for day, asks in self.setting.history.items():
            await self.ledger.note(
                POOL,
                [
                    DayEvent(
                        kind=EventKind.ASKED,
                        at=Instant(day_start(day) + ask.second),
                        member=Member("past", ask.member),
                        community=CommunityId(ask.community),
                    )
                    for ask in asks
                ],
            )
        await self._begin()

    async def run(self, steps: Sequence[Step]) -> None:
        """Take every step at its time, let all questions end, and leave the schedulers open."""
        for number, step in enumerate(sorted(steps, key=lambda step: step.at)):
            await self.clock.until(Instant(self.began + step.at))
            await self._take(number, step)
            self.watch(self)
        while self._asking:
            await asyncio.wait(self._asking)
        await asyncio.sleep(1)
        self.watch(self)
        for error in self._errors:
            raise error

    async def close(self) -> None:
        for scheduler in self.schedulers:
            await scheduler.close()

    async def restart(self) -> None:
        """Every process is gone, and begins again from what the ledger has."""
        for wire in self.wires:
            wire.cut = True
        gone, before = list(self._asking), self.schedulers
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for scheduler in before:
            await scheduler.close()
        await self._begin()

    async def _begin(self) -> None:
        await self.ledger.recover()
        setting = self.setting
        self.wires = [Wire(self.ledger, setting.latency) for _ in range(setting.processes)]
        self.schedulers = [self._process(wire) for wire in self.wires]
        for scheduler in self.schedulers:
            await scheduler.open(self.terms)
            if self.elsewhere:
                scheduler.reported(await self._count())

    def _process(self, ledger: Ledger) -> Scheduler:
        setting = self.setting
        return setting.scheduler(
            pool=POOL,
            caps=Caps(rpm=setting.rpm, rpd=self.rpd),
            line=setting.line(),
            days=setting.days(),
            ledger=ledger,
            clock=self.clock,
            max_wait=setting.max_wait,
        )

    async def _count(self) -> int:
        today = day_of(self.clock.now())
        return self.days_sends()[today] + self.elsewhere

    # --- its steps ---------------------------------------------------------------------------------------

    async def _take(self, number: int, step: Step) -> None:
        match step:
            case Asks():
                task = asyncio.create_task(self._ask(number, step))
                self._asking.add(task)
                task.add_done_callback(self._over)
                await asyncio.sleep(0)
            case Reports(more=more):
                self.elsewhere, self.lowered = more, True
                count = await self._count()
                for scheduler in self.schedulers:
                    scheduler.reported(count)
            case Limits(rpd=rpd):
                self.lowered = self.lowered or rpd < self.rpd
                self.rpd = rpd
                for scheduler in self.schedulers:
                    scheduler.limit(rpd)
            case LaysDown(terms=terms):
                self.terms, self.lowered = terms, True
                for scheduler in self.schedulers:
                    scheduler.lay_down(terms)
            case Crashes():
                await self.restart()
            case _:
                assert_never(step)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)

    async def _ask(self, number: int, asks: Asks) -> None:
        self.ends[number] = ends = []
        process = asks.process % len(self.schedulers)
        scheduler, wire = self.schedulers[process], self.wires[process]
        member, community = MEMBERS[asks.member], community_of(asks.member)
        sure = scheduler.share(member, community).left_sure
        try:
            async with asyncio.timeout(asks.gone_after):
                ends.append(await self._reply(number, asks, scheduler))
        except TimeoutError:
            ends.append("gone")
        except Refused as refusal:
            ends.append(refusal.code)
            if sure and refusal.code in ("daily_share_spent", "pool_spent") and not self.lowered:
                self.broken.append(f"{member.user} had {sure} for sure and was told {refusal.code}")
        except LeaseNotOpenError:
            ends += ["over", "over again"]
        except asyncio.CancelledError:
            if not wire.cut:
                raise
            ends.append("crashed")
        self.watch(self)

    async def _reply(self, number: int, asks: Asks, scheduler: Scheduler) -> str:
        member, community = MEMBERS[asks.member], community_of(asks.member)
        lease = None
        admitting = scheduler.admit(member, community, lambda: claim(member, community, number))
        async with aclosing(admitting) as steps:
            async for step in steps:
                if isinstance(step, Place):
                    assert step.place >= 1
                elif isinstance(step, AlreadyHandled):
                    return "handled"
                else:
                    lease = step
        assert lease is not None
        if asks.course == "unsent":
            await scheduler.release(lease)
            return "unsent"
        sent = lease
        outcome = Outcome(result="stopped")
        try:
            if await self._attempt(scheduler, sent, asks, fails=asks.course in ("failed", "twice failed")):
                outcome = Outcome(result="stopped" if asks.course == "stopped" else "answered")
                return outcome.result
            again = claim(member, community, number)
            second = await scheduler.retry(lease, Outcome(result="failed"), again)
            if second is not None:
                sent = second
                if await self._attempt(scheduler, sent, asks, fails=asks.course == "twice failed"):
                    outcome = Outcome(result="answered")
                    return "answered"
            outcome = Outcome(result="failed", give_back=True)
            return "failed"
        finally:
            await scheduler.settle(sent, outcome)

    async def _attempt(self, scheduler: Scheduler, lease: Lease, asks: Asks, *, fails: bool) -> bool:
        scheduler.sent(lease)
        self.sends.append((self.clock.now(), lease.member))
        await asyncio.sleep(asks.answer)
        return not fails


def play(setting: Setting, steps: Sequence[Step], watch: Callable[[World], None] = lambda _: None) -> World:
    """A world after its steps. Its schedulers are closed, and answer questions about what is."""
    return played(setting, steps, lambda world: _nothing(), watch)[0]


def played(
    setting: Setting,
    steps: Sequence[Step],
    then: Callable[[World], Coroutine[Any, Any, T]],
    watch: Callable[[World], None] = lambda _: None,
) -> tuple[World, T]:
    """A world after its steps, and what came of `then` in it."""
    loop = VirtualLoop(Instant(day_start(TODAY) + setting.begins))

    async def run() -> tuple[World, T]:
        world = World(loop, setting)
        world.watch = watch
        await world.open()
        await world.run(steps)
        result = await then(world)
        await world.close()
        return world, result

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


async def _nothing() -> None:
    """Nothing more."""


def community_of(member: int) -> CommunityId:
    return COMMUNITIES[member % len(COMMUNITIES)]


def claim(member: Member, community: CommunityId, name: int | str) -> Claim:
    return Claim(
        pool=POOL,
        member=member,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(str(name))],
            conversation=ConversationId("c"),
            community=community,
            author_name="",
            text="",
            asked_at=Instant(0),
        ),
    )


def past_days(asks_a_day: int, *, days: int = 7, members: int = 12, seed: int = 1) -> dict[int, list[Ask]]:
    """Days before today, some busy and some quiet: so many questions a day on average, by so many members at most."""
    random, made = Random(seed), dict[int, list[Ask]]()
    for age in range(days, 0, -1):
        number = round(asks_a_day * random.uniform(0.5, 1.5))
        who = [min(int(random.expovariate(4 / members)), members - 1) for _ in range(number)]
        asks = [Ask(random.random() * DAY, COMMUNITIES[one % len(COMMUNITIES)], f"p{one}") for one in who]
        made[TODAY - age] = sorted(asks)
    return made


# --- what hypothesis draws -------------------------------------------------------------------------------

_COURSES: Sequence[Course] = ("answered", "answered", "answered", "failed", "twice failed", "stopped", "unsent")


def questions(span: float, processes: int = 1) -> st.SearchStrategy[Asks]:
    return st.builds(
        Asks,
        at=st.floats(0, span),
        member=st.integers(0, len(MEMBERS) - 1),
        answer=st.floats(0, 40),
        course=st.sampled_from(_COURSES),
        gone_after=st.none() | st.none() | st.floats(0, 90),
        process=st.integers(0, processes - 1),
    )


def crashes(span: float) -> st.SearchStrategy[Step]:
    return st.builds(Crashes, at=st.floats(0, span))


def account(span: float) -> st.SearchStrategy[Step]:
    """What the account says."""
    at = st.floats(0, span)
    return st.builds(Reports, at=at, more=st.integers(0, 12)) | st.builds(Limits, at=at, rpd=st.integers(3, 60))


def runs(
    span: float, *others: st.SearchStrategy[Step], processes: int = 1, most: int = 18
) -> st.SearchStrategy[list[Step]]:
    """Many questions, and a few of the other steps."""
    few = st.lists(st.one_of(*others), max_size=4) if others else st.just(list[Step]())
    asking: st.SearchStrategy[Step] = questions(span, processes)
    return st.tuples(st.lists(asking, min_size=1, max_size=most), few).map(lambda both: both[0] + both[1])
