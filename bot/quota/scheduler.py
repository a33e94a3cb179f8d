"""The scheduler of one pool: who may go, whose turn it is, and what becomes of it.

A question asks the day whether its member may go (`today`), takes its place in the `line`, starts when its turn has
come (`starts`) and then holds a lease until it is settled or released (`leasing`). A question that may go at once is
one transaction of the ledger and nothing more. All that happens is written in the `book`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from bot.backlog import Backlog
from bot.clock import Clock, Instant, day_of
from bot.errors import Refused, Shut
from bot.messages import CommunityId, Member, Share
from bot.quota.book import Book
from bot.quota.day import Decision
from bot.quota.events import DayEvent, EventKind
from bot.quota.gate import Gate
from bot.quota.history import DAYS
from bot.quota.leasing import Leasing
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
)
from bot.quota.line import Line, Ticket
from bot.quota.others import Behind, Board, News, Others
from bot.quota.sharing import Days
from bot.quota.starts import Starts
from bot.quota.terms import NO_TERMS, Terms
from bot.quota.today import Today
from bot.quota.window import Window

_LINE_LIMIT = 10_000
_MEMBER_LIMIT = 100
"""Tickets of one member in line. Each waits for the one before it anyway."""
_SETTLED = 90.0
"""Seconds after the last request by which the account's count should have caught up with ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ticket stands."""

    place: int
    """1 is next."""
    estimate_at: Instant | None


