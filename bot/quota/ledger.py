"""The ledger: the durable book of who was allowed to send what, and the only authority on the caps.

Before a request is sent it is reserved, in one transaction, under the minute's and the day's cap; after it, it is
settled exactly once. What was sent is spent, whatever came of it; what was never sent is released. A lease found
open at start was cut by a crash and counts as spent.

A lease of another lane than the free one is opened aside: the same book and the same promise that a message is
handled once, but no unit of the pool's minute and day, none of the member's, and no event of the day.

`bot.storage.ledger` keeps it in SQL, `bot.quota.memory` in memory for simulations; one contract suite holds both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NewType, Protocol, TypeAlias

from bot.clock import Instant
from bot.messages import CommunityId, ConversationId, Lane, Member, MessageId, ModelId, Usage
from bot.quota.events import DayEvent
from bot.quota.history import Ask
from bot.quota.word import Said, Word

PoolId = NewType("PoolId", str)
LeaseId = NewType("LeaseId", int)
TurnId = NewType("TurnId", int)

WINDOW = 62.0
"""Seconds over which the minute's cap is kept: OpenRouter counts clock minutes or rolling ones (both have been
seen), and two seconds are to spare for a clock that differs and a request that travels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What the pool may start."""

    rpm: int
    """In any `WINDOW` seconds."""
    rpd: int
    """In a UTC day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a lease is for, as it is kept: one or several messages answered together."""

    messages: Sequence[MessageId]
    conversation: ConversationId
    community: CommunityId
    author_name: str
    text: str
    asked_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A wish to send one upstream request."""

    pool: PoolId
    member: Member
    lane: Lane
    model: ModelId
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to send one upstream request, durable. Settled or released exactly once."""

    id: LeaseId
    pool: PoolId
    member: Member
    community: CommunityId
    turn: TurnId
    day: int
    reserved_at: Instant
    lane: Lane
    model: ModelId
    attempt: int = 1
    """The first of its turn or the second."""

    @property
    def aside(self) -> bool:
        """It took nothing from the pool."""
        return self.lane != "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteFull:
    """Not now: the window has room again at `until`."""

    until: Instant


@dataclass(frozen=True, slots=True)
class DaySpent:
    """Not today."""


@dataclass(frozen=True, slots=True)
class AlreadyHandled:
    """One of the messages has had its lease, perhaps before a restart."""


Reserved: TypeAlias = Lease | MinuteFull | DaySpent | AlreadyHandled
Aside: TypeAlias = Lease | AlreadyHandled


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a request that was sent."""

    result: Literal["answered", "failed", "stopped"]
    answer: str = ""
    """The text that was shown, whole or in part."""
    whole: bool = False
    model: ModelId | None = None
    generation: str = ""
    usage: Usage = field(default_factory=Usage)
    give_back: bool = False
    """The member's unit is given back, since nothing was shown and the cause was upstream. The pool's is not."""

    @property
    def uncounted(self) -> bool:
        """A provider's own key answered: OpenRouter does not count it, so the pool has its unit of the day back."""
        return self.usage.upstream_usd is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a pool stands, for a scheduler that starts or a day that begins."""

    used: int
    taken: Mapping[Member, int]
    recent: Sequence[tuple[Instant, Member]]
    """When the leases of the last `WINDOW` seconds were reserved and for whom, oldest first."""
    word: Word
    """What the account has said."""

    @property
    def elsewhere(self) -> int:
        """Units of the day that the account says are gone beyond those."""
        return max(self.word.elsewhere, (self.word.spent_at or 0) - self.used)


class LeaseNotOpenError(Exception):
    """A lease was settled or released a second time: a fault of the program."""


class NoAttemptLeftError(Exception):
    """A third attempt was asked for: a fault of the program."""


class NotAsideError(Exception):
    """A lease of the free lane was to be opened without a unit: a fault of the program."""


class Ledger(Protocol):
    """See the module. Every method is one transaction."""

    async def reserve(self, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()) -> Reserved:
        """Take one unit of the minute, the day and the member, and keep the events; or none of them."""
        ...

    async def open_aside(self, claim: Claim) -> Aside:
        """A lease that takes nothing from the pool, for a lane that does not draw on it.

        It is settled and released as any other; nothing of the pool's or the member's day comes of that either, and it
        has no second attempt.

        Raises:
            NotAsideError: the claim is for the free lane.
        """
        ...

    async def settle(self, lease: Lease, outcome: Outcome, events: Sequence[DayEvent] = ()) -> None:
        """Close a lease whose request was sent, and keep the answer and the events with it.

        Raises:
            LeaseNotOpenError: it is closed already.
        """
        ...

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        """Close a lease whose request was sent in vain, and reserve the second attempt of its turn: both or neither.

        The turn stays open and the member charged; the pool is charged once more. `claim` says how it is sent now.
        Denied, nothing at all has changed. A lease whose day is over gets no second attempt (`DaySpent`).

        Raises:
            LeaseNotOpenError: it is closed already.
            NoAttemptLeftError: it is a second attempt itself, or was opened aside.
        """
        ...

    async def release(self, lease: Lease, events: Sequence[DayEvent] = ()) -> None:
        """Close a lease whose request was never sent: its units are free again, its messages unhandled.

        After a second attempt they stay handled, and the turn ends without an answer: the first one was sent.

        Raises:
            LeaseNotOpenError: it is closed already.
        """
        ...

    async def note(self, pool: PoolId, events: Sequence[DayEvent]) -> None:
        """Keep events that come with no lease."""
        ...

    async def told(self, pool: PoolId, day: int, said: Said) -> Word:
        """Keep what the account has said, of that day where it is about a day. Returns all that it has said by now."""
        ...

    async def events(self, pool: PoolId, day: int) -> Sequence[DayEvent]:
        """The events of a day, in the order they happened."""
        ...

    async def asks(self, pool: PoolId, *, first: int, last: int) -> Mapping[int, Sequence[Ask]]:
        """The questions of each of these days on which there were any, in order of time."""
        ...

    async def standing(self, pool: PoolId, day: int) -> Standing:
        """Where the pool stands on a day."""
        ...

    async def recover(self) -> int:
        """Close the leases a crash left open: the pool's units stay spent, the members' are given back.

        What was opened aside took none, so none comes back. Returns how many there were. Call it before anything else,
        once.
        """
        ...
