"""A ticket's way: the day is asked whether its member may go, it waits for its turn, and is given a lease.

Whoever is refused is refused by what all processes did: where there are others, what they did is looked at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import assert_never

from bot.clock import Clock, Instant
from bot.errors import Refused
from bot.messages import CommunityId, Member
from bot.quota.board import Behind, News
from bot.quota.book import Book
from bot.quota.bounds import Bounds
from bot.quota.events import DayEvent, EventKind
from bot.quota.leasing import Leasing
from bot.quota.ledger import AlreadyHandled, Claim, DaySpent, Lease, MinuteFull
from bot.quota.line import Line, Ticket
from bot.quota.others import Others
from bot.quota.starts import Starts
from bot.quota.terms import NO_TERMS, Terms

_LINE_LIMIT = 10_000
_MEMBER_LIMIT = 100
"""Tickets of one member in line. Each waits for the one before it anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ticket stands."""

    place: int
    """1 is next."""
    estimate_at: Instant | None


class Admission:
    """See the module."""

    def __init__(
        self,
        *,
        book: Book,
        bounds: Bounds,
        line: Line,
        starts: Starts,
        leasing: Leasing,
        others: Others | None,
        clock: Clock,
        max_wait: float,
    ) -> None:
        self._book, self._today, self._bounds, self._line = book, book.today, bounds, line
        self._starts, self._leasing, self._others = starts, leasing, others
        self._clock, self._max_wait = clock, max_wait
        self.terms: Terms = NO_TERMS

    def bar(self, member: Member, community: CommunityId) -> None:
        """Let pass who is not kept out. Raises: Refused: `member_blocked`."""
        block = self.terms.barred(member.key, community, self._clock.now())
        if block is not None:
            raise Refused("member_blocked", resets_at=block.until)

    def refusal(self, member: Member, community: CommunityId) -> Refused | None:
        """Why a member's next question may not go now, as far as the pool and the member's share are concerned."""
        if self._bounds.shut_for is not None:
            return Refused("pool_paused")
        today = self._today
        code = today.sharing.refusal(today.whose(member), community, self._clock.now())
        if code is None:
            return None
        return Refused(code, resets_at=today.resets_at, limit=today.rpd if code == "pool_spent" else None)

    async def admit(
        self, member: Member, community: CommunityId, claim: Callable[[], Claim], *, again: bool
    ) -> AsyncGenerator[Place | Lease | AlreadyHandled]:
        """See `Scheduler.admit`."""
        self._book.turn()
        await self._today.learned()
        if self._others is not None and self.refusal(member, community) is not None:
            await self._others.catch_up()  # somebody may have left room
        ticket, news = self._ask(member, community, again=again), asyncio.Event()
        ticket.wake = news.set
        try:
            self._starts.pump()
            while True:
                while ticket.started_at is None:
                    if ticket.refused:
                        raise ticket.refused
                    if self._others is not None and ticket.number is None:
                        if (behind := await self._others.wait(ticket)) is not None:
                            self._judge_again(self._others, ticket, behind)
                        continue
                    if ticket.place:
                        yield Place(place=ticket.place, estimate_at=ticket.estimate_at)
                    await self._news(ticket, news)
                day = self._today.day
                reserved = await self._leasing.reserve(ticket, claim())
                if isinstance(reserved, Lease | AlreadyHandled):
                    yield reserved
                    return
                await self._wait_on(ticket, reserved, day)
        finally:
            self._leave(ticket)

    # --- inside ------------------------------------------------------------------------------------------

    def _ask(self, member: Member, community: CommunityId, *, again: bool) -> Ticket:
        """A ticket in line for a question.

        Raises:
            Refused: it may not go.
        """
        self.bar(member, community)
        own, now = self.terms.member(member.key), self._clock.now()
        if len(self._line) >= _LINE_LIMIT or self._line.count(member) >= _MEMBER_LIMIT:
            raise Refused("line_full", limit=_LINE_LIMIT if len(self._line) >= _LINE_LIMIT else _MEMBER_LIMIT)
        ticket = Ticket(
            member=member, community=community, asked_at=now, weight=own.weight, day=self._today.sharing.day
        )
        if not again:
            self._book.happens(ticket, EventKind.ASKED)
        if refused := self.refusal(member, community):
            self._book.happens(ticket, EventKind.REFUSED)
            self._book.write(ticket)
            raise refused
        self._let_through(ticket)
        self._line.join(ticket)
        self._starts.came(member)
        return ticket

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

    async def _wait_on(self, ticket: Ticket, denied: MinuteFull | DaySpent | Behind, day: int) -> None:
        """The ledger knows better than we did: learn from it and wait on, in front."""
        self._starts.ungrant(ticket)
        self._line.join(ticket, front=True)
        match denied:
            case MinuteFull(until=until):
                self._starts.gate.not_before(until)
            case DaySpent():
                if self._others is not None:
                    await self._others.catch_up()
                if self._today.used + self._starts.reserving < self._today.rpd:
                    self._bounds.spend_rest(day)
            case Behind(news=news):
                assert self._others is not None
                self._judge_again(self._others, ticket, news)
            case _:
                assert_never(denied)
        self._starts.pump()

    def _judge_again(self, others: Others, ticket: Ticket, news: News) -> None:
        """Others were quicker. What they did may have taken what the member was to have: as nobody has heard of this
        ticket yet, it is as if it came only now."""
        if ticket.number is not None or not news.events:
            others.hear(news)
            return
        for event in self._undoing(ticket):
            self._today.apply(event)
        ticket.unwritten = [event for event in ticket.unwritten if event.kind is not EventKind.LET_THROUGH]
        others.take_up(news)
        ticket.refused = ticket.refused or self.refusal(ticket.member, ticket.community)
        if ticket.refused is None:
            self._let_through(ticket)
        else:
            self._book.happens(ticket, EventKind.REFUSED)
            ticket.through = False
            if ticket.started_at is not None:
                self._starts.ungrant(ticket)
            self._line.leave(ticket)
        self._starts.pump()

    def _let_through(self, ticket: Ticket) -> None:
        today = self._today
        if self._others is not None:
            ticket.promised = today.sharing.promised(today.whose(ticket.member))
        self._book.happens(ticket, EventKind.LET_THROUGH)

    def _undoing(self, ticket: Ticket) -> list[DayEvent]:
        """What makes the day as it was before a ticket was let through. Not kept, as that is not kept either."""
        if ticket.day != self._today.day:
            return []
        event = self._book.event(EventKind.WITHDRAWN, ticket.member, ticket.community)
        if ticket.promised is None:
            return [event]
        units, at = ticket.promised
        return [event, replace(event, kind=EventKind.PROMISED, at=at, units=units)]

    def _leave(self, ticket: Ticket) -> None:
        self._line.leave(ticket)
        if not ticket.leased:
            if ticket.started_at is not None:
                self._starts.ungrant(ticket)
            if ticket.through:
                self._book.happens(ticket, EventKind.WITHDRAWN)
            if not ticket.undoing:
                self._book.write(ticket)
            if self._others is not None:
                self._others.left(ticket)
        self._starts.pump()
