"""The line: the tickets that wait, and whose turn it is. Pure: no clock, no I/O.

`FirstCome` is first come, first served with one request under way for each member: the plainest rule that keeps one
person from having the whole minute, and what the fair one is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from bot.clock import Instant
from bot.errors import ReplyError
from bot.messages import Member


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """Wanting one upstream request."""

    member: Member
    asked_at: Instant
    wake: Callable[[], None] = field(repr=False, default=lambda: None)
    """Called when its turn has come, its place or estimate has changed, or it is refused."""
    started_at: Instant | None = None
    """Its turn came then; None while it waits."""
    place: int = 0
    estimate_at: Instant | None = None
    """When its turn should come."""
    refused: ReplyError | None = None


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

    def next(self, busy: Callable[[Member], bool]) -> Ticket | None:
        """Whose turn it is: the first whose member has nothing under way. It stays in line."""
        ...

    def count(self, member: Member) -> int:
        """How many tickets a member has in line."""
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

    def next(self, busy: Callable[[Member], bool]) -> Ticket | None:
        return next((ticket for ticket in self._tickets if not busy(ticket.member)), None)

    def count(self, member: Member) -> int:
        return self._counts.get(member, 0)
