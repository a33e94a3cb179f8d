"""How many questions may be sent a second time in a day.

Each costs everybody a unit, and a day on which a provider has no room is a day on which most of them fail as well. So
they have a small part of the day, whoever asks, and when it is used up a failed question ends with a word.
"""

from __future__ import annotations

from bot.clock import Clock, day_of

PART = 50
"""One unit in so many of the day, and one at least."""


class SecondAttempts:
    """Counts those of the UTC day. A restart begins the count anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._day, self._spent = 0, 0

    def left(self, rpd: int) -> int:
        """How many more there may be, of a day of so many units."""
        today = day_of(self._clock.now())
        if today != self._day:
            self._day, self._spent = today, 0
        return max(1, rpd // PART) - self._spent

    def spend(self) -> None:
        self._spent += 1
