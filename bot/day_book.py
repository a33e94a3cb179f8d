"""The day that runs, looked back at: who stands where in line, and how the pool and one member came to what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise

from bot.clock import Clock, Instant, day_of, day_start
from bot.messages import CommunityId, Member, Queued
from bot.ports import DayCourse
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Ledger
from bot.quota.scheduler import Scheduler

POINTS = 300
"""Of a curve at most: more cannot be told apart in a picture."""
_OF_THE_POOL: Mapping[EventKind, int] = {
    EventKind.SENT: 1,
    EventKind.RETRIED: 1,
    EventKind.UNSENT: -1,
    EventKind.UNRETRIED: -1,
}
_OF_A_MEMBER: Mapping[EventKind, int] = {
    EventKind.LET_THROUGH: 1,
    EventKind.WITHDRAWN: -1,
    EventKind.GIVEN_BACK: -1,
}


class LedgerDayBook:
    """`bot.ports.DayBook` over the ledger's events.

    Args:
        scheduler: of a community's pool, as far as it is open.
        opened: the same, opened if need be.
    """

    def __init__(
        self,
        *,
        scheduler: Callable[[CommunityId], Scheduler],
        opened: Callable[[CommunityId], Awaitable[Scheduler]],
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._scheduler, self._opened, self._ledger, self._clock = scheduler, opened, ledger, clock

    def place(self, member: Member, community: CommunityId) -> Queued | None:
        found = self._scheduler(community).place(member)
        if found is None:
            return None
        estimate = None if found.estimate_at is None else max(0.0, found.estimate_at - self._clock.now())
        return Queued(place=found.place, estimate=estimate)

    async def course(self, member: Member, community: CommunityId) -> DayCourse:
        scheduler = await self._opened(community)
        day = day_of(scheduler.resets_at) - 1
        events = await self._ledger.events(scheduler.pool, day)
        now, gone = self._clock.now(), scheduler.used
        mine = [event for event in events if event.member == member]
        return DayCourse(
            begins=day_start(day),
            pool=_course(events, _OF_THE_POOL, now, gone),
            mine=_course(mine, _OF_A_MEMBER, now, scheduler.share(member, community).used),
        )


def _course(
    events: Sequence[DayEvent], units: Mapping[EventKind, int], now: Instant, last: int
) -> list[tuple[Instant, int]]:
    """The sums of what the kinds stand for, at each moment they change; `last` is the sum now, whoever else knows of
    units: those used elsewhere, and what has just happened and is not in the ledger yet."""
    changes: Counter[Instant] = Counter()
    for event in events:
        changes[event.at] += units.get(event.kind, 0)
    course, gone = [], 0
    for at in sorted(changes):
        gone += changes[at]
        if changes[at] and at < now:
            course.append((at, gone))
    return [*_thinned(course), (now, last)]


def _thinned(course: list[tuple[Instant, int]]) -> list[tuple[Instant, int]]:
    """At most `POINTS`: of those in one span the last, at which it stands when the next begins."""
    if len(course) <= POINTS:
        return course
    first, span = course[0][0], (course[-1][0] - course[0][0]) / (POINTS - 1)
    kept = [one for one, after in pairwise(course) if (one[0] - first) // span != (after[0] - first) // span]
    return [*kept, course[-1]]
