"""The minute: how many requests may start now, and when the next ones may. Pure.

Never more than `rpm` starts in any `WINDOW` seconds, so in no clock minute and no rolling minute either, whichever
way the other side counts. The starts themselves are kept: a token bucket safe for every window would have to give
half of the minute away.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import count, repeat

from bot.clock import Instant
from bot.messages import Member
from bot.quota.ledger import WINDOW


class Window:
    """The starts of the last `WINDOW` seconds, and whose they were."""

    def __init__(self, rpm: int, starts: Iterable[tuple[Instant, Member]] = ()) -> None:
        self.rpm = rpm
        self._starts: deque[tuple[Instant, Member]] = deque()
        self._own: Counter[Member] = Counter()
        for at, member in starts:
            self.start(at, member)

    def _forget(self, now: Instant) -> None:
        while self._starts and self._starts[0][0] <= now - WINDOW:
            self._gone(self._starts.popleft()[1])
        # A start far ahead was noted by a clock that was wrong then: it must not block the pool until that time.
        while self._starts and self._starts[-1][0] > now + WINDOW:
            self._gone(self._starts.pop()[1])

    def _gone(self, member: Member) -> None:
        self._own[member] -= 1
        if not self._own[member]:
            del self._own[member]

    def used(self, now: Instant) -> int:
        """How many starts still count."""
        self._forget(now)
        return len(self._starts)

    def own(self, member: Member) -> int:
        """How many of them are a member's, as of the last look."""
        return self._own[member]

    def starts(self, now: Instant) -> list[tuple[Instant, Member]]:
        """The starts that still count, oldest first."""
        self._forget(now)
        return list(self._starts)

    def start(self, at: Instant, member: Member) -> None:
        """Count a start. Its place is taken until `drop` or until it has left the window."""
        self._own[member] += 1
        if self._starts and at < self._starts[-1][0]:
            self._starts = deque(sorted([*self._starts, (at, member)], key=lambda start: start[0]))
        else:
            self._starts.append((at, member))

    def drop(self, at: Instant, member: Member) -> None:
        """Uncount a start that never happened, or that happened later than was said."""
        if (at, member) in self._starts:
            self._starts.remove((at, member))
            self._gone(member)

    def openings(self, now: Instant) -> Iterator[Instant]:
        """When the next start may happen, and the one after it, and so on without end, each made as soon as it may."""
        self._forget(now)
        free = self.rpm - len(self._starts)
        starts = [at for at, _ in self._starts]
        # The free ones start now and come round a window later, behind those that are in it already.
        coming = [*starts, *repeat(now, free)] if free > 0 else starts[-free:]
        yield from repeat(now, max(0, free))
        for behind in count(1):
            yield from (Instant(start + WINDOW * behind) for start in coming)
