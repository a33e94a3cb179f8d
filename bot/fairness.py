"""How fairly each day was shared, worked out in the night after it: what happened against what a clairvoyant had done.

The figure is the max-min ratio of `bot.quota.measure`, over persons. It is kept without a name, and worked out later
for days that ended while nothing ran. A day on which nobody asked has none.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.clock import Clock, day_of, day_start
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Ledger, PoolId
from bot.quota.measure import max_min_ratio, two_level_ratio
from bot.quota.scheduler import Scheduler
from bot.telemetry.logs import logger

log = logger(__name__)

_AFTER_MIDNIGHT = 60.0
"""Seconds by which all that happened on the day before is in the ledger."""
_CHARGED: Mapping[EventKind, int] = {EventKind.LET_THROUGH: 1, EventKind.WITHDRAWN: -1, EventKind.GIVEN_BACK: -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFairness:
    """One day of a pool."""

    day: int
    """Counted from 1970."""
    ratio: float
    """The part of the fair allocation that happened, 0 to 1."""
    members: int
    """Who asked."""
    asked: int
    given: int
    """Units that were charged to members in the end."""
    units: int
    """What there was to give."""


class FairnessStore(Protocol):
    """Keeps the figures. `bot.storage.fairness.SqlFairness` is the one."""

    async def find(self, pool: PoolId, day: int) -> DayFairness | None: ...

    async def missing(self, pool: PoolId, *, before: int) -> Sequence[int]:
        """Days before one on which somebody asked and that have no figure yet."""
        ...

    async def keep(self, pool: PoolId, figure: DayFairness) -> None:
        """A second figure of a day changes nothing."""
        ...


class Fairness:
    """See the module.

    Args:
        scheduler: of a community's pool.
        schedulers: of all pools.
        person: the member that an account is one of.
        weights: of communities, where these share first; None: members share among themselves.
    """

    def __init__(
        self,
        *,
        scheduler: Callable[[CommunityId], Scheduler],
        schedulers: Callable[[], Iterable[Scheduler]],
        ledger: Ledger,
        store: FairnessStore,
        person: Callable[[Member], Member],
        clock: Clock,
        weights: Callable[[PoolId], Mapping[str, float]] | None = None,
    ) -> None:
        self._scheduler, self._schedulers, self._ledger, self._store = scheduler, schedulers, ledger, store
        self._person, self._clock, self._weights = person, clock, weights

    async def yesterday(self, community: CommunityId) -> DayFairness | None:
        """Of the pool that a community draws on. None: nobody asked, or it is not known yet."""
        return await self._store.find(self._scheduler(community).pool, day_of(self._clock.now()) - 1)

    async def catch_up(self) -> int:
        """Work out what is missing. Returns of how many days."""
        today, done = day_of(self._clock.now()), 0
        for scheduler in self._schedulers():
            for day in await self._store.missing(scheduler.pool, before=today):
                standing = await self._ledger.standing(scheduler.pool, day)
                events = await self._ledger.events(scheduler.pool, day)
                units = max(0, scheduler.caps.rpd - standing.elsewhere)
                weights = None if self._weights is None else self._weights(scheduler.pool)
                figure = await asyncio.to_thread(measured, day, events, units, self._person, weights)
                if figure is not None:
                    await self._store.keep(scheduler.pool, figure)
                    done += 1
        return done

    async def watch(self) -> None:
        """Catch up now and after every midnight, for ever."""
        while True:
            await self.catch_up()
            now = self._clock.now()
            await asyncio.sleep(day_start(day_of(now) + 1) + _AFTER_MIDNIGHT - now)


def measured(
    day: int,
    events: Sequence[DayEvent],
    units: int,
    person: Callable[[Member], Member] = lambda member: member,
    weights: Mapping[str, float] | None = None,
) -> DayFairness | None:
    """A day's figure, of its events. None: nobody asked. For a thread: it takes a while with many questions.

    `weights`: communities share first, by weight.
    """
    demand: defaultdict[str, Counter[str]] = defaultdict(Counter)
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        member = person(event.member).key
        if event.kind is EventKind.ASKED:
            demand[event.community][member] += 1
        elif units_of := _CHARGED.get(event.kind):
            given[event.community][member] += units_of
    wanted, got = _together(demand), _together(given)
    if not wanted:
        return None
    ratio = max_min_ratio(wanted, got, units) if weights is None else two_level_ratio(demand, given, units, weights)
    return DayFairness(
        day=day,
        ratio=ratio,
        members=len(wanted),
        asked=wanted.total(),
        given=sum(got.values()),
        units=units,
    )


def _together(by_community: Mapping[str, Counter[str]]) -> Counter[str]:
    together: Counter[str] = Counter()
    for members in by_community.values():
        together.update(members)
    return together
