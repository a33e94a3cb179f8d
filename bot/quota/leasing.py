"""A lease's way: reserved in the ledger before anything leaves, settled or released once, tried again once at most."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import assert_never

from bot.backlog import Writing
from bot.clock import Instant
from bot.errors import DatabaseAway
from bot.quota.board import Behind
from bot.quota.book import Book
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps, Claim, DaySpent, Lease, LeaseId, MinuteFull, Outcome, Reserved
from bot.quota.line import Ticket
from bot.quota.others import Others
from bot.quota.starts import Starts

_FRESH = 1.0
"""Seconds after which an unsent lease is too old to be sent: the window has only two to spare."""


class Leasing:
    """See the module."""

    def __init__(self, *, book: Book, starts: Starts, others: Others | None = None) -> None:
        self._book, self._starts, self._others = book, starts, others
        self._sent_at: dict[LeaseId, Instant] = {}
        self._undone: dict[LeaseId, asyncio.Task[bool]] = {}
        """Second attempts whose caller went away before it heard of them; each tells whether the first was settled."""

    @property
    def caps(self) -> Caps:
        """What the ledger is to keep to. Units used elsewhere are none of its own."""
        today = self._book.today
        return Caps(rpm=self._starts.window.rpm, rpd=today.rpd - today.gone_elsewhere)

    # --- reserving ---------------------------------------------------------------------------------------

    async def reserve(self, ticket: Ticket, claim: Claim) -> Reserved | Behind:
        """A lease for a ticket whose turn has come. If the caller is cancelled, nothing will have been sent."""
        book = self._book
        sent = book.event(EventKind.SENT, ticket.member, ticket.community)
        events = [*ticket.unwritten, sent]
        reserving = asyncio.ensure_future(
            book.ledger.reserve(claim, self.caps, events)
            if self._others is None
            else self._others.reserve(ticket, claim, self.caps, events)
        )
        try:
            reserved = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            ticket.undoing = True
            book.in_background(self._undo(ticket, reserving, sent))
            raise
        if isinstance(reserved, Lease):
            assert ticket.started_at is not None
            self._starts.window.drop(ticket.started_at, ticket.member)
            self._starts.reserving -= 1
            ticket.leased, ticket.unwritten = True, []
            self._begun(reserved)
            if reserved.day == book.today.day:
                book.today.apply(sent)
        return reserved

    async def _undo(self, ticket: Ticket, reserving: asyncio.Future[Reserved | Behind], sent: DayEvent) -> None:
        """The caller went away while the ledger was writing: nothing was sent."""
        ledger, backlog = self._book.ledger, self._book.backlog
        try:
            reserved = await reserving
        except DatabaseAway:
            reserved = None
        if isinstance(reserved, Lease):
            # What happened up to the lease was kept with it; the withdrawal came after.
            lease, after = reserved, [replace(sent, kind=EventKind.UNSENT), *ticket.unwritten[-1:]]
            await backlog.write(lambda: ledger.release(lease, after))
        else:
            await backlog.write(lambda: ledger.note(self._book.pool, ticket.unwritten))

    # --- sending -----------------------------------------------------------------------------------------

    def fresh(self, lease: Lease) -> bool:
        """A lease may be sent now. If not, release it and ask again: the minute's window has moved on."""
        return self._book.now - lease.reserved_at < _FRESH

    def sent(self, lease: Lease) -> None:
        """The request leaves now. Connecting may have taken a while, and it is the leaving that OpenRouter counts."""
        window, now = self._starts.window, self._book.now
        window.drop(self._sent_at[lease.id], lease.member)
        window.start(now, lease.member)
        self._sent_at[lease.id] = self._starts.last_at = now

    # --- closing -----------------------------------------------------------------------------------------

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        """Close a lease whose request was sent. Runs to its end even if the caller is cancelled."""
        undone = self._undone.pop(lease.id, None)
        if undone is not None:
            await asyncio.shield(self._book.in_background(self._settle_unless(undone, lease, outcome)))
        else:
            await self._settle(lease, outcome)

    async def _settle_unless(self, undone: asyncio.Task[bool], lease: Lease, outcome: Outcome) -> None:
        if not await undone:
            await self._settle(lease, outcome)

    async def _settle(self, lease: Lease, outcome: Outcome) -> None:
        began = self._sent_at.pop(lease.id)
        self._starts.last_at = self._book.now
        answered = outcome.result == "answered"
        if answered:
            self._starts.answered_in(self._book.now - began)
        kinds = [EventKind.FAILED if outcome.result == "failed" else EventKind.ANSWERED]
        if outcome.uncounted:
            kinds.append(EventKind.UNCOUNTED)
        if outcome.give_back or outcome.uncounted:
            kinds.append(EventKind.GIVEN_BACK)
        events = self._book.after(lease, kinds, promise=answered)
        await self._close(lease, lambda: self._book.ledger.settle(lease, outcome, events))

    async def release(self, lease: Lease) -> None:
        """Close a lease whose request was never sent: its unit is free again, and the member has theirs back."""
        self._starts.window.drop(self._sent_at.pop(lease.id), lease.member)
        events = self._unsent(lease)
        await self._close(lease, lambda: self._book.ledger.release(lease, events))

    def _unsent(self, lease: Lease) -> list[DayEvent]:
        # A second attempt was never let through by itself: of it the pool has its unit back, and the member theirs.
        first = lease.attempt == 1
        kinds = [EventKind.UNSENT, EventKind.WITHDRAWN] if first else [EventKind.UNRETRIED, EventKind.GIVEN_BACK]
        return self._book.after(lease, kinds)

    async def _close(self, lease: Lease, closing: Writing) -> None:
        async def to_the_end() -> None:
            try:
                await self._book.backlog.write(closing)
            finally:
                self._starts.no_longer_busy(lease.member)
                self._starts.pump()

        await asyncio.shield(self._book.in_background(to_the_end()))

    # --- the second attempt ------------------------------------------------------------------------------

    async def retry(self, lease: Lease, outcome: Outcome, claim: Claim) -> Lease | None:
        """A second attempt, now or not at all. See `Scheduler.retry`."""
        if not self._may_retry(lease):
            return None
        book = self._book
        retrying = book.in_background(self._retry(lease, outcome, claim))
        try:
            return await asyncio.shield(retrying)
        except asyncio.CancelledError:
            self._undone[lease.id] = book.in_background(self._undo_retry(retrying))
            raise

    def _may_retry(self, lease: Lease) -> bool:
        """Whoever could start now goes first; a second attempt overtakes nobody, and waits for nobody."""
        book, starts = self._book, self._starts
        book.turn()
        now = book.now
        spare = lease.day == book.today.day and book.today.sharing.spare(now) >= 1
        return lease.attempt == 1 and spare and starts.free(now) and starts.next(now) is None

    async def _undo_retry(self, retrying: asyncio.Task[Lease | None]) -> bool:
        """Nothing more was sent. True: the first attempt has been settled."""
        try:
            second = await retrying
        except DatabaseAway:
            return False
        if second is not None:
            await self.release(second)
        return second is not None

    async def _retry(self, lease: Lease, outcome: Outcome, claim: Claim) -> Lease | None:
        second, events = await self._second(lease, outcome, claim)
        if isinstance(second, Behind):
            assert self._others is not None
            self._others.take_up(second.news)
            if not self._may_retry(lease):
                return None
            second, events = await self._second(lease, outcome, claim)
        match second:
            case MinuteFull(until=until):
                self._starts.gate.not_before(until)
                return None
            case DaySpent() | Behind():
                return None
            case Lease():
                del self._sent_at[lease.id]
                self._begun(second)
                if second.day == self._book.today.day:
                    for event in events:
                        self._book.today.apply(event)
                return second
            case _:
                assert_never(second)

    async def _second(
        self, lease: Lease, outcome: Outcome, claim: Claim
    ) -> tuple[Lease | MinuteFull | DaySpent | Behind, list[DayEvent]]:
        """The second attempt, and what happens with it."""
        book, starts, now = self._book, self._starts, self._book.now
        kinds = (EventKind.FAILED, EventKind.RETRIED)
        events = [book.event(kind, lease.member, lease.community) for kind in kinds]
        starts.window.start(now, lease.member)
        starts.reserving += 1
        book.today.retrying(1)  # nobody may be promised or let through on this unit meanwhile
        keeper = book.ledger if self._others is None else self._others
        try:
            return await keeper.retry(lease, outcome, claim, self.caps, events), events
        finally:
            starts.window.drop(now, lease.member)
            starts.reserving -= 1
            book.today.retrying(-1)

    def _begun(self, lease: Lease) -> None:
        self._starts.window.start(lease.reserved_at, lease.member)
        self._sent_at[lease.id] = lease.reserved_at
