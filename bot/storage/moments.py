"""Moments as the tables keep them: whole microseconds since 1970, UTC."""

from __future__ import annotations

from bot.clock import Instant

MICROSECONDS = 1_000_000


def microseconds(moment: Instant) -> int:
    """A moment as the tables keep it."""
    return round(moment * MICROSECONDS)


def instant(value: int) -> Instant:
    """A moment from the tables."""
    return Instant(value / MICROSECONDS)
