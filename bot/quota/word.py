"""What a pool's account has said of itself, as far as it still counts: one word, and the same for all processes.

Whoever hears something new from OpenRouter has it kept; every other process hears of it before its next lease, and one
that starts takes it up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

from bot.clock import Instant
from bot.errors import Shut


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """See the module."""

    number: int = 0
    """How often it has said something new."""
    paused_until: Instant | None = None
    """It says no until then."""
    rpm: int | None = None
    """Its cap on the minute, as it named it when it refused."""
    rpm_under: int | None = None
    """The most that was set or laid down then. Where another is, nothing is known of the cap."""
    rpd: int | None = None
    """Its cap on the day."""
    shut_for: Shut | None = None
    """Why nobody is let through until further notice. It ends with the process that found it out, at the latest."""
    day: int = 0
    """The day that what follows is about."""
    elsewhere: int = 0
    """Units that it says are gone beyond those that our leases took."""
    spent_at: int | None = None
    """The day's cap at which it said that all of it was spent; None: it has not."""
    begun: bool = False
    """Its count shows that it has begun anew."""

    def of(self, day: int) -> Word:
        """The same about a day: what it has said of another one is not said of that."""
        return self if day == self.day else replace(self, day=day, elsewhere=0, spent_at=None, begun=False)


class Said(TypedDict, total=False):
    """What is new of a word."""

    paused_until: Instant
    rpm: int
    rpm_under: int
    rpd: int
    shut_for: Shut | None
    elsewhere: int
    spent_at: int | None
    begun: bool


OF_THE_DAY = frozenset({"elsewhere", "spent_at", "begun"})
"""What of a word is about its day alone."""
