"""The minute: how many requests may start now, and when the next ones may. Pure.

Never more than `rpm` starts in any `WINDOW` seconds, so in no clock minute and no rolling minute either, whichever
way the other side counts. The starts themselves are kept: a token bucket safe for every window would have to give
half of the minute away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, repeat

from bot.clock import Instant
from bot.messages import Member
from bot.quota.ledger import WINDOW


class Window:
    """The starts of the last `WINDOW` seconds, and whose they were."""

    def __init__(self, rpm: int, starts: Iterable[tuple[Instant, Member]] = ()) -> None:
        self.rpm = rpm
        self._at: list[Instant] = []
        self._whose: list[Member] = []
        """In step with `_at`, which is sorted."""
        self._own: Counter[Member] = Counter()
        for at, member in starts:
            self.start(at, member)

    def used(self, now: Instant) -> int:
        """How many starts still count."""
        self._forget(now)
        return len(self._at)

    def own(self, member: Member) -> int:
        """How many of them are a member's, as of the last look."""
        return self._own[member]

    def oldest(self, now: Instant) -> Instant | None:
        """The next of them to leave the window."""
        self._forget(now)
        return self._at[0] if self._at else None

    def starts(self, now: Instant) -> list[tuple[Instant, Member]]:
        """The starts that still count, oldest first."""
        self._forget(now)
        return list(zip(self._at, self._whose, strict=True))

    def start(self, at: Instant, member: Member) -> None:
        """Count a start. Its place is taken until `drop` or until it has left the window."""
        place = bisect_right(self._at, at)
        self._at.insert(place, at)
        self._whose.insert(place, member)
        self._own[member] += 1

    def drop(self, at: Instant, member: Member) -> None:
        """Uncount a start that never happened, or that happened later than was said."""
        for place in range(bisect_left(self._at, at), bisect_right(self._at, at)):
            if self._whose[place] == member:
                self._gone(place, place + 1)
                return

    def drop_newest(self, member: Member) -> None:
        """Uncount a member's start that never happened, whenever it was to."""
        for place in reversed(range(len(self._at))):
            if self._whose[place] == member:
                self._gone(place, place + 1)
                return

    def hand_over(self, member: Member, other: Member) -> None:
        """The starts of `other` are the member's."""
        self._whose = [member if whose == other else whose for whose in self._whose]
        if started := self._own.pop(other, 0):
            self._own[member] += started

    def _forget(self, now: Instant) -> None:
        if self._at and self._at[0] <= now - WINDOW:
            self._gone(0, bisect_right(self._at, now - WINDOW))
        # A start far ahead was noted by a clock that was wrong then: it must not block the pool until that time.
        if self._at and self._at[-1] > now + WINDOW:
            self._gone(bisect_right(self._at, now + WINDOW), len(self._at))

    def _gone(self, first: int, last: int) -> None:
        self._own.subtract(self._whose[first:last])
        for member in self._whose[first:last]:
            if not self._own[member]:
                del self._own[member]
        del self._at[first:last], self._whose[first:last]

    def openings(self, now: Instant) -> Iterator[Instant]:
        """When the next start may happen, and the one after it, and so on without end, each made as soon as it may."""
        self._forget(now)
        free = self.rpm - len(self._at)
        # The free ones start now and come round a window later, behind those that are in it already.
        coming = [*self._at, *repeat(now, free)] if free > 0 else self._at[-free:]
        yield from repeat(now, max(0, free))
        for behind in count(1):
            yield from (Instant(start + WINDOW * behind) for start in coming)
