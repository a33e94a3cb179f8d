"""What a ticket in line is told of its wait, against the wait it then had: busy minutes through the real scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from random import Random
from statistics import fmean
from typing import NamedTuple

import pytest

from bot.clock import Instant
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine, FirstCome, Line
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import FirstComeDays
from bot.quota.virtual_time import VirtualLoop

NOON = Instant(20_500 * 86_400 + 43_200.0)
POOL = PoolId("busy")
ANSWER_SECONDS = 7.4
WORTH_TELLING = 5.0


class Busy(NamedTuple):
    """What the busy minutes are like. Numbers are means."""

    burst: int
    """Members who come within the first ten seconds."""
    a_minute: float
    """Members who come in each minute after that."""
    minutes: int
    tickets: float
    """Of each member, brought at once."""


class Told(NamedTuple):
    """A ticket's first estimate, and how it was."""

    estimate: float
    waited: float

    @property
    def right(self) -> bool:
        return abs(self.estimate - self.waited) <= 0.3 * self.waited


def told_in(busy: Busy, *, line: Callable[[], Line] = FairLine, seed: int = 0) -> list[Told]:
    """Every ticket that was first told to wait for WORTH_TELLING seconds or more."""
    loop = VirtualLoop(NOON)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_Minutes(loop, line(), Random(seed)).run(busy))


class _Minutes:
    def __init__(self, clock: VirtualLoop, line: Line, random: Random) -> None:
        self.clock, self.random = clock, random
        self.ledger = MemoryLedger(clock)
        self.scheduler = Scheduler(
            pool=POOL,
            caps=Caps(rpm=20, rpd=100_000),
            line=line,
            days=FirstComeDays(),
            ledger=self.ledger,
            clock=clock,
            max_wait=3600,
        )
        self.told: list[Told] = []

    async def run(self, busy: Busy) -> list[Told]:
        await self.ledger.add_pool(POOL)
        await self.scheduler.open()
        moments = [NOON + 10 * self.random.random() for _ in range(busy.burst)]
        at = NOON + 10.0
        while busy.a_minute and (at := at + self.random.expovariate(busy.a_minute / 60)) < NOON + 60 * busy.minutes:
            moments.append(at)
        async with asyncio.TaskGroup() as asking:
            for number, moment in enumerate(sorted(moments)):
                await self.clock.until(Instant(moment))
                for ticket in range(1 + int(self.random.expovariate(1) * (busy.tickets - 1) + 0.5)):
                    asking.create_task(self.ask(Member("web", f"m{number}"), f"{number}/{ticket}"))
        await self.scheduler.close()
        return self.told

    async def ask(self, member: Member, message: str) -> None:
        asked, first = self.clock.now(), None
        admitting = self.scheduler.admit(member, CommunityId("web"), lambda: _claim(member, message, asked))
        async with aclosing(admitting) as steps:
            async for step in steps:
                if isinstance(step, Place) and first is None and step.estimate_at is not None:
                    first = step.estimate_at - asked
        assert isinstance(step, Lease)
        if first is not None and first >= WORTH_TELLING:
            self.told.append(Told(first, self.clock.now() - asked))
        self.scheduler.sent(step)
        await asyncio.sleep(ANSWER_SECONDS)
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


@pytest.mark.parametrize(
    ("busy", "first_come", "fair"),
    [
        pytest.param(Busy(burst=60, a_minute=0, minutes=0, tickets=1), 0.95, 0.95, id="three minutes' worth at once"),
        pytest.param(Busy(burst=40, a_minute=10, minutes=6, tickets=1.5), 0.85, 0.8, id="and others go on coming"),
        # Of those who wait for a later turn of theirs, it depends on who is still to come.
        pytest.param(Busy(burst=0, a_minute=10, minutes=14, tickets=2.5), 0.9, 0.7, id="always a little too much"),
    ],
)
def test_most_first_estimates_are_right_within_thirty_percent(busy: Busy, first_come: float, fair: float) -> None:
    makers: tuple[tuple[Callable[[], Line], float], ...] = ((FirstCome, first_come), (FairLine, fair))
    for line, least in makers:
        told = [one for seed in range(2) for one in told_in(busy, line=line, seed=seed)]
        assert len(told) > 60
        assert fmean(one.right for one in told) >= least


def test_of_a_burst_that_begins_without_warning_the_first_are_told_too_little() -> None:
    """All bring several, and come within ten seconds: whoever is first cannot be told of those who overtake."""
    told = told_in(Busy(burst=25, a_minute=0, minutes=0, tickets=3))
    assert fmean(one.right for one in told) >= 0.4
    assert fmean(one.estimate <= 1.3 * one.waited for one in told) >= 0.8
