"""The scheduler of one pool: who may go, whose turn it is, and what becomes of it.

A question asks the day whether its member may go (`today`), takes its place in the `line`, starts when its turn has
come (`starts`) and then holds a lease until it is settled or released (`leasing`): that is its `admission`. What the
account says and admins lay down `bounds` all of it. A question that may go at once is one transaction of the ledger and
nothing more. All that happens is written in the `book`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from bot.backlog import Backlog
from bot.clock import Clock, Instant, day_of
from bot.errors import Refused, Shut
from bot.messages import CommunityId, Member, Share
from bot.quota.admission import Admission, Place
from bot.quota.board import Board
from bot.quota.book import Book
from bot.quota.bounds import Bounds
from bot.quota.day import Decision
from bot.quota.events import DayEvent, EventKind
from bot.quota.gate import Gate
from bot.quota.history import DAYS
from bot.quota.leasing import Leasing
from bot.quota.ledger import AlreadyHandled, Caps, Claim, Lease, Ledger, Outcome, PoolId
from bot.quota.line import Line
from bot.quota.others import Others
from bot.quota.sharing import Days
from bot.quota.starts import Starts
from bot.quota.terms import NO_TERMS, Terms
from bot.quota.today import Today
from bot.quota.window import Window

__all__ = ["Place", "Scheduler"]


class Scheduler:
    """See the module. `open` before use, `close` after.

    Args:
        caps: the minute's is the most there will ever be; the day's holds until the account tells another.
        max_wait: seconds a question that may go waits for its turn.
        person: the member that an account is one of. Terms of any of a person's accounts hold for the person.
        board: where other processes tell what they do with the pool. None: there are none.
        backlog: where what could not be written down waits. None: one of its own.
        watched: somebody asks the account for its count (`reported`), so that a new day may wait to see it reset.
        learns_rpd: the account's own cap on the day counts, as it told it before a restart, too; else that of `caps`.
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
        learns_rpd: bool = False,
        person: Callable[[Member], Member] = lambda member: member,
        board: Board | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self.pool, self._person = pool, person
        self._line, self._ledger, self._clock = line, ledger, clock
        self._today = today = Today(days=days, rpd=caps.rpd, clock=clock)
        self._gate, window = Gate(), Window(caps.rpm)
        backlog = Backlog() if backlog is None else backlog
        self._book = book = Book(pool=pool, today=today, ledger=ledger, line=line, clock=clock, backlog=backlog)
        self._starts = starts = Starts(line=line, window=window, gate=self._gate, book=book)
        self._bounds = bounds = Bounds(
            caps=caps, watched=watched, learns_rpd=learns_rpd, book=book, starts=starts, clock=clock
        )
        self._others = others = None if board is None else Others(board=board, line=line, starts=starts, book=book)
        if others is not None:
            others.hear_word, bounds.others = bounds.hear, others
        self._leasing = Leasing(book=book, starts=starts, others=others)
        self._admission = Admission(
            book=book,
            bounds=bounds,
            line=line,
            starts=starts,
            leasing=self._leasing,
            others=others,
            clock=clock,
            max_wait=max_wait,
        )
        self._laid_down_terms = NO_TERMS

    async def open(self, terms: Terms = NO_TERMS) -> None:
        """Take up where the ledger stands: the days before, and today's events once more."""
        today = day_of(self._clock.now())
        self._laid_down_terms, self._admission.terms = terms, terms.by_person(self._person)
        past = await self._ledger.asks(self.pool, first=today - DAYS, last=today - 1)
        yesterday = (await self._ledger.standing(self.pool, today - 1)).used
        others = self._others
        if others is None:
            events, standing = (
                await self._ledger.events(self.pool, today),
                await self._ledger.standing(self.pool, today),
            )
        else:
            opened = await others.open(today)
            events, standing = opened.events, opened.standing
        await self._today.open(past, events, self._admission.terms)
        self._bounds.open(standing.word, yesterday=yesterday)
        for at, member in standing.recent:
            self._starts.window.start(at, member)
        if others is not None:
            others.begin()

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
        return self._admission.terms

    @property
    def shut_for(self) -> Shut | None:
        """Why nobody is let through until further notice; None: the pool is open."""
        return self._bounds.shut_for

    @property
    def used(self) -> int:
        """Units of today's that are gone, whoever used them."""
        self._book.turn()
        return self._today.used

    @property
    def used_here(self) -> int:
        """Of these, what our own leases took."""
        self._book.turn()
        return self._today.sharing.used

    @property
    def drift(self) -> int:
        """Units that were used elsewhere today, by the account's count."""
        self._book.turn()
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
        self._book.turn()
        return self._today.resets_at

    @property
    def paused_until(self) -> Instant | None:
        """The account has said no until then."""
        self._gate.opens(self._clock.now())
        return self._gate.paused_until

    @property
    def awaits_reset(self) -> bool:
        """The account may still count yesterday, and nothing starts until it is known to have begun anew."""
        self._book.turn()
        return self._gate.awaits_reset(self._clock.now())

    def place(self, member: Member) -> Place | None:
        """Where the first of a member's tickets stands in line; None: none waits."""
        own = next((ticket for ticket in self._line if ticket.member == member), None)
        return None if own is None else Place(place=own.place, estimate_at=own.estimate_at)

    def share(self, member: Member, community: CommunityId) -> Share:
        """What a member has taken and may still take."""
        self._book.turn()
        return self._today.sharing.share(self._today.whose(member), community, self._clock.now())

    def decision(self, member: Member, community: CommunityId) -> Decision | None:
        """Why a member's next question may go or not, where the policy has reasons."""
        self._book.turn()
        return self._today.sharing.decision(self._today.whose(member), community, self._clock.now())

    def room(self, member: Member, community: CommunityId) -> bool:
        """A member's next question would be let through now."""
        self._book.turn()
        return self._admission.refusal(member, community) is None

    def room_at(self, member: Member, community: CommunityId) -> Instant | None:
        """When it would be if nobody took anything until then: the earliest. None: not today."""
        self._book.turn()
        return self._today.sharing.room_at(self._today.whose(member), community, self._clock.now())

    def hold(self, member: Member, community: CommunityId, *, day: int) -> None:
        """A question of the member's waits for room in that day. Once the day is over nothing is made of it."""
        self._held(EventKind.HELD, member, community, day)

    def unhold(self, member: Member, community: CommunityId, *, day: int) -> None:
        """It no longer does: it is about to be let through, or was given up."""
        self._held(EventKind.RELEASED, member, community, day)

    def _held(self, kind: EventKind, member: Member, community: CommunityId, day: int) -> None:
        self._book.turn()
        if day == self._today.day:
            event = self._book.event(kind, member, community)
            self._today.apply(event)
            if self._others is not None:  # each process tells what it holds, and they take it that it ends with it
                self._book.keep(lambda: self._ledger.note(self.pool, [event]))

    # --- what the account tells --------------------------------------------------------------------------

    def limit(self, rpd: int) -> None:
        """The account's cap on the day. While an admin has laid down another, that one holds."""
        self._bounds.limit(rpd)

    def limit_minute(self, rpm: int) -> None:
        """The account's cap on the minute, as it names it when it refuses. Never more than was set."""
        self._bounds.limit_minute(rpm)

    def reported(self, used: int) -> None:
        """The account's count of the day. What it has beyond ours was used elsewhere."""
        self._bounds.reported(used)

    def pause(self, until: Instant) -> None:
        """Let nobody through before a moment: the account has said no. The line keeps its order."""
        self._bounds.pause(until)

    def spend_rest(self, day: int) -> None:
        """A day is spent by the account's word, whatever we counted: whoever waits is told, nobody is sent."""
        self._bounds.spend_rest(day)

    def shut(self, reason: Shut, *, here: bool = False) -> None:
        """Let nobody through until further notice; whoever waits is told, once. `here`: in this process alone."""
        self._bounds.shut(reason, here=here)

    def reopen(self) -> None:
        """Go on, unless an admin has paused the pool."""
        self._bounds.reopen()

    # --- what admins decide ------------------------------------------------------------------------------

    def suspend(self, suspended: bool) -> None:
        """An admin pauses the pool, or lets it go on, unless something else keeps it shut."""
        self._bounds.suspend(suspended)

    def lay_down_caps(self, *, rpm: int | None, rpd: int | None) -> None:
        """An admin's caps hold from now on, in place of what was set and of what the account tells. None: no longer."""
        self._bounds.lay_down_caps(rpm=rpm, rpd=rpd)

    def lay_down(self, terms: Terms) -> None:
        """An admin's terms hold from now on, for those in line too."""
        self._book.turn()
        self._laid_down_terms, terms = terms, terms.by_person(self._person)
        self._admission.terms = terms
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
        self._admission.bar(member, community)

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
        self._book.turn()
        if day_of(joined.at) == self._today.day:
            self._today.apply(joined)
        self._starts.window.hand_over(joined.member, joined.other)
        self.regroup()

    def regroup(self) -> None:
        """It has changed who is one person: today's counts and terms are put together anew."""
        self._book.turn()
        self._today.regroup(self._person)
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
        asking = self._admission.admit(member, community, claim, again=again)
        async with aclosing(asking) as steps:
            async for step in steps:
                yield step

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
