"""Who joins the line, and who may be expected to, by who lately did. Pure.

The pace of the last two minutes is taken to go on, for as long as it has lasted: hardly more are expected within a time
than came within as long a time before. It never grows, and it is lowered by every lull, seen from now: whoever looks
ten seconds after a rush or ten minutes into a quiet day expects less. What has lasted for more than two minutes goes on
for longer than that. A rush that began a moment ago thus counts for little, since most are short; estimates wait for
it a few seconds instead (`rise`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bot.clock import Instant
from bot.messages import Member

REMEMBERED = 600.0
"""Seconds."""
MOST = 400
"""Visits that are remembered."""

_AT_ONCE = 2.0
"""Seconds in which a member's questions belong to one visit."""
_LEAN = 5
"""So many visits at the pace of the last `_PACE_SECONDS` weigh in with those just seen: a short lull is no news."""
_PACE_SECONDS = 120.0
_YOUNG = 5.0
"""Seconds. A rush rises while they bring visits at more than twice the pace of the minute before, and two besides."""


class Coming(NamedTuple):
    """A ticket that may be expected."""

    at: Instant
    member: Member
    new: bool
    """Not the member, but somebody like them who has not been here."""


@dataclass(slots=True)
class _Visit:
    """A member came, with so many questions at once."""

    at: Instant
    member: Member
    new: bool
    """The member's first in all that is remembered."""
    tickets: int = 1


def _like(visit: _Visit, at: float) -> Iterator[Coming]:
    return (Coming(Instant(at), visit.member, visit.new) for _ in range(visit.tickets))


class Arrivals:
    """See the module."""

    def __init__(self) -> None:
        self._visits: deque[_Visit] = deque()
        self._last: dict[Member, _Visit] = {}

    def came(self, now: Instant, member: Member) -> None:
        """A member's ticket has joined the line."""
        self._forget(now)
        last = self._last.get(member)
        if last is not None and now - last.at <= _AT_ONCE:
            last.tickets += 1
            return
        visit = self._last[member] = _Visit(now, member, new=last is None)
        self._visits.append(visit)

    def expected(self, now: Instant) -> Iterator[Coming]:
        """Those who may be expected to join, the next one first."""
        past = list(reversed(self._visits))
        pace = sum(now - visit.at <= _PACE_SECONDS for visit in past) / _PACE_SECONDS or 1 / REMEMBERED
        lean = _LEAN / pace
        rate, far, total, number = float("inf"), 0.0, 0.0, 0
        for younger, visit in enumerate(past):
            age = now - visit.at
            rate = min(rate, (younger + _LEAN) / (age + lean))
            reached = total + rate * (age - far)
            # Evenly spread, in the order of the past ones mirrored, and hardly more than came in as long a time.
            while number + 0.5 <= min(reached, younger + 0.5):
                yield from _like(past[number], now + far + max(0.0, number + 0.5 - total) / rate)
                number += 1
            far, total = age, reached
        for more in range(round(rate * (far - _PACE_SECONDS)) if far > _PACE_SECONDS else 0):
            yield from _like(past[more % number], now + far + (more + 0.5) / rate)

    def rise(self, now: Instant) -> bool:
        """A rush begins: many more come than did a moment ago, and nobody can say yet how many it will be."""
        ages = [now - visit.at for visit in self._visits]
        young = sum(age < _YOUNG for age in ages)
        before = sum(_YOUNG <= age < 60 for age in ages)
        return young > 2 + 2 * before * _YOUNG / (60 - _YOUNG)

    def _forget(self, now: Instant) -> None:
        while self._visits and (self._visits[0].at < now - REMEMBERED or len(self._visits) >= MOST):
            visit = self._visits.popleft()
            if self._last[visit.member] is visit:
                del self._last[visit.member]
