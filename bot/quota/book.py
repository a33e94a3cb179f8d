"""The book of a pool's day: what happens is applied to the day that runs and handed to the ledger.

At 00:00 UTC it turns to a new day. Whoever is in line then is charged to that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from bot.backlog import Backlog, Writing
from bot.clock import Clock, Instant
from bot.errors import DatabaseAway
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Lease, Ledger, PoolId
from bot.quota.line import Line, Ticket
from bot.quota.today import Today
from bot.telemetry.logs import logger

log = logger(__name__)
T = TypeVar("T")

_TELLS_APART = 1e-6
"""Seconds by which the ledger can tell two moments apart."""
_CLOCK_WAS_SET = 1.0
"""Seconds. A last event further ahead than this was noted by a clock that was wrong then."""


class Book:
    """See the module."""

    def __init__(
        self, *, pool: PoolId, today: Today, ledger: Ledger, line: Line, clock: Clock, backlog: Backlog
    ) -> None:
        self.pool, self.today, self.ledger, self.backlog = pool, today, ledger, backlog
        self._line, self._clock = line, clock
        self._background: set[asyncio.Task[object]] = set()
        self._last_at = Instant(0)
        self.turned: Callable[[int], None] = lambda used: None
        """Told that a new day has begun, and how much of the one before was gone."""

    def turn(self) -> None:
        """Begin a new day if one has come."""
        used = self.today.used
        if not self.today.turn():
            return
        self.turned(used)
        for ticket in self._line:
            if ticket.elsewhere:
                continue  # its own process says so
            self.write(ticket)
            ticket.day = self.today.day
            self.happens(ticket, EventKind.ASKED)
            self.happens(ticket, EventKind.LET_THROUGH)

    def event(self, kind: EventKind, member: Member, community: CommunityId, *, units: int = 0) -> DayEvent:
        """Something that happens now, a moment after what happened before: the order of events is that of their times.

        They are not kept in that order, since a ticket's are kept with its lease. Where midnight has passed and the day
        has not turned yet, it is the old day's last moment: the ledger must have it in the day it is applied to.
        """
        now, last = self._clock.now(), Instant(self.today.resets_at - _TELLS_APART)
        after = Instant(self._last_at + _TELLS_APART)
        self._last_at = at = min(last, after if now < after < now + _CLOCK_WAS_SET else now)
        return DayEvent(kind=kind, at=at, member=member, community=community, units=units)

    def happens(self, ticket: Ticket, kind: EventKind) -> None:
        """Something happens to a ticket. Once its day is over nothing is made of it any more."""
        if ticket.day == self.today.day:
            event = self.event(kind, ticket.member, ticket.community)
            self.today.apply(event)
            ticket.unwritten.append(event)

    def write(self, ticket: Ticket) -> None:
        """Keep what happened to a ticket that has no lease to be kept with."""
        if ticket.unwritten:
            events, ticket.unwritten = ticket.unwritten, []
            self.keep(lambda: self.ledger.note(self.pool, events))

    def after(self, lease: Lease, kinds: Sequence[EventKind], *, promise: bool = False) -> list[DayEvent]:
        """What comes of a lease, applied; with `promise`, what can be set aside for its member afterwards."""
        self.turn()
        if lease.day != self.today.day:
            return []
        events = [self.event(kind, lease.member, lease.community) for kind in kinds]
        for event in events:
            self.today.apply(event)
        if promise and (units := self.today.sharing.promise(lease.member, self._clock.now())):
            promised = self.event(EventKind.PROMISED, lease.member, lease.community, units=units)
            self.today.apply(promised)
            events.append(promised)
        return events

    @property
    def now(self) -> Instant:
        return self._clock.now()

    def keep(self, writing: Writing) -> None:
        """Have something written down that has happened already."""
        self.in_background(self.backlog.write(writing))

    def in_background(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        """Run something to its end, whoever is cancelled meanwhile."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), DatabaseAway):
            log.info("something was not done", extra={"action": "book", "pool": self.pool, "why": str(error)})

    async def caught_up(self) -> None:
        """Wait until all that has happened by now is kept, or waits for a database that takes nothing."""
        if self._background:
            await asyncio.wait(set(self._background))

    async def close(self) -> None:
        """Wait until all that happened is kept, and the days before are learned from."""
        while self._background:
            await asyncio.wait(self._background)
        await self.today.learned()
