"""The gate of a pool: the moments in which nothing starts, whoever is next and whatever is left. Pure.

Three things close it: the account has said "not now", the ledger knows of starts that we do not, and midnight, when
it is not certain on which day OpenRouter would count a request.
"""

from __future__ import annotations

from bot.clock import DAY, Instant, day_of, day_start

MIDNIGHT = 3.0
"""Seconds before and after 00:00 UTC in which nothing starts."""
RESET_BY = 120.0
"""Seconds after 00:00 UTC by which the account's count has started over, though it may not show it yet."""


class Gate:
    """See the module."""

    def __init__(self) -> None:
        self.paused_until: Instant | None = None
        """The account has said no until then."""
        self._not_before = Instant(0)
        self._unsure_day: int | None = None

    def opens(self, now: Instant) -> Instant:
        """Nobody starts before it; now, if it is open."""
        if self.paused_until is not None and self.paused_until <= now:
            self.paused_until = None
        today = day_of(now)
        midnight, tomorrow = day_start(today), day_start(today + 1)
        opens = midnight + (RESET_BY if self._unsure_day == today else MIDNIGHT)
        if now % DAY >= DAY - MIDNIGHT:
            opens = tomorrow + MIDNIGHT
        return Instant(max(now, self._not_before, self.paused_until or now, opens))

    def pause(self, until: Instant) -> None:
        """The account says no until then. A shorter no after a longer one changes nothing."""
        self.paused_until = max(until, self.paused_until or until)

    def not_before(self, until: Instant) -> None:
        """The ledger's minute is full until then."""
        self._not_before = max(until, self._not_before)

    def wait_for_reset(self, day: int) -> None:
        """A watched account's day has begun: nothing starts until its count shows that, or `RESET_BY` is over."""
        self._unsure_day = day

    def early(self, now: Instant) -> bool:
        """The account's count may still be yesterday's."""
        return now % DAY < RESET_BY

    def awaits_reset(self, now: Instant) -> bool:
        """Nothing starts until the account's count shows the new day."""
        return self._unsure_day == day_of(now) and self.early(now)

    def reset_seen(self) -> None:
        """The account counts the new day."""
        self._unsure_day = None
