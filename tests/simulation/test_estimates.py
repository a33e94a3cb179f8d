"""What a ticket in line is told of its wait, against the wait it then had: busy minutes through the real scheduler.

An estimate counts from when it is first told: it is right if it is within thirty percent of what was left of the wait.
Left out is only what was said to be over within WORTH_TELLING seconds and was. The numbers in `arrivals` and `starts`
were chosen on TUNED with seeds 10 to 14, but for the three seconds of `starts`, which "four each within four seconds"
asked for; OTHERS and the seeds from 20 on were looked at meanwhile, and those from 23 on only when all was done.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import NamedTuple, TypeAlias

import pytest

from bot.clock import Instant
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.ledger import WINDOW, Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine, FirstCome, Line
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import FirstComeDays
from bot.quota.virtual_time import VirtualLoop

NOON = Instant(20_500 * 86_400 + 43_200.0)
POOL = PoolId("busy")
WORTH_TELLING = 5.0
LONGEST_UNTOLD = 6.0
"""Five seconds while a rush rises, and up to one more until places are told again."""
RPM = 20


class Burst(NamedTuple):
    """So many members come within so many seconds."""

    members: int
    tickets: float = 1.0
    """Of each, brought at once, in the mean."""
    over: float = 10.0
    at: float = 0.0


class Stream(NamedTuple):
    """Members come at an even pace."""

    a_minute: float
    until: float
    tickets: float = 1.0
    since: float = 0.0


class Flood(NamedTuple):
    """One member brings so many at once."""

    tickets: int
    at: float


class Regulars(NamedTuple):
    """Members who come back after an answer, so many times, having thought for so many seconds in the mean."""

    members: int
    times: int
    think: float
    over: float = 60.0


@dataclass(frozen=True, slots=True)
class Busy:
    """What the busy minutes are like."""

    who: tuple[Burst | Stream | Flood | Regulars, ...]
    answer: float = 7.4
    """Seconds, in the mean."""
    spread: float = 0.0
    """Of the logarithm of an answer's seconds."""


TUNED = {
    "sixty at once": Busy((Burst(60),)),
    "forty at once, and others go on coming": Busy((Burst(40, 1.5), Stream(10, 360, 1.5, since=10))),
    "always a little too much": Busy((Stream(10, 840, 2.5),)),
    "all bring several at once": Busy((Burst(25, 3),)),
    "the same few again and again": Busy((Regulars(14, times=8, think=15),)),
    "a flood among others": Busy((Stream(10, 900), Flood(60, at=120))),
    "all of these": Busy((Stream(14, 600, 1.5), Regulars(4, times=10, think=20), Flood(20, at=200)), spread=0.5),
}
OTHERS = {
    "a rush of half a minute": Busy((Burst(40, 2, over=30),), answer=9, spread=0.6),
    "a class": Busy((Regulars(30, times=3, think=25, over=20),)),
    "two floods": Busy((Stream(6, 900, 1.2), Flood(40, at=100), Flood(40, at=160))),
    "slow answers": Busy((Stream(4, 600, 2), Burst(30, 2, over=5, at=60)), answer=15, spread=0.5),
    "two rushes": Busy((Stream(12, 900), Burst(20, over=15, at=200), Burst(20, 3, over=15, at=500))),
    "four each within four seconds": Busy((Burst(12, 4, over=4),)),
    "regulars and passers-by": Busy((Regulars(16, times=12, think=30, over=200), Stream(4, 900)), answer=6, spread=0.7),
    "just too much": Busy((Stream(16, 900, 1.4),)),
}


class Told(NamedTuple):
    """A ticket's first estimate, and how it was. Seconds."""

    untold: float
    """For so long it had none."""
    estimate: float
    by_place: float
    """What its place alone would have said."""
    waited: float
    """From when it was told."""

    @property
    def worth_telling(self) -> bool:
        return max(self.estimate, self.waited) >= WORTH_TELLING

    @property
    def right(self) -> bool:
        return abs(self.estimate - self.waited) <= 0.3 * self.waited

    @property
    def right_by_place(self) -> bool:
        return abs(self.by_place - self.waited) <= 0.3 * self.waited


def told_in(busy: Busy, *, line: Callable[[], Line] = FairLine, seed: int = 0) -> list[Told]:
    """Every ticket that waited."""
    loop = VirtualLoop(NOON)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_Minutes(loop, line(), Random(seed), busy).run())


