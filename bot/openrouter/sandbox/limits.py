"""The account the sandbox plays: its counts per clock minute and UTC day, and its money. No I/O, no waiting."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

from bot.clock import Instant, day_of, day_start

MINUTE = 60.0

Limit: TypeAlias = Literal["day", "minute"]


def minute_end(at: Instant) -> Instant:
    """When the clock minute that holds `at` is over."""
    return Instant((at // MINUTE + 1) * MINUTE)


def day_end(at: Instant) -> Instant:
    """When the UTC day that holds `at` is over."""
    return day_start(day_of(at) + 1)


class Account:
    """One OpenRouter account: every key of it draws from the same counts and the same money."""

    def __init__(self, *, rpm: int, rpd: int, balance: Decimal, stale_seconds: float) -> None:
        self._rpm, self._rpd, self._stale = rpm, rpd, stale_seconds
        self._minute, self._in_minute = 0, 0
        self._day, self._in_day = 0, 0
        self._read_at, self._read = Instant(float("-inf")), 0
        self._balance = balance
        self.billed = Decimal(0)
        """USD charged for paid models since the account began."""

    def take(self, at: Instant) -> Limit | None:
        """Count one request to a free model; the limit it went over, the lasting one first.

        What is refused has been counted all the same, so `used` may pass the limit.
        """
        self._turn(at)
        self._in_minute += 1
        self._in_day += 1
        if self._in_day > self._rpd:
            return "day"
        return "minute" if self._in_minute > self._rpm else None

    def used(self, at: Instant) -> int:
        """Requests counted in the UTC day of `at`."""
        self._turn(at)
        return self._in_day

    def reported(self, at: Instant) -> int:
        """The same as OpenRouter's cache has it: an answer may be some time old, but never of another day."""
        if at - self._read_at >= self._stale or day_of(at) != day_of(self._read_at):
            self._read_at, self._read = at, self.used(at)
        return self._read

    def charge(self, amount: Decimal) -> None:
        self.billed += amount

    @property
    def balance(self) -> Decimal:
        """USD left. Below zero, even free models are refused."""
        return self._balance - self.billed

    def _turn(self, at: Instant) -> None:
        minute, day = int(at // MINUTE), day_of(at)
        if minute != self._minute:
            self._minute, self._in_minute = minute, 0
        if day != self._day:
            self._day, self._in_day = day, 0
