"""When a refused request would work again, as far as OpenRouter says: in five places and three units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from bot.clock import Instant
from bot.openrouter import loose

FARTHEST = 48 * 3600.0
"""Seconds. A reset further away than this is a slip of units, since the longest real one is a day."""


def retry_at(
    error: Mapping[str, object], headers: Mapping[str, str], now: Instant, *, window: float | None
) -> Instant | None:
    """The moment named, from `now` to `FARTHEST` after it; None where none is named that can be read.

    Args:
        error: the error object.
        headers: of the response and of the error's metadata, names in lower case.
        window: a cap of the account's was hit, whose window lasts so many seconds at most. It ends at its reset; a
            hint to come back sooner would be a provider's. A reset that has passed is none: the request was refused.
            None: no such cap.
    """
    metadata, availability = loose.mapping(error.get("metadata")), loose.mapping(error.get("availability"))
    hints = [
        _after(headers.get("retry-after"), now),
        _after(metadata.get("retry_after_seconds"), now),
        _after(availability.get("retry_after"), now),
    ]
    resets = [_reset(headers.get("x-ratelimit-reset"), now), loose.moment(metadata.get("resets_at"))]
    if window is not None:
        ahead = [at for at in resets + hints if at is not None and at > now]
        return Instant(min(ahead[0], now + min(window, FARTHEST))) if ahead else None
    named = [at for at in hints + resets if at is not None]
    return Instant(min(max(named[0], now), now + FARTHEST)) if named else None


def _after(value: object, now: Instant) -> float | None:
    """`Retry-After`: seconds, or an HTTP date."""
    seconds = loose.number(value)
    if seconds is not None:
        return None if seconds < 0 else now + min(float(seconds), FARTHEST)
    if not isinstance(value, str):
        return None
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _reset(value: object, now: Instant) -> float | None:
    """`X-RateLimit-Reset`: epoch milliseconds in every answer seen, but the unit is documented nowhere."""
    parsed = loose.number(value)
    if parsed is None or parsed < 0:
        return None
    reset = min(float(parsed), 1e15)
    if reset < 1e9:
        return now + reset
    return reset / 1000 if reset > 1e11 else reset