class Scheduler:
    """See the module. `open` before use, `close` after.

    Args:
        caps: the minute's is the most there will ever be; the day's holds until the account tells another.
        max_wait: seconds a question that may go waits for its turn.
        person: the member that an account is one of. Terms of any of a person's accounts hold for the person.
        board: where other processes tell what they do with the pool. None: there are none.
        backlog: where what could not be written down waits. None: one of its own.
        watched: somebody asks the account for its count (`reported`), so that a new day may wait to see it reset.
    """

    def __init__(
        self,
        *,
        pool: PoolId,
        caps: Caps,
        line: Line,
        days: Days,
        ledger: Ledger,
        clock: Clock,
        max_wait: float,
        watched: bool = False,
        person: Callable[[Member], Member] = lambda member: member,
        board: Board | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self.pool, self._person = pool, person
        self._most_rpm, self._max_wait, self._watched = caps.rpm, max_wait, watched
        self._line, self._ledger, self._clock = line, ledger, clock
        self._today = Today(days=days, rpd=caps.rpd, clock=clock)
        self._gate, window = Gate(), Window(caps.rpm)
        backlog = Backlog() if backlog is None else backlog
        self._book = Book(pool=pool, today=self._today, ledger=ledger, line=line, clock=clock, backlog=backlog)
        self._starts = Starts(line=line, window=window, gate=self._gate, book=self._book)
        self._others = None if board is None else Others(board=board, line=line, starts=self._starts, book=self._book)
        self._leasing = Leasing(book=self._book, starts=self._starts, others=self._others)
        self._terms = self._laid_down_terms = NO_TERMS
        self._set_rpm, self._told_rpd = caps.rpm, caps.rpd
        self._laid_down_rpd: int | None = None
        self._yesterday = 0
        """Units that were gone when the day before ended."""
        self._report: int | None = None
        """The account's newest count of today. It never falls within a day."""
        self._last_report: int | None = None
        """Its last one of the day before, where that was heard."""
        self._kept_elsewhere: dict[int, int] = {}
        """What the ledger knows of it, by day."""
        self._shut_for: Shut | None = None
        self._suspended = False
        """An admin has paused the pool, whatever else shuts it."""

    async def open(self, terms: Terms = NO_TERMS) -> None:
        """Take up where the ledger stands: the days before, and today's events once more."""
        today = day_of(self._clock.now())
        self._laid_down_terms, self._terms = terms, terms.by_person(self._person)
        past = await self._ledger.asks(self.pool, first=today - DAYS, last=today - 1)
        self._yesterday = (await self._ledger.standing(self.pool, today - 1)).used
        others = self._others
        events = await self._ledger.events(self.pool, today) if others is None else await others.open(today)
        standing = await self._ledger.standing(self.pool, today)
        await self._today.open(past, events, self._terms, elsewhere=standing.elsewhere)
        for at, member in standing.recent:
            self._starts.window.start(at, member)
        if others is not None:
            others.begin()
        self._await_reset()

    async def close(self) -> None:
        """Finish what is under way in the ledger. Whoever still waits is left to its caller."""
        if self._others is not None:
            self._others.close()
        self._starts.close()
        await self._book.close()

    # --- what anyone may see -----------------------------------------------------------------------------

    @property
    def caps(self) -> Caps:
        """What the pool may start, as far as is known."""
        return Caps(rpm=self._starts.window.rpm, rpd=self._today.rpd)

    @property
    def terms(self) -> Terms:
        """An admin's terms in force."""
        return self._terms

    @property
    def shut_for(self) -> Shut | None:
        """Why nobody is let through until further notice; None: the pool is open."""
        return self._shut_for or ("admin" if self._suspended else None)

    @property
    def used(self) -> int:
        """Units of today's that are gone, whoever used them."""
        self._turn_day()
        return self._today.used

    @property
    def used_here(self) -> int:
        """Of these, what our own leases took."""
        self._turn_day()
        return self._today.sharing.used

    @property
    def drift(self) -> int:
        """Units that were used elsewhere today, by the account's count."""
        self._turn_day()
        return self._today.elsewhere

    @property
    def minute_used(self) -> int:
        """Starts within the window."""
        return self._starts.window.used(self._clock.now())

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def answering(self) -> int:
        """Requests that may go or are under way."""
        return self._starts.busy.total()

    @property
    def resets_at(self) -> Instant:
        """00:00 UTC, when the day's units are back."""
        self._turn_day()
        return self._today.resets_at

    @property
    def paused_until(self) -> Instant | None:
        """The account has said no until then."""
        self._gate.opens(self._clock.now())
        return self._gate.paused_until

    @property
    def awaits_reset(self) -> bool:
        """The account may still count yesterday, and nothing starts until it is known to have begun anew."""
        self._turn_day()
        return self._gate.awaits_reset(self._clock.now())

    def place(self, member: Member) -> Place | None:
        """Where the first of a member's tickets stands in line; None: none waits."""
        own = next((ticket for ticket in self._line if ticket.member == member), None)
        return None if own is None else Place(place=own.place, estimate_at=own.estimate_at)

    def share(self, member: Member, community: CommunityId) -> Share:
        """What a member has taken and may still take."""
        self._turn_day()
        return self._today.sharing.share(member, community, self._clock.now())

    def decision(self, member: Member, community: CommunityId) -> Decision | None:
        """Why a member's next question may go or not, where the policy has reasons."""
        self._turn_day()
        return self._today.sharing.decision(member, community, self._clock.now())

    def room(self, member: Member, community: CommunityId) -> bool:
        """A member's next question would be let through now."""
        self._turn_day()
        return self._refusal(member, community) is None

    def room_at(self, member: Member, community: CommunityId) -> Instant | None:
        """When it would be if nobody took anything until then: the earliest. None: not today."""
        self._turn_day()
        return self._today.sharing.room_at(member, community, self._clock.now())

    def hold(self, member: Member, community: CommunityId, *, day: int) -> None:
        """A question of the member's waits for room in that day. Once the day is over nothing is made of it."""
        self._held(EventKind.HELD, member, community, day)

    def unhold(self, member: Member, community: CommunityId, *, day: int) -> None:
        """It no longer does: it is about to be let through, or was given up."""
        self._held(EventKind.RELEASED, member, community, day)

    def _held(self, kind: EventKind, member: Member, community: CommunityId, day: int) -> None:
        self._turn_day()
        if day == self._today.day:
            self._today.apply(self._book.event(kind, member, community))

    # --- what the account tells --------------------------------------------------------------------------

    def limit(self, rpd: int) -> None:
        """The account's cap on the day. While an admin has laid down another, that one holds."""
        self._turn_day()
        self._told_rpd = rpd
        self._today.limit(self._laid_down_rpd or rpd)
        self._starts.pump()

    def limit_minute(self, rpm: int) -> None:
        """The account's cap on the minute, as it names it when it refuses. Never more than was set."""
        self._starts.window.rpm = max(1, min(rpm, self._most_rpm))
        self._starts.pump()

    def reported(self, used: int) -> None:
        """The account's count of the day. What it has beyond ours was used elsewhere.

        It lags: just after 00:00 UTC it may be yesterday's, and then it tells nothing of the new day.
        """
        self._turn_day()
        now = self._clock.now()
        if self._gate.early(now) and self._report is None:
            # Ours may be ahead of the account's: only its own count can show that it has begun anew.
            if used >= (self._last_report or 1):
                return
            self._gate.reset_seen()
            self._last_report = None
        self._report = used
        last = self._leasing.last_at
        quiet = not self._starts.busy and (last is None or now - last > _SETTLED)
        self._today.reported(used, quiet=quiet)
        self._keep_count()
        self._starts.pump()

    def pause(self, until: Instant) -> None:
        """Let nobody through before a moment: the account has said no. The line keeps its order."""
        self._gate.pause(until)
        self._starts.pump()

    def spend_rest(self, day: int) -> None:
        """A day is spent by the account's word, whatever we counted: whoever waits is told, nobody is sent.

        A word about a day that is over says nothing of this one.
        """
        self._turn_day()
        if day == self._today.day:
            self._today.spend_rest()
            self._keep_count()
            self._starts.pump()

    # --- what admins decide ------------------------------------------------------------------------------

    def shut(self, reason: Shut) -> None:
        """Let nobody through until further notice; whoever waits is told, once."""
        self._shut_for, self._starts.shut = reason, True
        self._starts.refuse_all(lambda: Refused("pool_paused"))

    def reopen(self) -> None:
        """Go on, unless an admin has paused the pool."""
        self._shut_for, self._starts.shut = None, self._suspended
        self._starts.pump()

    def suspend(self, suspended: bool) -> None:
        """An admin pauses the pool, or lets it go on, unless something else keeps it shut."""
        self._suspended, self._starts.shut = suspended, suspended or self._shut_for is not None
        if suspended:
            self._starts.refuse_all(lambda: Refused("pool_paused"))
        self._starts.pump()

    def lay_down_caps(self, *, rpm: int | None, rpd: int | None) -> None:
        """An admin's caps hold from now on, in place of what was set and of what the account tells. None: no longer."""
        self._turn_day()
        self._laid_down_rpd = rpd
        self._most_rpm = self._starts.window.rpm = rpm or self._set_rpm
        self._today.limit(rpd or self._told_rpd)
        self._starts.pump()

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms hold from now on, for those in line too."""
        self._turn_day()
        self._laid_down_terms, terms = terms, terms.by_person(self._person)
        self._terms = terms
        self._today.lay_down(terms)
        for member, community in {(ticket.member, ticket.community) for ticket in self._line}:
            block = terms.barred(member.key, community, self._clock.now())
            if block is not None:
                why = partial(Refused, "member_blocked", resets_at=block.until)
                self._starts.refuse_all(why, member, community)
            else:
                self._line.weigh(member, terms.member(member.key).weight)
        self._starts.pump()

    def bar(self, member: Member, community: CommunityId) -> None:
        """Let pass who is not kept out there, on whatever lane.

        Raises:
            Refused: `member_blocked`.
        """
        block = self._terms.barred(member.key, community, self._clock.now())
        if block is not None:
            raise Refused("member_blocked", resets_at=block.until)

    # --- accounts of one person --------------------------------------------------------------------------

    def idle(self, member: Member) -> bool:
        """Nothing of the member's is in line or under way."""
        return not self._line.count(member) and self._starts.busy[member] <= 0

    async def caught_up(self) -> None:
        """Wait until all that has happened by now is in the ledger."""
        await self._book.caught_up()

    def join(self, joined: DayEvent) -> None:
        """Two members turn out to be one person. The ledger has the event already; the other one is idle."""
        assert joined.other is not None
        self._turn_day()
        if day_of(joined.at) == self._today.day:
            self._today.apply(joined)
        self._starts.window.hand_over(joined.member, joined.other)
        self.regroup()

    def regroup(self) -> None:
        """It has changed who is one person: terms are put together anew."""
        self.lay_down(self._laid_down_terms)

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
            Refused: `member_blocked`, `pool_paused`, `daily_share_spent`, `pool_spent`, `line_full` or
                `wait_too_long`; nothing was charged.
        """
        self._turn_day()
        await self._today.learned()
        ticket, news = self._ask(member, community, again=again), asyncio.Event()
        ticket.wake = news.set
        try:
            self._starts.pump()
            while True:
                while ticket.started_at is None:
                    if ticket.refused:
                        raise ticket.refused
                    if self._others is not None:
                        self._others.wait(ticket)
                    if ticket.place:
                        yield Place(place=ticket.place, estimate_at=ticket.estimate_at)
                    await self._news(ticket, news)
                day = self._today.day
                reserved = await self._leasing.reserve(ticket, claim())
                if isinstance(reserved, Lease | AlreadyHandled):
                    yield reserved
                    return
                self._wait_on(ticket, reserved, day)
        finally:
            self._leave(ticket)

    async def retry(self, lease: Lease, outcome: Outcome, claim: Claim) -> Lease | None:
        """A second attempt of a lease's question, now or not at all; with it the first is settled as `outcome`.

        It takes a unit only if one is nobody's: not let through, promised, granted or held back; and it overtakes no
        one who could start. The member is charged once for both. None: the first lease is open as before.

        If the caller is cancelled, nothing more was sent, and settling the first lease does no harm.
        """
        return None if self.shut_for else await self._leasing.retry(lease, outcome, claim)

    def fresh(self, lease: Lease) -> bool:
        """A lease may be sent now. If not, release it and ask again: the minute's window has moved on."""
        return self._leasing.fresh(lease)

    def sent(self, lease: Lease) -> None:
        """The request leaves now."""
        self._leasing.sent(lease)

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        """Close a lease whose request was sent. Runs to its end even if the caller is cancelled."""
        await self._leasing.settle(lease, outcome)

    async def release(self, lease: Lease) -> None:
        """Close a lease whose request was never sent: its unit is free again."""
        await self._leasing.release(lease)

    # --- inside ------------------------------------------------------------------------------------------

    def _ask(self, member: Member, community: CommunityId, *, again: bool) -> Ticket:
        """A ticket in line for a question.

        Raises:
            Refused: it may not go.
        """
        self.bar(member, community)
        own, now = self._terms.member(member.key), self._clock.now()
        if len(self._line) >= _LINE_LIMIT or self._line.count(member) >= _MEMBER_LIMIT:
            raise Refused("line_full", limit=_LINE_LIMIT if len(self._line) >= _LINE_LIMIT else _MEMBER_LIMIT)
        ticket = Ticket(
            member=member, community=community, asked_at=now, weight=own.weight, day=self._today.sharing.day
        )
        if not again:
            self._book.happens(ticket, EventKind.ASKED)
        if refused := self._refusal(member, community):
            self._book.happens(ticket, EventKind.REFUSED)
            self._book.write(ticket)
            raise refused
        self._book.happens(ticket, EventKind.LET_THROUGH)
        self._line.join(ticket)
        self._starts.came(member)
        return ticket

    def _refusal(self, member: Member, community: CommunityId) -> Refused | None:
        """Why a member's next question may not go now, as far as the pool and the member's share are concerned."""
        if self.shut_for is not None:
            return Refused("pool_paused")
        code = self._today.sharing.refusal(member, community, self._clock.now())
        if code is None:
            return None
        return Refused(code, resets_at=self._today.resets_at, limit=self._today.rpd if code == "pool_spent" else None)

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

    def _wait_on(self, ticket: Ticket, denied: MinuteFull | DaySpent | Behind, day: int) -> None:
        """The ledger knows better than we did: learn from it and wait on, in front."""
        self._starts.ungrant(ticket)
        match denied:
            case MinuteFull(until=until):
                self._gate.not_before(until)
            case DaySpent():
                self.spend_rest(day)
            case Behind(news=news):
                assert self._others is not None
                self._line.join(ticket, front=True)
                self._judge_again(ticket, news)
                return
            case _:
                assert_never(denied)
        self._line.join(ticket, front=True)
        self._starts.pump()

    def _judge_again(self, ticket: Ticket, news: News) -> None:
        """Others were quicker. What they did may have taken the member's share, if it was the same member's."""
        assert self._others is not None
        own = any(event.kind is EventKind.LET_THROUGH and event.member == ticket.member for _, event in news.events)
        if not own or ticket.number is not None:
            self._others.hear(news)
            return
        self._book.happens(ticket, EventKind.WITHDRAWN)
        self._others.take_up(news)
        ticket.refused = self._refusal(ticket.member, ticket.community)
        self._book.happens(ticket, EventKind.LET_THROUGH)
        if ticket.refused is not None:
            self._line.leave(ticket)
        self._starts.pump()

    def _leave(self, ticket: Ticket) -> None:
        self._line.leave(ticket)
        if not ticket.leased:
            if ticket.started_at is not None:
                self._starts.ungrant(ticket)
            self._book.happens(ticket, EventKind.WITHDRAWN)
            if not ticket.undoing:
                self._book.write(ticket)
            if self._others is not None:
                self._others.left(ticket)
        self._starts.pump()

    def _turn_day(self) -> None:
        before = self._today.used
        if self._book.turn():
            self._yesterday = before
            self._last_report, self._report = self._report, None
            self._await_reset()

    def _keep_count(self) -> None:
        """A restart must not find units that are gone."""
        gone = self._today.gone_elsewhere
        if gone != self._kept_elsewhere.get(self._today.day, 0):
            self._kept_elsewhere = {self._today.day: gone}
            day = self._today.day
            self._book.keep(lambda: self._ledger.count_elsewhere(self.pool, day, gone))

    def _await_reset(self) -> None:
        if self._watched and self._yesterday:
            self._gate.wait_for_reset(self._today.day)
