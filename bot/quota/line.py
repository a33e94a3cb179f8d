"""The line: the tickets that wait, and whose turn it is. Pure: no clock, no I/O.

`FairLine` is start-time fair queueing over members: each ticket is tagged with the turn it would have if members took
turns, so however many one member brings, another who comes waits behind one of them at most. `FirstCome` is first
come, first served: the plainest rule, and what the fair one is compared with.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from bot.clock import Instant
from bot.errors import ReplyError
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """Wanting one upstream request."""

    member: Member
    community: CommunityId
    asked_at: Instant
    wake: Callable[[], None] = field(repr=False, default=lambda: None)
    """Called when its turn has come, its place or estimate has changed, or it is refused."""
    weight: float = 1.0
    """How many turns it has for another's one."""
    started_at: Instant | None = None
    """Its turn came then; None while it waits."""
    place: int = 0
    estimate_at: Instant | None = None
    """When its turn should come."""
    refused: ReplyError | None = None
    day: int = 0
    """The day it is charged to."""
    through: bool = True
    """It was let through, and its member is charged."""
    promised: tuple[int, Instant] | None = None
    """Units that were set aside for the member before that, and when they were."""
    unwritten: list[DayEvent] = field(repr=False, default_factory=list)
    """What happened to it that the ledger does not have yet."""
    leased: bool = False
    """From here on it is the lease that holds the member and the place."""
    elsewhere: str = ""
    """Another process that it waits in, and that starts it."""
    number: int | None = None
    """By which the other processes know it; None: they do not."""
    undoing: bool = False
    """Its caller went away while the ledger was writing its lease."""


