"""The account the sandbox plays: its counts per minute and UTC day, and its money. No I/O, no waiting."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from bot.clock import Instant, day_of
from bot.openrouter.sandbox.settings import AccountSettings, Beliefs, Period
from bot.openrouter.sandbox.windows import MINUTE

Limit: TypeAlias = Literal["day", "minute"]


class Account:
    """One OpenRouter account: every key of it draws from the same counts and the same money.

    Holds what happened; the limits come with each call, so that they can change while it lives.
    """

    def __init__(self) -> None:
        self._starts: deque[Instant] = deque()
        self._day, self._in_day = 0, 0
        self._read_at, self._read = Instant(float("-inf")), 0
        self._billed: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)
        self._byok: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)

    # --- the allowance -------------------------------------------------------------------------------------

    def take(self, at: Instant, limits: AccountSettings, beliefs: Beliefs) -> Limit | None:
        """Count one request to a free model; the limit it went over, the lasting one first.

        What is refused has been counted all the same, so `used` may pass the limit.
        """
        self._turn(at)
        self._starts.append(at)
        over_minute = self._in_minute(at, rolling=beliefs.rolling_minute) > limits.rpm
        if self._in_day >= limits.rpd:
            self._in_day += 1
            return "day"
        self._in_day += beliefs.minute_refusals_count or not over_minute
        return "minute" if over_minute else None

    def remember(self, at: Instant, units: int) -> None:
        """Count what was taken before this sandbox was started."""
        self._turn(at)
        self._starts.extend([at] * units)
        self._in_day += units

    def give_back(self, taken_at: Instant, units: int) -> None:
        """Take units of the day off the count again; of a day that is over, nothing."""
        if day_of(taken_at) == self._day:
            self._in_day -= units

    def used(self, at: Instant) -> int:
        """Requests counted in the UTC day of `at`."""
        self._turn(at)
        return self._in_day

    def reported(self, at: Instant, *, stale_seconds: float) -> int:
        """The same as OpenRouter's cache has it: an answer may be some time old, but never of another day."""
        if at - self._read_at >= stale_seconds or day_of(at) != day_of(self._read_at):
            self._read_at, self._read = at, self.used(at)
        return self._read

    def _in_minute(self, at: Instant, *, rolling: bool) -> int:
        since = at - MINUTE if rolling else at // MINUTE * MINUTE
        return sum(start > since if rolling else start >= since for start in self._starts)

    def _turn(self, at: Instant) -> None:
        while self._starts and self._starts[0] <= at - MINUTE:
            self._starts.popleft()
        if day_of(at) != self._day:
            self._day, self._in_day = day_of(at), 0

    # --- money ---------------------------------------------------------------------------------------------

    def charge(self, key: str, amount: Decimal, at: Instant, *, byok: bool = False) -> None:
        """USD for one answer, to a key. `byok`: paid to a provider, and only reported."""
        if amount:
            (self._byok if byok else self._billed)[key, day_of(at)] += amount

    def billed(self) -> Decimal:
        """USD charged to all keys since the account began."""
        return sum(self._billed.values(), Decimal(0))

    def balance(self, limits: AccountSettings) -> Decimal:
        """USD left. Below zero, even free models are refused."""
        return limits.credits - limits.spent - self.billed()

    def usage(self, key: str, at: Instant, period: Period | None, *, byok: bool = False) -> Decimal:
        """USD a key has spent since the period began, by UTC; None: ever."""
        first = _first_day(at, period)
        amounts = (self._byok if byok else self._billed).items()
        return sum((amount for (spender, day), amount in amounts if spender == key and day >= first), Decimal())

    def key_left(self, key: str, at: Instant, limits: AccountSettings) -> Decimal | None:
        """USD a key may still spend; None: it has no limit."""
        if limits.key_limit is None:
            return None
        return limits.key_limit - self.usage(key, at, limits.key_limit_reset)


def _first_day(at: Instant, period: Period | None) -> int:
    """The day, counted from 1970, on which a period began; weeks begin on Mondays."""
    today, date = day_of(at), datetime.fromtimestamp(at, UTC)
    return {None: 0, "daily": today, "weekly": today - date.weekday(), "monthly": today - date.day + 1}[period]
