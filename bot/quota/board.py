"""Where processes that share a pool tell each other what they do, and what is told there. The port of `others`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bot.clock import Instant
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent
from bot.quota.ledger import Caps, Claim, DaySpent, Lease, MinuteFull, Outcome, PoolId, Reserved, Standing
from bot.quota.word import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What has become of a ticket."""

    process: str
    number: int
    state: Literal["waiting", "started", "left"]
    member: Member
    community: CommunityId
    weight: float
    tag: float
    place: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a process has heard: the last event, the last change of a ticket, the account's last word."""

    event: int = 0
    change: int = 0
    word: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What others did after a cursor, in order, with the numbers by which a cursor counts."""

    events: Sequence[tuple[int, DayEvent]] = ()
    changes: Sequence[tuple[int, Change]] = ()
    word: Word | None = None
    """What the account has said; None: nothing since."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Nothing was reserved: this has happened meanwhile."""

    news: News


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Where a pool stands at one moment."""

    events: Sequence[DayEvent]
    """Of the day, everybody's."""
    waiting: Sequence[Change]
    started: Sequence[Change]
    """Those that were started lately, waiting or at once."""
    busy: Mapping[Member, int]
    """Requests under way in other processes."""
    standing: Standing
    cursor: Cursor


class Board(Protocol):
    """Where processes tell each other. `bot.storage.board.SqlBoard` is the one."""

    @property
    def process(self) -> str:
        """This one, as the others know it."""
        ...

    async def open(self, pool: PoolId, day: int) -> Opened:
        """Where the pool stands."""
        ...

    def follow(self, pool: PoolId, seen: Callable[[], Cursor], hear: Callable[[News], None]) -> None:
        """Tell this process of what others do with the pool, soon after they did it."""
        ...

    def leave(self, pool: PoolId) -> None:
        """No more."""
        ...

    @property
    def alone(self) -> bool:
        """No other process gives a sign of life, or did lately."""
        ...

    async def look(self, pool: PoolId, seen: Cursor) -> News | None:
        """What others have done by now; None: nothing."""
        ...

    async def reserve(
        self,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        seen: Cursor | None,
        word: int | None = None,
        started: Change | None,
    ) -> Reserved | Behind:
        """As the ledger's. None seen: whatever has happened meanwhile. `word`: the last that is known of the account's;
        None: whatever it has said."""
        ...

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent], *, word: int
    ) -> Lease | MinuteFull | DaySpent | Behind:
        """As the ledger's, by who knows the account's last word."""
        ...

    async def change(
        self, pool: PoolId, change: Change, events: Sequence[DayEvent], *, seen: Cursor | None = None
    ) -> Behind | None:
        """A ticket waits from now on, or has left, and the events; or, where others did something that is not seen yet,
        nothing but that. None seen: whatever has happened meanwhile."""
        ...
