"""When the clock minute and the UTC day are over, by which an account's free requests are counted."""

from __future__ import annotations

from bot.clock import Instant, day_of, day_start

MINUTE = 60.0


def minute_end(at: Instant) -> Instant:
    """When the clock minute that holds `at` is over."""
    return Instant((at // MINUTE + 1) * MINUTE)


def day_end(at: Instant) -> Instant:
    """When the UTC day that holds `at` is over."""
    return day_start(day_of(at) + 1)
