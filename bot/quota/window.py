"""The minute: how many requests may start now, and when the next ones may. Pure.

Never more than `rpm` starts in any `WINDOW` seconds, so in no clock minute and no rolling minute either, whichever
way the other side counts. The starts themselves are kept: a token bucket safe for every window would have to give
half of the minute away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import count, repeat

from bot.clock import Instant
from bot.quota.ledger import WINDOW


class Window:
    """The starts of the last `WINDOW` seconds."""

    def __init__(self, rpm: int, starts: Iterable[Instant] = ()) -> None:
        self.rpm = rpm
        self._starts = sorted(starts)

    def _forget(self, now: Instant) -> None:
        del self._starts[: bisect_right(self._starts, now - WINDOW)]
        # A start far ahead was noted by a clock that was wrong then: it must not block the pool until that time.
        del self._starts[bisect_right(self._starts, now + WINDOW) :]

    def used(self, now: Instant) -> int:
        """How many starts still count."""
        self._forget(now)
        return len(self._starts)

    def starts(self, now: Instant) -> list[Instant]:
        """The starts that still count, oldest first."""
        self._forget(now)
        return list(self._starts)

    def start(self, at: Instant) -> None:
        """Count a start. Its place is taken until `drop` or until it has left the window."""
        insort(self._starts, at)

    def drop(self, at: Instant) -> None:
        """Uncount a start that never happened, or that happened later than was said."""
        place = bisect_left(self._starts, at)
        if self._starts[place : place + 1] == [at]:
            del self._starts[place]

    def openings(self, now: Instant) -> Iterator[Instant]:
        """When the next start may happen, and the one after it, and so on without end, each made as soon as it may."""
        self._forget(now)
        free = self.rpm - len(self._starts)
        # The free ones start now and come round a window later, behind those that are in it already.
        coming = [*self._starts, *repeat(now, free)] if free > 0 else [*self._starts][-free:]
        yield from repeat(now, max(0, free))
        for behind in count(1):
            yield from (Instant(start + WINDOW * behind) for start in coming)
