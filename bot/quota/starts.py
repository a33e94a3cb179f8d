"""Who may start now: tickets leave the line in its order, as fast as the gate, the minute and the day allow.

Those that must wait are told their place and an estimate, again whenever they change. What decides here is what is
known in memory; the ledger's transaction decides whether there is a unit, so a wrong guess costs a wait, never a unit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection

from bot.clock import Instant
from bot.errors import Refused
from bot.messages import CommunityId, Member
from bot.quota.arrivals import Arrivals
from bot.quota.book import Book
from bot.quota.foresight import foresee
from bot.quota.gate import Gate
from bot.quota.ledger import WINDOW
from bot.quota.line import Line, Ticket
from bot.quota.window import Window

_ANSWER_SECONDS = 8.0
"""How long an answer takes until we have seen some."""
_SOON = 1.0
_TELL_SECONDS = 1.0
"""Places and estimates are worked out anew at most so often, whatever happens meanwhile."""
_UNTOLD, _UNTOLD_IN_A_RISE = 3.0, 5.0
"""Seconds for which a ticket that others may yet overtake is told its place alone: usually, and while a rush rises."""
_ELSEWHERE = 2.0
"""Seconds for which a ticket of another process that is next is waited for."""
_NEWS_SECONDS = 2.0
"""An estimate that moved by less is no news."""


class Starts:
    """See the module."""

    def __init__(self, *, line: Line, window: Window, gate: Gate, book: Book) -> None:
        self.line, self.window, self.gate = line, window, gate
        self.busy: Counter[Member] = Counter()
        """Requests of a member that may go or are under way."""
        self.reserving = 0
        """Starts that the ledger has not said yes to yet."""
        self.shut = False
        self.last_at: Instant | None = None
        """When a request last left or ended, in whichever process."""
        self.doubt: Callable[[], bool] = lambda: False
        """Told before everybody is turned away since the day is spent. True: that is being looked into, and `pump` is
        called again then."""
        self._book = book
        self._answer_seconds = _ANSWER_SECONDS
        self._arrivals = Arrivals()
        self._tell_at = Instant(0.0)
        self._timer: asyncio.TimerHandle | None = None
        self.due: dict[str, Instant] = {}
        """Other processes whose tickets are next, and since when without a break."""
        self._look_at: Instant | None = None
        """Another process's ticket is next, and may not be waited for longer."""

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def came(self, member: Member) -> None:
        """A ticket has joined the line, for the estimates to come."""
        self._arrivals.came(self._book.now, member)

    def pump(self) -> None:
        """Let through whoever may go now, tell the others where they stand, and come back when that changes."""
        self._book.turn()
        self.close()
        self._timer = None
        if not len(self.line):
            return
        if self.shut:  # also whoever had a turn when it was shut, and could not use it
            self.refuse_all(lambda: Refused("pool_paused"))
            return
        if self._book.today.used >= self._book.today.rpd:
            today = self._book.today
            if self.doubt():
                return
            self.refuse_all(lambda: Refused("pool_spent", resets_at=today.resets_at, limit=today.rpd))
            return
        now = self._book.now
        self._look_at, due, passed = None, self.due, set[Member]()
        self.due = {}
        while (ticket := self.next(now, passed)) is not None:
            if ticket.elsewhere:
                since = self.due[ticket.elsewhere] = due.get(ticket.elsewhere, now)
                if now < since + _ELSEWHERE:
                    self._look_at = Instant(since + _ELSEWHERE)
                    break  # its own process starts it
                passed.add(ticket.member)  # or that process is slow, or dead: nothing is gained by waiting for it
                continue
            ticket.started_at = now
            self.line.leave(ticket)
            self.window.start(now, ticket.member)
            self.reserving += 1
            self.busy[ticket.member] += 1
            ticket.wake()
        if len(self.line):
            # A clock that was set back must not silence us.
            again = self._tell_at if 0 < self._tell_at - now <= _TELL_SECONDS else self._tell_places(now)
            self._come_back(now, again)

    def next(self, now: Instant, passed: Collection[Member] = ()) -> Ticket | None:
        """The ticket that would start now, `passed` members aside."""
        if not self.free(now):
            return None
        may = self._whose_turn(now)
        return self.line.next(lambda member: member not in passed and may(member))

    def free(self, now: Instant) -> bool:
        """A start is free, whoever it is for."""
        today = self._book.today
        return (
            not self.shut
            and self.gate.opens(now) <= now
            and self.window.used(now) < self.window.rpm
            and today.used + self.reserving < today.rpd
        )

    def ungrant(self, ticket: Ticket) -> None:
        """A ticket that was to start does not, after all."""
        assert ticket.started_at is not None
        self.window.drop(ticket.started_at, ticket.member)
        self.reserving -= 1
        self.no_longer_busy(ticket.member)
        ticket.started_at = None

    def no_longer_busy(self, member: Member) -> None:
        """One request of the member's is over."""
        self.busy[member] -= 1
        if self.busy[member] <= 0:
            del self.busy[member]

    def answered_in(self, seconds: float) -> None:
        """How long an answer took, for the estimates to come."""
        self._answer_seconds += 0.1 * (seconds - self._answer_seconds)

    def refuse_all(
        self, why: Callable[[], Refused], member: Member | None = None, community: CommunityId | None = None
    ) -> None:
        """Whoever waits is told that there is no turn to come; one member's tickets, or those from one community only,
        if one is named."""
        named = [one for one in self.line if member in (None, one.member) and community in (None, one.community)]
        for ticket in named:
            self.line.leave(ticket)
            ticket.refused = why()
            ticket.wake()

    def _whose_turn(self, now: Instant) -> Callable[[Member], bool]:
        """A member may start one now: nothing of theirs is under way, and the window is not mostly theirs."""
        most = self.line.allowance(self.window.rpm - self.window.used(now))
        return lambda member: self.busy[member] <= 0 and self.window.own(member) < most

    def _tell_places(self, now: Instant) -> Instant | None:
        """To everyone in line. Returns when to do it again even if nothing happens."""
        self._tell_at = Instant(now + _TELL_SECONDS)
        estimates = foresee(
            self.line,
            opens=self.gate.opens(now),
            rpm=self.window.rpm,
            starts=self.window.starts(now),
            coming=self._arrivals.expected(now),
            free_at=self._free_at(now),
            answer_seconds=self._answer_seconds,
        )
        too_early = now - (_UNTOLD_IN_A_RISE if self._arrivals.rise(now) else _UNTOLD)
        untold = False
        for place, (ticket, estimate) in enumerate(zip(self.line, estimates, strict=True), start=1):
            told: Instant | None = estimate
            if ticket.estimate_at is None and ticket.asked_at > too_early and self._may_be_overtaken(ticket):
                told, untold = None, True
            if ticket.place != place or abs((ticket.estimate_at or 0) - (told or 0)) >= _NEWS_SECONDS:
                ticket.place, ticket.estimate_at = place, told
                ticket.wake()
        return self._tell_at if untold else None

    def _may_be_overtaken(self, ticket: Ticket) -> bool:
        """It waits for a later turn of its member's, and others who come now may have theirs before."""
        return self.busy[ticket.member] > 0 or self.line.turn(ticket) > self.line.turn(None)

    def _free_at(self, now: Instant) -> dict[Member, Instant]:
        """When the answers under way should be done. Those that take longer than usual: soon."""
        free = {member: Instant(now + _SOON) for member in self.busy}
        for at, member in self.window.starts(now):
            if member in free:
                free[member] = Instant(max(now + _SOON, at + self._answer_seconds))
        return free

    def _come_back(self, now: Instant, again: Instant | None) -> None:
        """Look again when the gate opens, the oldest start leaves the window or places are to be told; an answer that
        ends does it too."""
        gate, oldest = self.gate.opens(now), self.window.oldest(now)
        moments = [] if again is None else [again]
        if gate > now:
            moments.append(gate)
        elif oldest is not None:
            moments.append(Instant(oldest + WINDOW))
        if self._look_at is not None and self._look_at > now:
            moments.append(self._look_at)
        if moments:
            # A hair later than the edge: a timer that fires early would find the window still full and spin.
            self._timer = asyncio.get_running_loop().call_later(min(moments) - now + 0.001, self.pump)
