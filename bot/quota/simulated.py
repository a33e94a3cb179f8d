"""What a simulated run meets, and what comes of it: its setting, its events, and the fate of each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from bot.clock import Instant
from bot.quota.replay import Policy
from bot.quota.traffic import Request

Event: TypeAlias = Literal["asked", "queued", "held", "sent", "retried", "answered", "failed", "refused", "expired"]
"""The last four are endings; each request has one of them."""
POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the traffic meets."""

    policy: Policy = "fair"
    rpd: int = 50
    rpm: int = 20
    between_communities: bool = False
    hold: bool = True
    """What the share refuses waits for room in the day."""
    promise_units: int = 0
    seed: int = 0
    """Which attempts fail: the same ones under every policy."""
    failures: float = 0.0
    """Part of the attempts that fail."""
    patience: float = 120.0
    """Seconds a question that may go waits for the minute."""
    service_seconds: float = 7.4


class Happened(NamedTuple):
    """One event of a run."""

    at: Instant
    event: Event
    request: Request


class Looked(NamedTuple):
    """How things stood at a moment of a run."""

    at: Instant
    first: float
    """The level for a first unit of the day. As `Share` has it: never more than the pool could give."""
    more: float | None
    """The level for one who has had a unit today. None: nobody has yet."""
    used: int
    """Units of the pool."""


@dataclass(slots=True)
class Promises:
    """What members were promised in a run, in units."""

    given: int = 0
    broken: int = 0
    """The member asked in time and was not sent."""


@dataclass(slots=True)
class Fate:
    """What became of a request."""

    request: Request
    sent_at: Instant | None = None
    queued: bool = False
    held: bool = False
    retried: bool = False
    ending: Event | None = None

    @property
    def given(self) -> bool:
        """The member got something for it: it was sent, and did not fail in the end."""
        return self.sent_at is not None and self.ending != "failed"
