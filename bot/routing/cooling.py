"""Which models rest, and until when, after their provider had no room. Pure.

A model that just refused is likely to refuse again, and each refusal is a unit of everybody's day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.clock import Instant
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER

FIRST, LONGEST = 30.0, 900.0
"""Seconds. Each failure on end doubles the rest, from the first to the longest."""
FORGOTTEN = 3600.0
"""Seconds after a failure when nothing of it counts. No hint reaches further: if it was wrong, one try tells."""
ROUTER = 2.0
"""Seconds `openrouter/free` rests at most, and only where it was asked for: its next pick is another model."""


@dataclass(frozen=True, slots=True)
class _Rest:
    failures: int
    failed_at: Instant
    until: Instant


class Cooling:
    """What is known of the models that failed lately."""

    def __init__(self) -> None:
        self._rests: dict[ModelId, _Rest] = {}

    def cool(self, model: ModelId, now: Instant, hint: Instant | None = None) -> Instant:
        """The model had no room. Until when it rests: until OpenRouter's hint, else longer with each failure on end.

        A hint that has passed is none. Failures of questions that were sent together can only lengthen a rest.
        """
        hint = hint if hint is not None and hint > now else None
        if model == FREE_ROUTER:
            until = now if hint is None else min(hint, Instant(now + ROUTER))
            self._rests[model] = _Rest(1, now, until)
            return until
        self._forget(now)
        before = self._rests.get(model)
        # What fails while it rests was sent before: the same trouble once more, not a further one.
        failures = 1 if before is None else before.failures + (before.until <= now)
        growing = Instant(now + min(FIRST * 2 ** min(failures - 1, 16), LONGEST))
        until = growing if hint is None else min(hint, Instant(now + FORGOTTEN))
        if before is not None:
            until = max(until, before.until)
        self._rests[model] = _Rest(failures, now, until)
        return until

    def succeeded(self, model: ModelId) -> None:
        """It answered: whatever was, is over."""
        self._rests.pop(model, None)

    def cooling(self, now: Instant) -> Mapping[ModelId, Instant]:
        """The models that rest now, each with the moment its rest ends."""
        self._forget(now)
        return {model: rest.until for model, rest in self._rests.items() if rest.until > now}

    def _forget(self, now: Instant) -> None:
        # A clock that was set back would keep a rest for ever: what failed in the future is forgotten, too.
        self._rests = {
            model: rest for model, rest in self._rests.items() if rest.failed_at <= now < rest.failed_at + FORGOTTEN
        }
