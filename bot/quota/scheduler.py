"""The scheduler of one pool: lets tickets through in the line's order, as fast as the minute and the day allow.

A ticket that may go at once is one transaction of the ledger and nothing more. One that must wait is told its place
and an estimate, again whenever they change. The scheduler decides in memory whose turn it is; the ledger's
transaction decides whether there is a unit, so a wrong guess here costs a wait and never a unit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import assert_never

from bot.clock import Clock, Instant, day_of, day_start
from bot.errors import Refused
from bot.messages import Member, Share
from bot.quota.ledger import (
    AlreadyHandled,
    Caps,
    Claim,
    DaySpent,
    Lease,
    Ledger,
    MinuteFull,
    Outcome,
    PoolId,
    Reserved,
)
from bot.quota.line import Line, Ticket
from bot.quota.window import Window
from bot.telemetry.logs import logger

log = logger(__name__)

_FRESH = 1.0
"""Seconds after which an unsent lease is too old to be sent: the window has only two to spare."""
_LINE_LIMIT = 10_000
_MEMBER_LIMIT = 100
"""Tickets of one member in line. Each waits for the one before it anyway."""
_ANSWER_SECONDS = 8.0
"""How long an answer takes until we have seen some."""
_NEWS_SECONDS = 2.0
"""An estimate that moved by less is no news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ticket stands."""

    place: int
    """1 is next."""
    estimate_at: Instant | None


class Scheduler:
    """See the module. `open` before use, `close` after."""

    def __init__(self, *, pool: PoolId, caps: Caps, line: Line, ledger: Ledger, clock: Clock, max_wait: float) -> None:
        self.pool, self.caps = pool, caps
        self._line, self._ledger, self._clock, self._max_wait = line, ledger, clock, max_wait
        self._window = Window(caps.rpm)
        self._day = 0
        self._used = 0
        self._elsewhere = 0
        self._taken: dict[Member, int] = {}
        self._reserving = 0
        self._busy: Counter[Member] = Counter()
        self._sent_at: dict[int, Instant] = {}
        self._answer_seconds = _ANSWER_SECONDS
        self.paused_until: Instant | None = None
        """The account has said no until then."""
        self._not_before = Instant(0)
        self._timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take up where the ledger stands."""
        now = self._clock.now()
        standing = await self._ledger.standing(self.pool, day_of(now))
        self._day, self._used, self._taken = day_of(now), standing.used, dict(standing.taken)
        self._window = Window(self.caps.rpm, standing.recent)

    async def close(self) -> None:
        """Finish what is under way in the ledger. Whoever still waits is left to its caller."""
        if self._timer:
            self._timer.cancel()
        while self._background:
            await asyncio.wait(self._background)

    # --- what anyone may see -----------------------------------------------------------------------------

    @property
    def used(self) -> int:
        """Units of today's that are gone, whoever used them."""
        self._turn_day()
        return min(self._used + self._elsewhere, self.caps.rpd)

    @property
    def used_here(self) -> int:
        """Of these, what our own leases took."""
        self._turn_day()
        return self._used

    @property
    def minute_used(self) -> int:
        """Starts within the window."""
        return self._window.used(self._clock.now())

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def answering(self) -> int:
        """Requests that may go or are under way."""
        return self._busy.total()

    @property
    def resets_at(self) -> Instant:
        """00:00 UTC, when the day's units are back."""
        return day_start(day_of(self._clock.now()) + 1)

    def share(self, member: Member) -> Share:
        """What a member has taken and may still take. First come, first served: whatever is left."""
        self._turn_day()
        used, left = self._taken.get(member, 0), self.caps.rpd - self.used
        return Share(used=used, level=used + left, left_now=left, left_sure=0, resets_at=self.resets_at)

    # --- what the account tells --------------------------------------------------------------------------

    def learn(self, *, rpd: int | None = None, used: int | None = None) -> None:
        """Take over what the account says: today's cap, and how much of it is gone by its own count.

        That count lags behind ours, so it never gives a unit back; what it has beyond ours was used elsewhere.
        """
        self._turn_day()
        if rpd is not None:
            self.caps = Caps(rpm=self.caps.rpm, rpd=rpd)
        if used is not None:
            self._elsewhere = max(self._elsewhere, used - self._used)
        self._pump()

    def pause(self, until: Instant) -> None:
        """Let nobody through before a moment: the account has said no."""
        self.paused_until = max(until, self.paused_until or until)
        self._pump()

    def spend_rest(self) -> None:
        """The day is over by the account's word, whatever we counted: whoever waits is told, nobody is sent."""
        self._turn_day()
        self._elsewhere = max(self._elsewhere, self.caps.rpd - self._used)
        self._pump()

    # --- a ticket's way ----------------------------------------------------------------------------------

    async def admit(self, member: Member, claim: Callable[[], Claim]) -> AsyncGenerator[Place | Lease | AlreadyHandled]:
        """Wait in line, told the place as it changes, until there is a lease: always the last thing yielded.

        `claim` is asked for when the turn has come. Closing the generator leaves the line and gives back whatever
        was about to be reserved; a lease that was yielded is the caller's to settle or release.

        Raises:
            Refused: `pool_spent`, `pool_paused`, `line_full` or `wait_too_long`; nothing was charged.
        """
        if len(self._line) >= _LINE_LIMIT or self._line.count(member) >= _MEMBER_LIMIT:
            raise Refused("line_full", limit=_LINE_LIMIT if len(self._line) >= _LINE_LIMIT else _MEMBER_LIMIT)
        news = asyncio.Event()
        ticket = Ticket(member=member, asked_at=self._clock.now(), wake=news.set)
        self._line.join(ticket)
        try:
            self._pump()
            while True:
                while ticket.started_at is None:
                    if ticket.refused:
                        raise ticket.refused
                    if ticket.place:
                        yield Place(place=ticket.place, estimate_at=ticket.estimate_at)
                    await self._news(ticket, news)
                reserved = await self._reserve(ticket, claim())
                if isinstance(reserved, Lease | AlreadyHandled):
                    yield reserved
                    return
                self._again(ticket, reserved)
        finally:
            self._leave(ticket)

    async def _news(self, ticket: Ticket, news: asyncio.Event) -> None:
        left = ticket.asked_at + self._max_wait - self._clock.now()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await news.wait()
        except TimeoutError:
            if ticket.started_at is None and ticket.refused is None:
                estimate = ticket.estimate_at
                raise Refused("wait_too_long", resets_at=estimate, limit=round(self._max_wait)) from None
        news.clear()

    async def _reserve(self, ticket: Ticket, claim: Claim) -> Reserved:
        caps = Caps(rpm=self.caps.rpm, rpd=self.caps.rpd - self._elsewhere)
        reserving = asyncio.ensure_future(self._ledger.reserve(claim, caps))
        try:
            reserved = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            self._in_background(self._undo(reserving))
            raise
        if isinstance(reserved, Lease):
            assert ticket.started_at is not None
            self._window.drop(ticket.started_at)
            self._window.start(reserved.reserved_at)
            self._sent_at[reserved.id] = reserved.reserved_at
            self._reserving -= 1
            ticket.started_at = None  # from here on it is the lease that holds the member and the place
            if reserved.day == self._day:
                self._used += 1
                self._taken[reserved.member] = self._taken.get(reserved.member, 0) + 1
        return reserved

    async def _undo(self, reserving: asyncio.Future[Reserved]) -> None:
        """The caller went away while the ledger was writing: nothing was sent."""
        reserved = await reserving
        if isinstance(reserved, Lease):
            await self._ledger.release(reserved)

    def _again(self, ticket: Ticket, denied: MinuteFull | DaySpent) -> None:
        """The ledger knows better than we did: learn from it and wait on, in front."""
        self._ungrant(ticket)
        match denied:
            case MinuteFull(until=until):
                self._not_before = max(until, self._not_before)
            case DaySpent():
                self.spend_rest()
            case _:
                assert_never(denied)
        self._line.join(ticket, front=True)
        self._pump()

    def _leave(self, ticket: Ticket) -> None:
        self._line.leave(ticket)
        if ticket.started_at is not None:
            self._ungrant(ticket)
        self._pump()

    def _ungrant(self, ticket: Ticket) -> None:
        assert ticket.started_at is not None
        self._window.drop(ticket.started_at)
        self._reserving -= 1
        self._free(ticket.member)
        ticket.started_at = None

    # --- a lease's way -----------------------------------------------------------------------------------

    def fresh(self, lease: Lease) -> bool:
        """A lease may be sent now. If not, release it and ask again: the minute's window has moved on."""
        return self._clock.now() - lease.reserved_at < _FRESH

    def sent(self, lease: Lease) -> None:
        """The request leaves now. Connecting may have taken a while, and it is the leaving that OpenRouter counts."""
        self._window.drop(self._sent_at[lease.id])
        self._sent_at[lease.id] = self._clock.now()
        self._window.start(self._sent_at[lease.id])

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        """Close a lease whose request was sent. Runs to its end even if the caller is cancelled."""
        began = self._sent_at.pop(lease.id)
        if outcome.result == "answered":
            self._answer_seconds += 0.1 * (self._clock.now() - began - self._answer_seconds)
        if outcome.give_back and lease.day == self._day:
            self._taken[lease.member] = max(0, self._taken.get(lease.member, 0) - 1)
        await self._close(lease, self._ledger.settle(lease, outcome))

    async def release(self, lease: Lease) -> None:
        """Close a lease whose request was never sent: its unit is free again."""
        self._window.drop(self._sent_at.pop(lease.id))
        await self._close(lease, self._release(lease))

    async def _release(self, lease: Lease) -> None:
        await self._ledger.release(lease)
        if lease.day == self._day:
            self._used -= 1
            self._taken[lease.member] = max(0, self._taken.get(lease.member, 0) - 1)

    async def _close(self, lease: Lease, closing: Coroutine[None, None, None]) -> None:
        async def to_the_end() -> None:
            try:
                await closing
            finally:
                self._free(lease.member)
                self._pump()

        await asyncio.shield(self._in_background(to_the_end()))

    # --- whose turn it is --------------------------------------------------------------------------------

    def _turn_day(self) -> None:
        today = day_of(self._clock.now())
        if today != self._day:
            self._day, self._used, self._elsewhere, self._taken = today, 0, 0, {}

    def _pump(self) -> None:
        """Let through whoever may go now, tell the others where they stand, and come back when that changes."""
        self._turn_day()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not len(self._line):
            return
        now = self._clock.now()
        self._window.rpm = self.caps.rpm
        if self._used + self._elsewhere >= self.caps.rpd:
            self._refuse_all()
            return
        while self._may_start(now) and (ticket := self._line.next(self._is_busy)):
            self._line.leave(ticket)
            self._window.start(now)
            self._reserving += 1
            self._busy[ticket.member] += 1
            ticket.started_at = now
            ticket.wake()
        self._tell_places(now)

    def _may_start(self, now: Instant) -> bool:
        return (
            self._gate(now) <= now
            and self._window.used(now) < self._window.rpm
            and self._used + self._elsewhere + self._reserving < self.caps.rpd
        )

    def _gate(self, now: Instant) -> Instant:
        """Nobody starts before it."""
        if self.paused_until is not None and self.paused_until <= now:
            self.paused_until = None
        return max(now, self._not_before, self.paused_until or now)

    def _is_busy(self, member: Member) -> bool:
        return self._busy[member] > 0

    def _free(self, member: Member) -> None:
        self._busy[member] -= 1
        if self._busy[member] <= 0:
            del self._busy[member]

    def _refuse_all(self) -> None:
        for ticket in list(self._line):
            self._line.leave(ticket)
            ticket.refused = Refused("pool_spent", resets_at=self.resets_at, limit=self.caps.rpd)
            ticket.wake()

    def _tell_places(self, now: Instant) -> None:
        ahead: Counter[Member] = Counter()
        first: Instant | None = None
        openings = self._window.openings(self._gate(now))
        for place, (ticket, opening) in enumerate(zip(self._line, openings, strict=False), start=1):
            first = first or opening
            own = ahead[ticket.member] + self._busy[ticket.member]
            ahead[ticket.member] += 1
            estimate = Instant(max(opening, now + own * self._answer_seconds))
            if ticket.place != place or abs((ticket.estimate_at or 0) - estimate) >= _NEWS_SECONDS:
                ticket.place, ticket.estimate_at = place, estimate
                ticket.wake()
        if first is not None and first > now:
            loop = asyncio.get_running_loop()
            # A hair later than the edge: a timer that fires early would find the window still full and spin.
            self._timer = loop.call_later(first - now + 0.001, self._pump)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
