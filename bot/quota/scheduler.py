"""The scheduler of one pool: lets tickets through in the line's order, as fast as the minute and the day allow.

A ticket that may go at once is one transaction of the ledger and nothing more. One that must wait is told its place
and an estimate, again whenever they change. The scheduler decides in memory whose turn it is; the ledger's
transaction decides whether there is a unit, so a wrong guess here costs a wait and never a unit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from bot.clock import DAY, Clock, Instant, day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, Member, Share
from bot.quota.day import Decision
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import DAYS, Ask
from bot.quota.ledger import (
    WINDOW,
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
from bot.quota.sharing import Days, Sharing
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
_MIDNIGHT = 3.0
"""Seconds before and after 00:00 UTC in which nothing starts."""
_STALE = 120.0
"""Seconds after 00:00 UTC in which the account's own count, which is a minute old or more, may still be yesterday's."""
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

    def __init__(
        self, *, pool: PoolId, caps: Caps, line: Line, days: Days, ledger: Ledger, clock: Clock, max_wait: float
    ) -> None:
        self.pool, self.caps = pool, caps
        self._line, self._days, self._ledger, self._clock, self._max_wait = line, days, ledger, clock, max_wait
        self._window = Window(caps.rpm)
        self._sharing: Sharing = days.begin(0, caps.rpd)
        self._asks: list[Ask] = []
        """Today's questions: tomorrow they are history."""
        self._elsewhere = 0
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
        """Take up where the ledger stands: the days before, and today's events once more."""
        now = self._clock.now()
        today = day_of(now)
        asks = await self._ledger.asks(self.pool, first=today - DAYS, last=today - 1)
        await asyncio.to_thread(
            self._remember, {day: asks.get(day, ()) for day in range(min(asks, default=today), today)}
        )
        self._sharing = self._days.begin(today, self.caps.rpd)
        for event in await self._ledger.events(self.pool, today):
            self._apply(event)
        standing = await self._ledger.standing(self.pool, today)
        self._window = Window(self.caps.rpm, standing.recent)

    def _remember(self, days: Mapping[int, Sequence[Ask]]) -> None:
        for day, asks in days.items():
            self._days.remember(day, asks)

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
        return min(self._sharing.used + self._elsewhere, self.caps.rpd)

    @property
    def used_here(self) -> int:
        """Of these, what our own leases took."""
        self._turn_day()
        return self._sharing.used

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

    def share(self, member: Member, community: CommunityId) -> Share:
        """What a member has taken and may still take."""
        self._turn_day()
        return self._sharing.share(member, community, self._clock.now())

    def decision(self, member: Member, community: CommunityId) -> Decision | None:
        """Why a member's next question may go or not, where the policy has reasons."""
        self._turn_day()
        return self._sharing.decision(member, community, self._clock.now())

    def room(self, member: Member, community: CommunityId) -> bool:
        """A member's next question would be let through now."""
        self._turn_day()
        return self._sharing.refusal(member, community, self._clock.now()) is None

    def room_at(self, member: Member, community: CommunityId) -> Instant | None:
        """When it should be, as things stand; None: not today."""
        self._turn_day()
        return self._sharing.room_at(member, community, self._clock.now())

    def hold(self, member: Member, community: CommunityId) -> None:
        """A question of the member's waits for room in the day."""
        self._apply(self._now(EventKind.HELD, member, community))

    def unhold(self, member: Member, community: CommunityId) -> None:
        """It no longer does: it is about to be let through, was given up, or its day is over."""
        self._apply(self._now(EventKind.RELEASED, member, community))

    def _now(self, kind: EventKind, member: Member, community: CommunityId) -> DayEvent:
        return DayEvent(kind=kind, at=self._clock.now(), member=member, community=community)

    # --- what the account tells --------------------------------------------------------------------------

    def learn(self, *, rpd: int | None = None, used: int | None = None) -> None:
        """Take over what the account says: today's cap, and how much of it is gone by its own count.

        That count lags behind ours, so it never gives a unit back; what it has beyond ours was used elsewhere. Just
        after 00:00 UTC it may be yesterday's: believed then, it would spend the new day before it began.
        """
        self._turn_day()
        if self._clock.now() % DAY < _STALE:
            used = None
        if rpd is not None:
            self.caps = Caps(rpm=self.caps.rpm, rpd=rpd)
        if used is not None:
            self._elsewhere = max(self._elsewhere, used - self._sharing.used)
        self._sharing.recount(elsewhere=self._elsewhere, rpd=self.caps.rpd)
        self._pump()

    def pause(self, until: Instant) -> None:
        """Let nobody through before a moment: the account has said no."""
        self.paused_until = max(until, self.paused_until or until)
        self._pump()

    def spend_rest(self) -> None:
        """The day is over by the account's word, whatever we counted: whoever waits is told, nobody is sent."""
        self._turn_day()
        self._elsewhere = max(self._elsewhere, self.caps.rpd - self._sharing.used)
        self._sharing.recount(elsewhere=self._elsewhere, rpd=self.caps.rpd)
        self._pump()

    # --- a ticket's way ----------------------------------------------------------------------------------

    async def admit(
        self,
        member: Member,
        community: CommunityId,
        claim: Callable[[], Claim],
        *,
        again: bool = False,
    ) -> AsyncGenerator[Place | Lease | AlreadyHandled]:
        """Ask for a unit and wait in line, told the place as it changes. The lease is the last thing yielded.

        `claim` is asked for when the turn has come. Closing the generator leaves the line and gives back whatever
        was about to be reserved; a lease that was yielded is the caller's to settle or release. `again`: the same
        question asked before, and its lease released.

        Raises:
            Refused: `daily_share_spent`, `pool_spent`, `line_full` or `wait_too_long`; nothing was charged.
        """
        if len(self._line) >= _LINE_LIMIT or self._line.count(member) >= _MEMBER_LIMIT:
            raise Refused("line_full", limit=_LINE_LIMIT if len(self._line) >= _LINE_LIMIT else _MEMBER_LIMIT)
        self._turn_day()
        news = asyncio.Event()
        now = self._clock.now()
        ticket = Ticket(member=member, community=community, asked_at=now, wake=news.set, day=self._sharing.day)
        if not again:
            self._happens(ticket, EventKind.ASKED)
        if refusal := self._sharing.refusal(member, community, now):
            self._happens(ticket, EventKind.REFUSED)
            self._write(ticket)
            raise Refused(refusal, resets_at=self.resets_at, limit=self.caps.rpd if refusal == "pool_spent" else None)
        self._happens(ticket, EventKind.LET_THROUGH)
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

    def _happens(self, ticket: Ticket, kind: EventKind) -> None:
        if ticket.day == self._sharing.day:
            event = DayEvent(kind=kind, at=self._clock.now(), member=ticket.member, community=ticket.community)
            self._apply(event)
            ticket.unwritten.append(event)

    def _apply(self, event: DayEvent) -> None:
        if event.kind is EventKind.ASKED:
            self._asks.append(Ask(event.at % DAY, event.community, event.member.key))
        self._sharing.apply(event)

    def _write(self, ticket: Ticket) -> None:
        """Keep what happened to a ticket that has no lease to be kept with."""
        if ticket.unwritten:
            self._in_background(self._ledger.note(self.pool, ticket.unwritten))
            ticket.unwritten = []

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
        sent = DayEvent(kind=EventKind.SENT, at=self._clock.now(), member=ticket.member, community=ticket.community)
        reserving = asyncio.ensure_future(self._ledger.reserve(claim, caps, [*ticket.unwritten, sent]))
        try:
            reserved = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            ticket.undoing = True
            self._in_background(self._undo(ticket, reserving, sent))
            raise
        if isinstance(reserved, Lease):
            self._reserved(ticket, reserved, sent)
        return reserved

    def _reserved(self, ticket: Ticket, lease: Lease, sent: DayEvent) -> None:
        assert ticket.started_at is not None
        self._window.drop(ticket.started_at, ticket.member)
        self._window.start(lease.reserved_at, lease.member)
        self._sent_at[lease.id] = lease.reserved_at
        self._reserving -= 1
        ticket.leased = True
        ticket.unwritten = []
        if lease.day == self._sharing.day:
            self._sharing.apply(sent)

    async def _undo(self, ticket: Ticket, reserving: asyncio.Future[Reserved], sent: DayEvent) -> None:
        """The caller went away while the ledger was writing: nothing was sent."""
        reserved = await reserving
        if isinstance(reserved, Lease):
            # What happened up to the lease was kept with it; the withdrawal came after.
            await self._ledger.release(reserved, [replace(sent, kind=EventKind.UNSENT), *ticket.unwritten[-1:]])
        else:
            await self._ledger.note(self.pool, ticket.unwritten)

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
        if not ticket.leased:
            if ticket.started_at is not None:
                self._ungrant(ticket)
            self._happens(ticket, EventKind.WITHDRAWN)
            if not ticket.undoing:
                self._write(ticket)
        self._pump()

    def _ungrant(self, ticket: Ticket) -> None:
        assert ticket.started_at is not None
        self._window.drop(ticket.started_at, ticket.member)
        self._reserving -= 1
        self._free(ticket.member)
        ticket.started_at = None

    # --- a lease's way -----------------------------------------------------------------------------------

    def fresh(self, lease: Lease) -> bool:
        """A lease may be sent now. If not, release it and ask again: the minute's window has moved on."""
        return self._clock.now() - lease.reserved_at < _FRESH

    def sent(self, lease: Lease) -> None:
        """The request leaves now. Connecting may have taken a while, and it is the leaving that OpenRouter counts."""
        self._window.drop(self._sent_at[lease.id], lease.member)
        self._sent_at[lease.id] = self._clock.now()
        self._window.start(self._sent_at[lease.id], lease.member)

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        """Close a lease whose request was sent. Runs to its end even if the caller is cancelled."""
        began = self._sent_at.pop(lease.id)
        answered = outcome.result == "answered"
        if answered:
            self._answer_seconds += 0.1 * (self._clock.now() - began - self._answer_seconds)
        kinds = [EventKind.FAILED if outcome.result == "failed" else EventKind.ANSWERED]
        if outcome.give_back:
            kinds.append(EventKind.GIVEN_BACK)
        if answered:
            kinds.append(EventKind.PROMISED)
        await self._close(lease, self._ledger.settle(lease, outcome, self._happen_after(lease, kinds)))

    async def release(self, lease: Lease) -> None:
        """Close a lease whose request was never sent: its unit is free again."""
        self._window.drop(self._sent_at.pop(lease.id), lease.member)
        events = self._happen_after(lease, [EventKind.UNSENT, EventKind.WITHDRAWN])
        await self._close(lease, self._ledger.release(lease, events))

    def _happen_after(self, lease: Lease, kinds: Sequence[EventKind]) -> list[DayEvent]:
        """What comes of a lease. Once its day is over nothing is made of it any more."""
        self._turn_day()
        if lease.day != self._sharing.day:
            return []
        at = self._clock.now()
        events = [DayEvent(kind=kind, at=at, member=lease.member, community=lease.community) for kind in kinds]
        for event in events:
            self._apply(event)
        return events

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
        """At 00:00 UTC a new day begins: yesterday becomes history, and whoever is in line is charged anew."""
        today = day_of(self._clock.now())
        if today <= self._sharing.day:
            return
        self._days.remember(self._sharing.day, self._asks)
        for skipped in range(max(self._sharing.day + 1, today - DAYS), today):
            self._days.remember(skipped, ())
        self._sharing, self._asks, self._elsewhere = self._days.begin(today, self.caps.rpd), [], 0
        for ticket in self._line:
            self._write(ticket)
            ticket.day = today
            self._happens(ticket, EventKind.ASKED)
            self._happens(ticket, EventKind.LET_THROUGH)

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
        if self.used >= self.caps.rpd:
            self._refuse_all()
            return
        while self._may_start(now) and (ticket := self._line.next(self._whose_turn(now))):
            ticket.started_at = now
            self._line.leave(ticket)
            self._window.start(now, ticket.member)
            self._reserving += 1
            self._busy[ticket.member] += 1
            ticket.wake()
        if len(self._line):
            self._tell_places(now)
            self._come_back(now)

    def _may_start(self, now: Instant) -> bool:
        return (
            self._gate(now) <= now
            and self._window.used(now) < self._window.rpm
            and self._sharing.used + self._elsewhere + self._reserving < self.caps.rpd
        )

    def _whose_turn(self, now: Instant) -> Callable[[Member], bool]:
        """A member may start one now: nothing of theirs is under way, and the window is not mostly theirs."""
        most = self._line.allowance(self._window.rpm - self._window.used(now))
        return lambda member: self._busy[member] <= 0 and self._window.own(member) < most

    def _gate(self, now: Instant) -> Instant:
        """Nobody starts before it."""
        if self.paused_until is not None and self.paused_until <= now:
            self.paused_until = None
        # Around midnight it is not certain on which day OpenRouter would count a request.
        into, ends = now % DAY, day_start(day_of(now) + 1)
        opens = ends + _MIDNIGHT if into >= DAY - _MIDNIGHT else ends - DAY + _MIDNIGHT
        return Instant(max(now, self._not_before, self.paused_until or now, opens))

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
        openings = self._window.openings(self._gate(now))
        for place, (ticket, opening) in enumerate(zip(self._line, openings, strict=False), start=1):
            own = ahead[ticket.member] + self._busy[ticket.member]
            ahead[ticket.member] += 1
            estimate = Instant(max(opening, now + own * self._answer_seconds))
            if ticket.place != place or abs((ticket.estimate_at or 0) - estimate) >= _NEWS_SECONDS:
                ticket.place, ticket.estimate_at = place, estimate
                ticket.wake()

    def _come_back(self, now: Instant) -> None:
        """Look again when the gate opens or the oldest start leaves the window; an answer that ends does it too."""
        gate, oldest = self._gate(now), self._window.oldest(now)
        at = gate if gate > now else oldest + WINDOW if oldest is not None else None
        if at is not None:
            # A hair later than the edge: a timer that fires early would find the window still full and spin.
            self._timer = asyncio.get_running_loop().call_later(at - now + 0.001, self._pump)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
