"""Time as an argument: nothing else in Potluck asks the machine what time it is.

A test runs the whole service on an event loop whose time is virtual and hands it a clock that reads that
loop, so a simulated day costs seconds. Waiting itself is plain `asyncio.sleep` and `asyncio.timeout`.
"""

from __future__ import annotations

import time
from typing import NewType, Protocol

Instant = NewType("Instant", float)
"""A moment as seconds since 1970-01-01 00:00 UTC. Times of day and of the year are worked out at the edge."""

DAY = 86_400.0


class Clock(Protocol):
    """Where the service takes its time from."""

    def now(self) -> Instant:
        """The time of day, UTC. May jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes backwards. For durations."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        return Instant(time.time())

    def monotonic(self) -> float:
        return time.monotonic()


class SharedClock:
    """A database's clock, for all processes that share it: the machine's own, set right by what the database says."""

    def __init__(self, base: Clock) -> None:
        self._base, self._ahead = base, 0.0

    def now(self) -> Instant:
        return Instant(self._base.now() + self._ahead)

    def monotonic(self) -> float:
        return self._base.monotonic()

    def told(self, now: Instant) -> None:
        """The database has just said what time it is. What differs by less is the way it was told."""
        ahead = now - self._base.now()
        if abs(ahead - self._ahead) > _WAY:
            self._ahead = ahead


_WAY = 0.02


def day_of(moment: Instant) -> int:
    """The UTC day a moment falls on, counted from 1970-01-01. OpenRouter's allowance is counted by it."""
    return int(moment // DAY)


def day_start(day: int) -> Instant:
    """00:00 UTC of a day; `day_start(day + 1)` is when the day's allowance resets."""
    return Instant(day * DAY)