class Line(Protocol):
    """Who waits, in the order they would go."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Ticket]:
        """The tickets in the order they would go."""
        ...

    def join(self, ticket: Ticket, *, front: bool = False) -> None:
        """Begin to wait. `front`: it had its turn, and what it was given could not be used."""
        ...

    def leave(self, ticket: Ticket) -> None:
        """Stop waiting. A ticket that is not in line is fine."""
        ...

    def stands(self, ticket: Ticket) -> tuple[float, int]:
        """By what a ticket in line is ordered, least first."""
        ...

    def place(self, ticket: Ticket, stands: tuple[float, int], *, lost: bool = False) -> None:
        """A ticket of another process, which has said where it stands. `lost`: it may be of one that has just died,
        and its member asks again, perhaps here: that is no second turn."""
        ...

    def recall(self, member: Member, weight: float, turn: float) -> None:
        """The member has had this turn with a ticket that this line never saw."""
        ...

    def next(self, may: Callable[[Member], bool]) -> Ticket | None:
        """Whose turn it is: the first whose member may start one now. It stays in line."""
        ...

    def count(self, member: Member) -> int:
        """How many tickets a member has in line."""
        ...

    def turn(self, ticket: Ticket | None) -> float:
        """By what the line is ordered before who came first. None: of one who came now and had nothing before."""
        ...

    def end(self, member: Member) -> float:
        """Where the turns end that a member has had or waits for: one who comes back is not ordered before it."""
        ...

    def weigh(self, member: Member, weight: float) -> None:
        """A member's tickets have so many turns for another's one, from now on."""
        ...

    def allowance(self, free: int) -> int:
        """How many starts of the window one member may have before another, when so many are free."""
        ...


class FirstCome:
    """First come, first served."""

    def __init__(self) -> None:
        self._tickets: dict[Ticket, None] = {}
        self._counts: dict[Member, int] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        return iter(self._tickets)

    def join(self, ticket: Ticket, *, front: bool = False) -> None:
        if front:
            self._tickets = {ticket: None, **self._tickets}
        else:
            self._tickets[ticket] = None
        self._counts[ticket.member] = self.count(ticket.member) + 1

    def leave(self, ticket: Ticket) -> None:
        if ticket not in self._tickets:
            return
        del self._tickets[ticket]
        self._counts[ticket.member] -= 1
        if not self._counts[ticket.member]:
            del self._counts[ticket.member]

    def stands(self, ticket: Ticket) -> tuple[float, int]:
        return 0.0, round(ticket.asked_at * 1e6)

    def place(self, ticket: Ticket, stands: tuple[float, int], *, lost: bool = False) -> None:
        self.join(ticket)
        self._tickets = dict.fromkeys(sorted(self._tickets, key=self.stands))

    def recall(self, member: Member, weight: float, turn: float) -> None:
        """Changes nothing: who came first goes first."""

    def next(self, may: Callable[[Member], bool]) -> Ticket | None:
        return next((ticket for ticket in self._tickets if may(ticket.member)), None)

    def count(self, member: Member) -> int:
        return self._counts.get(member, 0)

    def turn(self, ticket: Ticket | None) -> float:
        return 0.0

    def end(self, member: Member) -> float:
        return 0.0

    def weigh(self, member: Member, weight: float) -> None:
        """Changes nothing: who came first goes first."""

    def allowance(self, free: int) -> int:
        return sys.maxsize


class FairLine:
    """Members take turns, by weight.

    A ticket's tag is where its member's last one ended in virtual time, or now in virtual time if that is later: who
    comes back after a while has saved nothing up, and who floods is tagged far into the future.
    """

    def __init__(self) -> None:
        self._order: list[tuple[float, int, Ticket]] = []
        self._tags: dict[Ticket, tuple[float, int]] = {}
        self._ends: dict[Member, float] = {}
        self._counts: Counter[Member] = Counter()
        self._now = 0.0
        self._number = 0
        self._forget_at = 64

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Ticket]:
        return (ticket for _, _, ticket in self._order)

    def join(self, ticket: Ticket, *, front: bool = False) -> None:
        if front and ticket in self._tags:
            tag, number = self._tags[ticket]
        else:
            # By the moment it came, so that lines of several processes order those of one turn alike.
            self._number = max(self._number + 1, round(ticket.asked_at * 1e6))
            tag, number = max(self._now, self._ends.get(ticket.member, 0.0)), self._number
            self._ends[ticket.member] = tag + 1 / ticket.weight
        self._insert(ticket, (tag, number))

    def _insert(self, ticket: Ticket, stands: tuple[float, int]) -> None:
        self._tags[ticket] = stands
        insort(self._order, (*stands, ticket), key=_stands)
        self._counts[ticket.member] += 1

    def stands(self, ticket: Ticket) -> tuple[float, int]:
        return self._tags[ticket]

    def place(self, ticket: Ticket, stands: tuple[float, int], *, lost: bool = False) -> None:
        end = 0.0 if lost else stands[0] + 1 / ticket.weight
        self._ends[ticket.member] = max(end, self._ends.get(ticket.member, 0.0))
        self._insert(ticket, stands)

    def recall(self, member: Member, weight: float, turn: float) -> None:
        self._now = max(self._now, turn)
        self._ends[member] = max(turn + 1 / weight, self._ends.get(member, 0.0))

    def leave(self, ticket: Ticket) -> None:
        stands = self._tags.get(ticket, (0.0, 0))
        at = bisect_left(self._order, stands, key=_stands)
        while at < len(self._order) and self._order[at][2] is not ticket and _stands(self._order[at]) == stands:
            at += 1  # one of another process stands at the very same place
        if at == len(self._order) or self._order[at][2] is not ticket:
            self._tags.pop(ticket, None)
            return
        del self._order[at]
        self._counts[ticket.member] -= 1
        if not self._counts[ticket.member]:
            del self._counts[ticket.member]
        if ticket.started_at is not None:
            self._now = max(self._now, self._tags[ticket][0])
        elif not self._counts[ticket.member] and ticket.refused is None:
            # The last one left without its turn: it costs the member nothing.
            self._ends[ticket.member] = min(self._ends[ticket.member], self._tags[ticket][0])
        self._forget()

    def next(self, may: Callable[[Member], bool]) -> Ticket | None:
        return next((ticket for _, _, ticket in self._order if may(ticket.member)), None)

    def count(self, member: Member) -> int:
        return self._counts[member]

    def turn(self, ticket: Ticket | None) -> float:
        return self._now if ticket is None else self._tags[ticket][0]

    def end(self, member: Member) -> float:
        return self._ends.get(member, 0.0)

    def weigh(self, member: Member, weight: float) -> None:
        own = [ticket for _, _, ticket in self._order if ticket.member == member]
        if all(ticket.weight == weight for ticket in own):
            return
        # The first keeps its turn, and those behind it follow at the new distance.
        tag = self._tags[own[0]][0]
        self._order = [entry for entry in self._order if entry[2].member != member]
        for ticket in own:
            number = self._tags[ticket][1]
            ticket.weight = weight
            self._tags[ticket] = (tag, number)
            insort(self._order, (tag, number, ticket), key=_stands)
            tag += 1 / weight
        self._ends[member] = tag

    def allowance(self, free: int) -> int:
        # As many as are free, so that a few floods cannot fill the window before anyone else comes (a dynamic
        # threshold, as switches use for their shared buffers).
        return max(1, free)

    def _forget(self) -> None:
        """Members whose virtual time has passed stand where anyone new would: nothing need be kept of them."""
        if len(self._ends) > self._forget_at:
            self._ends = {
                member: end for member, end in self._ends.items() if end > self._now or member in self._counts
            }
            self._forget_at = 2 * len(self._ends) + 64


def _stands(entry: tuple[float, int, Ticket]) -> tuple[float, int]:
    return entry[:2]