class _Minutes:
    def __init__(self, clock: VirtualLoop, line: Line, random: Random, busy: Busy) -> None:
        self.clock, self.random, self.busy = clock, random, busy
        self.ledger = MemoryLedger(clock)
        self.scheduler = Scheduler(
            pool=POOL,
            caps=Caps(rpm=RPM, rpd=100_000),
            line=line,
            days=FirstComeDays(),
            ledger=self.ledger,
            clock=clock,
            max_wait=3600,
        )
        self.told: list[Told] = []
        self.asked = 0

    async def run(self) -> list[Told]:
        await self.ledger.add_pool(POOL)
        await self.scheduler.open()
        async with asyncio.TaskGroup() as coming:
            for number, who in enumerate(self.busy.who):
                for other, (at, tickets, back, think) in enumerate(self.visits(who)):
                    member = Member("web", f"{number}/{other}")
                    for _ in range(tickets):
                        coming.create_task(self.visit(member, at, back, think))
        await self.scheduler.close()
        return self.told

    def visits(self, who: Burst | Stream | Flood | Regulars) -> list[tuple[float, int, int, float]]:
        """When each member comes, with how many tickets, how often again and after how long."""
        match who:
            case Burst():
                moments = [who.at + who.over * self.random.random() for _ in range(who.members)]
                return [(moment, self.some(who.tickets), 0, 0) for moment in moments]
            case Stream():
                at, found = who.since, []
                while (at := at + self.random.expovariate(who.a_minute / 60)) < who.until:
                    found.append((at, self.some(who.tickets), 0, 0.0))
                return found
            case Flood():
                return [(who.at, who.tickets, 0, 0)]
            case Regulars():
                return [(who.over * self.random.random(), 1, who.times, who.think) for _ in range(who.members)]

    def some(self, mean: float) -> int:
        return 1 + int(self.random.expovariate(1) * (mean - 1) + 0.5)

    async def visit(self, member: Member, at: float, back: int, think: float) -> None:
        await self.clock.until(Instant(NOON + at))
        await self.ask(member)
        for _ in range(back):
            await asyncio.sleep(self.random.expovariate(1 / think))
            await self.ask(member)

    async def ask(self, member: Member) -> None:
        self.asked += 1
        asked, told, message = self.clock.now(), None, str(self.asked)
        admitting = self.scheduler.admit(member, CommunityId("web"), lambda: _claim(member, message, asked))
        async with aclosing(admitting) as steps:
            async for step in steps:
                if isinstance(step, Place) and told is None and step.estimate_at is not None:
                    told = (now := self.clock.now()), step.estimate_at - now, step.place * WINDOW / RPM
        assert isinstance(step, Lease)
        started = self.clock.now()
        if told is not None:
            at, estimate, by_place = told
            self.told.append(Told(at - asked, estimate, by_place, started - at))
        else:
            assert started - asked <= LONGEST_UNTOLD, "it waited, and was never told for how long"
        self.scheduler.sent(step)
        log = math.log(self.busy.answer) - self.busy.spread**2 / 2
        await asyncio.sleep(math.exp(self.random.gauss(log, self.busy.spread)))
        await self.scheduler.settle(step, Outcome(result="answered"))


def _claim(member: Member, message: str, asked: Instant) -> Claim:
    question = Question(
        messages=[MessageId(message)],
        conversation=ConversationId(message),
        community=CommunityId("web"),
        author_name="",
        text="",
        asked_at=asked,
    )
    return Claim(pool=POOL, member=member, lane="free", model=ModelId("busy"), question=question)


Pooled: TypeAlias = dict[str, list[Told]]


def judged(workloads: Mapping[str, Busy], seeds: Sequence[int], line: Callable[[], Line] = FairLine) -> Pooled:
    """What was worth telling, by workload."""
    found = {
        name: [told for seed in seeds for told in told_in(busy, seed=seed, line=line) if told.worth_telling]
        for name, busy in workloads.items()
    }
    assert all(len(told) >= 10 for told in found.values())
    return found


def test_four_of_five_first_estimates_are_right_within_thirty_percent() -> None:
    found = judged(TUNED | OTHERS, [20])
    pooled = [told for told_here in found.values() for told in told_here]
    assert fmean(told.right for told in pooled) >= 0.8
    assert fmean(told.right_by_place for told in pooled) < 0.5, "the control: by the place alone"
    for name, told_here in found.items():
        assert fmean(told.right for told in told_here) >= 0.65, name
        assert max(told.untold for told in told_here) <= LONGEST_UNTOLD, name


def test_who_comes_later_changes_little_where_who_is_first_goes_first() -> None:
    few = ("forty at once, and others go on coming", "the same few again and again", "a flood among others")
    for name, told_here in judged({name: TUNED[name] for name in few}, [20], FirstCome).items():
        assert fmean(told.right for told in told_here) >= 0.9, name


def test_where_no_rush_rises_a_first_question_is_told_within_a_second_and_a_later_one_soon() -> None:
    assert max(told.untold for told in told_in(TUNED["sixty at once"])) <= 1.1, "nobody can overtake these"
    assert max(told.untold for told in told_in(TUNED["a flood among others"], seed=20)) <= 4.1
    assert max(told.untold for told in told_in(TUNED["all bring several at once"])) > 4.1, "the control: a rush"


@pytest.mark.soak
def test_four_of_five_are_right_over_many_seeds() -> None:
    for workloads in (TUNED, OTHERS):
        found = judged(workloads, range(20, 30))
        assert fmean(told.right for told_here in found.values() for told in told_here) >= 0.8
