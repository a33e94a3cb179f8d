"""The day that runs: how it is shared, what the account says of it, and how it becomes history at 00:00 UTC.

What a day that is over teaches is worked out in a thread. Until that is done the new day runs on what the days before
it taught; then it begins once more with all of them, and what has happened in it so far happens again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS, Ask
from bot.quota.sharing import Days, Sharing
from bot.quota.terms import NO_TERMS, Terms
from bot.telemetry.logs import logger

log = logger(__name__)

_READINGS = 3
"""Readings in a row that say less was used elsewhere, before it is believed: the account's count lags."""


class Today:
    """See the module."""

    def __init__(self, *, days: Days, rpd: int, clock: Clock) -> None:
        self.rpd = rpd
        self.elsewhere = 0
        """Units the account says are gone beyond those we sent. Never below 0: its count lags behind ours."""
        self._days, self._clock = days, clock
        self._terms = NO_TERMS
        self._asks: list[Ask] = []
        """Its questions: tomorrow they are history."""
        self._fewer: list[int] = []
        self._spent_at: int | None = None
        """The cap at which the account said that all of it was spent. Where the cap is higher, that says nothing."""
        self._retrying = 0
        self.sharing: Sharing = days.begin(0, rpd)
        self._learning: asyncio.Task[None] | None = None
        self._meanwhile: list[DayEvent] = []
        self._seen: dict[Member, CommunityId] = {}
        """Whoever something has happened to today, and where first."""
        self._persons: dict[Member, Member] = {}
        """Of members who turned out to be one with another today, who that is."""

    async def open(self, past: Mapping[int, Sequence[Ask]], events: Sequence[DayEvent], terms: Terms) -> None:
        """Begin today, with the questions of the days before and with what has happened so far."""
        today = day_of(self._clock.now())
        self._terms = terms
        days = {day: past.get(day, ()) for day in range(min(past, default=today), today)}
        self._begin(today, await asyncio.to_thread(self._learned, days, today))
        for event in events:
            self.apply(event)
        self._recount()

    @property
    def spent(self) -> bool:
        """All of it is gone by the account's word, whatever anyone counted."""
        return self._spent_at is not None and self.rpd <= self._spent_at

    @property
    def used(self) -> int:
        """Units that are gone, whoever used them."""
        return self.rpd if self.spent else min(self.sharing.used + self.elsewhere, self.rpd)

    @property
    def day(self) -> int:
        """Counted from 1970."""
        return self.sharing.day

    @property
    def resets_at(self) -> Instant:
        """When it is over, and the units are back."""
        return day_start(self.day + 1)

    @property
    def gone_elsewhere(self) -> int:
        """Units of the cap that our own leases did not take and cannot take any more."""
        return max(0, self.rpd - self.sharing.used) if self.spent else self.elsewhere

    def whose(self, member: Member) -> Member:
        """Whom a member is counted as today: in another process it may not be known yet that two are one."""
        return self._persons.get(member, member)

    def regroup(self, person: Callable[[Member], Member]) -> None:
        """It has changed who is one person, perhaps where no event says so: a name that is deleted stands in none."""
        now = self._clock.now()
        for member, where in list(self._seen.items()):
            whose = self.whose(person(member))
            if member not in self._persons and whose != member:
                self.apply(DayEvent(kind=EventKind.JOINED, at=now, member=whose, community=where, other=member))

    def apply(self, event: DayEvent) -> None:
        """Something has happened today."""
        if (whose := self._persons.get(event.member)) is not None:
            event = replace(event, member=whose)
        self._seen.setdefault(event.member, event.community)
        if event.kind is EventKind.JOINED and event.other is not None and event.other != event.member:
            for member in (event.other, *(one for one, whose in self._persons.items() if whose == event.other)):
                self._persons[member] = event.member
        if event.kind is EventKind.ASKED:
            self._asks.append(Ask(event.at % DAY, event.community, event.member.key))
        self.sharing.apply(event)
        if self.spent:
            self._recount()  # a unit that comes back is gone all the same
        if self._learning is not None:
            self._meanwhile.append(event)

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms hold from now on."""
        self._terms = terms
        self.sharing.lay_down(terms)

    # --- what the account says ---------------------------------------------------------------------------

    def limit(self, rpd: int) -> None:
        """The day's cap. One that was raised leaves units, even if all of the lower one were gone."""
        self.rpd = rpd
        self._recount()

    def reported(self, used: int, *, quiet: bool) -> None:
        """The account's count of today. More than ours was used elsewhere, and is gone at once.

        `quiet`: nothing of ours is under way or was until lately, so that its count should have caught up with ours.
        Only then may it say that less was used elsewhere than it said before, and only several times in a row.
        """
        elsewhere = max(0, used - self.sharing.used)
        if elsewhere >= self.elsewhere:
            self.elsewhere, self._fewer = elsewhere, []
        elif quiet:
            self._fewer.append(elsewhere)
            if len(self._fewer) == _READINGS:
                self.elsewhere, self._fewer = max(self._fewer), []
        else:
            self._fewer = []
        self._recount()

    def spend_rest(self) -> None:
        """The account has said that its day is spent, whatever anyone counted."""
        self._spent_at = self.rpd
        self._recount()

    def heard(self, *, elsewhere: int, spent_at: int | None) -> None:
        """What another process was told, or this one before it ended."""
        if elsewhere != self.elsewhere:
            self.elsewhere, self._fewer = elsewhere, []
        self._spent_at = spent_at
        self._recount()

    def retrying(self, change: int) -> None:
        """So many more second attempts are about to take a unit, or no longer are."""
        self._retrying += change
        self._recount()

    def _recount(self) -> None:
        self.sharing.recount(elsewhere=self.gone_elsewhere + self._retrying, rpd=self.rpd)

    # --- midnight ----------------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Begin a new day if one has come. True: it has."""
        today, over = day_of(self._clock.now()), self.sharing.day
        if today <= over:
            return False
        past: dict[int, Sequence[Ask]] = {over: self._asks}
        past |= dict.fromkeys(range(max(over + 1, today - DAYS), today), ())
        self._begin(today)
        before, self._meanwhile = self._learning, []
        self._learning = asyncio.create_task(self._learn(before, past, today))
        return True

    async def learned(self) -> None:
        """Wait until the days before have been learned from. At once, but for a moment after midnight."""
        if self._learning is not None:
            await asyncio.shield(self._learning)

    async def _learn(self, before: asyncio.Task[None] | None, past: Mapping[int, Sequence[Ask]], today: int) -> None:
        if before is not None:
            await before
        try:
            sharing = await asyncio.to_thread(self._learned, past, today)
        except Exception as error:  # the day goes on by what the days before taught
            log.error("a day could not be learned from", extra={"action": "learn", "error": repr(error)})
            sharing = None
        if today != self.sharing.day:
            return  # another day has come, and has its own task
        self._learning = None
        if sharing is not None:
            self._begin(today, sharing)
            for event in self._meanwhile:
                self.apply(event)
            self._recount()
        self._meanwhile = []

    def _learned(self, past: Mapping[int, Sequence[Ask]], today: int) -> Sharing:
        """A day that begins with what the days before teach. For a thread: it takes a while with many members."""
        self._remember(past)
        sharing = self._days.begin(today, self.rpd)
        sharing.prepare()
        return sharing

    def _remember(self, past: Mapping[int, Sequence[Ask]]) -> None:
        for day, asks in past.items():
            self._days.remember(day, asks)

    def _begin(self, today: int, sharing: Sharing | None = None) -> None:
        if today != self.sharing.day:
            self._seen, self._persons = {}, {}
            self.elsewhere, self._fewer, self._spent_at = 0, [], None
        self.sharing, self._asks = sharing or self._days.begin(today, self.rpd), []
        self.sharing.lay_down(self._terms)
