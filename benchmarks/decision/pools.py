"""Pools of any size: members today, members known from the days before, and the scheduler that decides among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.clock import DAY, Instant, day_start
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS, Ask
from bot.quota.ledger import Caps, Claim, PoolId, Question
from bot.quota.line import FairLine
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays

POOL = PoolId("benchmark")
TODAY = 20_500
NOON = 0.5 * DAY
_QUESTIONS = 2
"""A day, of each member who comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a pool is."""

    today: int
    known: int
    communities: int = 1
    """Which share by themselves, if there are several."""

    @property
    def name(self) -> str:
        between = f", {self.communities} communities" if self.communities > 1 else ""
        return f"{self.today:,} today, {self.known:,} known{between}"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = day_start(TODAY) + NOON

    def now(self) -> Instant:
        return Instant(self.at)

    def monotonic(self) -> float:
        return self.at


def days_before(size: Size) -> Mapping[int, Sequence[Ask]]:
    """The questions of DAYS days, on which every known member has come at least once."""
    rng = np.random.default_rng(0)
    days = {}
    for age in range(DAYS, 0, -1):
        who = np.arange(size.known)[age - 1 :: DAYS]
        who = np.repeat(who, rng.poisson(_QUESTIONS - 1, len(who)) + 1)
        at = np.sort(rng.random(len(who)) * DAY)
        days[TODAY - age] = [
            Ask(second, f"c{one % size.communities}", f"m{one}")
            for second, one in zip(at.tolist(), rng.permutation(who).tolist(), strict=True)
        ]
    return days


def member(number: int, size: Size) -> tuple[Member, CommunityId]:
    return Member("web", f"m{number}"), CommunityId(f"c{number % size.communities}")


def claim(whose: Member, community: CommunityId, name: str) -> Claim:
    question = Question(
        messages=[MessageId(name)],
        conversation=ConversationId("c"),
        community=community,
        author_name="",
        text="",
        asked_at=Instant(0),
    )
    return Claim(pool=POOL, member=whose, lane="free", model=ModelId("m"), question=question)


async def scheduler_of(size: Size, days: FairDays, clock: Clock) -> Scheduler:
    """A scheduler at noon of a day on which everyone has had one answer, and about one more is left for each.

    `days` know the days before already.
    """
    ledger = MemoryLedger(clock)
    await ledger.add_pool(POOL)
    kinds = (EventKind.ASKED, EventKind.LET_THROUGH, EventKind.SENT, EventKind.ANSWERED)
    events = []
    for number in range(size.today):
        whose, community = member(number, size)
        at = Instant(day_start(TODAY) + NOON * number / size.today)
        events += [DayEvent(kind=kind, at=at, member=whose, community=community) for kind in kinds]
    await ledger.note(POOL, events)
    scheduler = Scheduler(
        pool=POOL,
        caps=Caps(rpm=100, rpd=2 * size.today + size.known // DAYS),
        line=FairLine(),
        days=days,
        ledger=ledger,
        clock=clock,
        max_wait=900,
    )
    await scheduler.open()
    return scheduler
