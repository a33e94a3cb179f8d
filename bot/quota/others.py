"""The other processes that share a pool: what they do is taken up here.

Each process has the whole of the pool in memory, as one alone has: the day with everybody's events, the minute with
everybody's starts, the line with everybody's tickets. What changes is written to the database, where every process
hears of it, in one order: all that concerns a pool is written under the pool's lock. A process decides by the same
pure rules as one alone (`level`, `window`, `line`), and starts tickets of its own only; where another's is next it
waits for that. A lease is reserved only by who has heard of everything: the transaction looks once more, under the
lock, and where something has happened since gives that in place of the lease (`Behind`), and the rules decide anew.
The caps themselves are kept by the ledger's transaction, whatever anyone believes.

A ticket that starts at once is written down with its lease. The tickets of a process that has died are given up by the
others within seconds, and its open leases count as spent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bot.clock import Instant, day_of
from bot.errors import DatabaseAway
from bot.messages import Member
from bot.quota.board import Behind, Board, Change, Cursor, News, Opened
from bot.quota.book import Book
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps, Claim, DaySpent, Lease, MinuteFull, Outcome, Reserved
from bot.quota.line import Line, Ticket
from bot.quota.starts import Starts
from bot.quota.word import Word

_TRIES, _TRYING = 5, 0.5
"""Of one ticket, and seconds of trying without a break, before it goes by what is known: where so much happens, a
moment's difference is nobody's, and where the database is slow, trying is what keeps it so."""
_BREAK = 0.1
"""Seconds between two tries in which a ticket has waited for its turn."""


@dataclass(slots=True)
class _Trying:
    """How often a ticket was tried, since when, and when it last turned out that others had been quicker."""

    since: Instant
    behind_at: Instant
    times: int = 0


class Others:
    """See the module."""

    def __init__(self, *, board: Board, line: Line, starts: Starts, book: Book) -> None:
        self._board, self._line, self._starts, self._book, self._process = board, line, starts, book, board.process
        self._pool = book.pool
        self.cursor = Cursor()
        self._tickets: dict[tuple[str, int], Ticket] = {}
        self._busy: Counter[Member] = Counter()
        self._early: list[DayEvent] = []
        """Of a day that has not begun here yet."""
        self._day = 0
        self._last_number = 0
        self._trying: dict[Ticket, _Trying] = {}
        self._looking: asyncio.Task[None] | None = None
        self._certain = False
        self.hear_word: Callable[[Word], None] = lambda word: None
        """Told what the account has said."""
        starts.doubt = self._doubt

    async def open(self, day: int) -> Opened:
        """Where the pool stands. `begin` once the day's events have been applied."""
        self._opened = await self._board.open(self._pool, day)
        self._day = day
        return self._opened

    def begin(self) -> None:
        """Take up who waits and what is under way elsewhere, and follow from there."""
        opened, self.cursor = self._opened, self._opened.cursor
        for change in opened.started:
            self._line.recall(change.member, change.weight, change.tag)
        for change in opened.waiting:
            self._changed(change, lost=True)
        for member, number in opened.busy.items():
            self._busy[member] += number
            self._starts.busy[member] += number
        self._board.follow(self._pool, lambda: self.cursor, self.hear)

    def close(self) -> None:
        self._board.leave(self._pool)

    # --- what others do ----------------------------------------------------------------------------------

    def hear(self, news: News) -> None:
        """Take up what has not been heard yet, and let through whoever may go now."""
        self.take_up(news)
        self._starts.pump()

    def take_up(self, news: News) -> None:
        """The same without letting anyone through."""
        self._book.turn()
        self._turn()
        for number, change in news.changes:
            if number > self.cursor.change:
                self.cursor = replace(self.cursor, change=number)
                self._changed(change)
        for number, event in news.events:
            if number > self.cursor.event:
                self.cursor = replace(self.cursor, event=number)
                self._happened(event)
        if news.word is not None and news.word.number > self.cursor.word:
            self.cursor = replace(self.cursor, word=news.word.number)
            self.hear_word(news.word)

    @property
    def alone(self) -> bool:
        """There is nobody else at the moment."""
        return self._board.alone

    async def look(self) -> News | None:
        """What others have done by now, to be taken up; None: nothing."""
        return None if self.alone else await self._board.look(self._pool, self.cursor)

    async def catch_up(self) -> None:
        """Hear of everything that others have done by now."""
        if (news := await self.look()) is not None:
            self.hear(news)

    def _doubt(self) -> bool:
        """The day seems to be spent. True: it is looked whether others have left a unit after all."""
        if self._certain or self.alone:
            return False
        if self._looking is None or self._looking.done():
            self._looking = self._book.in_background(self._make_certain())
        return True

    async def _make_certain(self) -> None:
        try:
            if (news := await self.look()) is not None:
                self.take_up(news)
        finally:
            self._certain = True
            self._starts.pump()
            self._certain = False

    def _changed(self, change: Change, *, lost: bool = False) -> None:
        key = change.process, change.number
        if change.state == "waiting":
            ticket = Ticket(
                member=change.member,
                community=change.community,
                asked_at=change.at,
                weight=change.weight,
                day=day_of(change.at),
                elsewhere=change.process,
            )
            self._tickets[key] = ticket
            self._line.place(ticket, (change.tag, change.place), lost=lost)
            self._starts.came(change.member)
            return
        self._starts.due.pop(change.process, None)
        gone = self._tickets.pop(key, None)
        if gone is None and change.state == "started":
            self._line.recall(change.member, change.weight, change.tag)
        if gone is not None:
            gone.started_at = change.at if change.state == "started" else None
            self._line.leave(gone)
            self._line.leave(gone)  # for good: nothing is kept for its return

    def _happened(self, event: DayEvent) -> None:
        day = day_of(event.at)
        if day == self._day:
            self._book.today.apply(event)
        elif day > self._day:
            self._early.append(event)
        member, window = event.member, self._starts.window
        match event.kind:
            case EventKind.SENT | EventKind.RETRIED:
                self._starts.last_at = max(event.at, self._starts.last_at or event.at)
                window.start(event.at, member)
                self._busy[member] += 1
                self._starts.busy[member] += 1
            case EventKind.UNSENT | EventKind.UNRETRIED:
                window.drop_newest(member)
                self._no_longer(member)
            case EventKind.ANSWERED | EventKind.FAILED:
                self._starts.last_at = max(event.at, self._starts.last_at or event.at)
                self._no_longer(member)
            case EventKind.JOINED:
                assert event.other is not None
                window.hand_over(member, event.other)
            case _:
                pass

    def _no_longer(self, member: Member) -> None:
        if self._busy[member] > 0:
            self._busy[member] -= 1
            self._starts.no_longer_busy(member)

    def _turn(self) -> None:
        """A day has begun: how yesterday's last requests end is no event of this one."""
        today = self._book.today.day
        if today == self._day:
            return
        self._day = today
        for member, number in self._busy.items():
            for _ in range(number):
                self._starts.no_longer_busy(member)
        self._busy.clear()
        early, self._early = self._early, []
        for event in early:
            if day_of(event.at) == today:
                self._book.today.apply(event)

    # --- what is done here -------------------------------------------------------------------------------

    async def wait(self, ticket: Ticket) -> News | None:
        """A ticket waits, and the others are to know. Returns what they did meanwhile, if that is why they do not."""
        seen = self._must_have_heard(ticket)
        number = ticket.number = self._next()
        events, ticket.unwritten = ticket.unwritten, []
        change = self._as_change(ticket, "waiting", number)
        telling = self._book.in_background(self._board.change(self._pool, change, events, seen=seen))
        try:
            behind = await asyncio.shield(telling)
        except asyncio.CancelledError:
            ticket.number, ticket.undoing = None, True
            self._book.in_background(self._left_once_told(ticket, telling, change, events))
            raise
        except Exception:
            ticket.number, ticket.unwritten = None, [*events, *ticket.unwritten]
            raise
        if behind is None:
            return None
        ticket.number, ticket.unwritten = None, [*events, *ticket.unwritten]
        self._behind(ticket)
        return behind.news

    async def _left_once_told(
        self, ticket: Ticket, telling: asyncio.Task[Behind | None], change: Change, events: Sequence[DayEvent]
    ) -> None:
        """The caller went away while the others were told."""
        backlog, left = self._book.backlog, replace(change, state="left")
        try:
            told = await telling is None
        except DatabaseAway:
            told = False
        if told:
            await backlog.write(lambda: self._board.change(self._pool, left, ticket.unwritten))
        else:
            await backlog.write(lambda: self._book.ledger.note(self._pool, [*events, *ticket.unwritten]))

    def left(self, ticket: Ticket) -> None:
        """It waits no more, and was not started."""
        self._trying.pop(ticket, None)
        if ticket.number is not None:
            events: list[DayEvent] = []
            if not ticket.undoing:  # else what happened is kept with what is being undone
                events, ticket.unwritten = ticket.unwritten, []
            change = self._as_change(ticket, "left", ticket.number)
            self._book.keep(lambda: self._board.change(self._pool, change, events))

    async def reserve(self, ticket: Ticket, claim: Claim, caps: Caps, events: Sequence[DayEvent]) -> Reserved | Behind:
        """As the ledger's, for a ticket whose turn has come."""
        seen = self._must_have_heard(ticket)
        started = self._as_change(ticket, "started", ticket.number or self._next())
        word = self.cursor.word
        reserved = await self._board.reserve(claim, caps, events, seen=seen, word=word, started=started)
        if isinstance(reserved, Lease):
            self._trying.pop(ticket, None)
        elif isinstance(reserved, Behind):
            self._behind(ticket)
        return reserved

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent]
    ) -> Lease | MinuteFull | DaySpent | Behind:
        """As the ledger's, by what the account has said last."""
        return await self._board.retry(lease, outcome, claim, caps, events, word=self.cursor.word)

    def _must_have_heard(self, ticket: Ticket) -> Cursor | None:
        """Up to where, for a ticket that is about to be tried; None: whatever has happened."""
        now = self._book.now
        trying = self._trying.setdefault(ticket, _Trying(now, now))
        if now - trying.behind_at > _BREAK:
            trying.since = now
        trying.times += 1
        return self.cursor if trying.times <= _TRIES and now - trying.since < _TRYING else None

    def _behind(self, ticket: Ticket) -> None:
        if (trying := self._trying.get(ticket)) is not None:  # it may have left meanwhile
            trying.behind_at = self._book.now

    def _next(self) -> int:
        self._last_number += 1
        return self._last_number

    def _as_change(self, ticket: Ticket, state: Literal["waiting", "started", "left"], number: int) -> Change:
        # One that has left the line may stand nowhere any more, and nobody asks.
        tag, place = (0.0, 0) if state == "left" else self._line.stands(ticket)
        return Change(
            process=self._process,
            number=number,
            state=state,
            member=ticket.member,
            community=ticket.community,
            weight=ticket.weight,
            tag=tag,
            place=place,
            at=ticket.asked_at if state == "waiting" else self._book.now,
        )
