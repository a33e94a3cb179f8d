"""Midnight: what the day that is over teaches is worked out beside the loop, which goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import aclosing

from bot.clock import Instant, day_start
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.history import Ask
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays

POOL, WEB, ANN = PoolId("default"), CommunityId("web"), Member("web", "ann")
DAY = 20_500


class HandSet:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = Instant(day_start(DAY) + 43_200)

    def now(self) -> Instant:
        return self.at

    def monotonic(self) -> float:
        return self.at


class SlowDays(FairDays):
    """Learns from a day only once it is told to."""

    def __init__(self, *, patience: float = 5.0) -> None:
        super().__init__()
        self.may, self._patience = threading.Event(), patience
        self.learned: list[int] = []

    def remember(self, day: int, asks: Sequence[Ask]) -> None:
        if self.may.wait(self._patience):
            super().remember(day, asks)
            self.learned.append(day)


def scheduler_of(days: FairDays, clock: HandSet, ledger: MemoryLedger) -> Scheduler:
    caps = Caps(rpm=20, rpd=50)
    return Scheduler(pool=POOL, caps=caps, line=FairLine(), days=days, ledger=ledger, clock=clock, max_wait=60)


async def answered(scheduler: Scheduler, number: int) -> None:
    question = Question(
        messages=[MessageId(str(number))],
        conversation=ConversationId("c"),
        community=WEB,
        author_name="",
        text="",
        asked_at=Instant(0),
    )
    claim = Claim(pool=POOL, member=ANN, lane="free", model=ModelId("m"), question=question)
    async with aclosing(scheduler.admit(ANN, WEB, lambda: claim)) as steps:
        async for step in steps:
            if isinstance(step, Lease):
                scheduler.sent(step)
                await scheduler.settle(step, Outcome(result="answered"))


async def test_at_midnight_the_loop_goes_on_while_the_day_before_is_learned_from() -> None:
    days, clock = SlowDays(), HandSet()
    ledger = MemoryLedger(clock)
    await ledger.add_pool(POOL)
    scheduler = scheduler_of(days, clock, ledger)
    days.may.set()
    await scheduler.open()
    await answered(scheduler, 1)
    days.may.clear()
    clock.at = Instant(day_start(DAY + 1) + 10)
    assert scheduler.share(ANN, WEB).used == 0, "the new day has begun"
    assert scheduler.waiting == 0
    assert DAY not in days.learned, "and yesterday is not learned from yet"
    days.may.set()  # were it learned from on the loop, nobody could get here before it had lost patience
    await answered(scheduler, 2)
    assert days.learned[-1] == DAY
    await scheduler.close()


async def test_control_learned_from_on_the_loop_it_waits_for_nothing_and_learns_nothing() -> None:
    days = SlowDays(patience=0.01)
    days.remember(DAY, [])
    days.may.set()
    assert days.learned == []
