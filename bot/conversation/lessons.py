"""What a failed request teaches the pool. Pure but for whom it tells.

Only what OpenRouter says of its own limits holds for everyone at once. That the key, the balance or the privacy
settings are wrong is no more than a suspicion, which the account must confirm: a member can write a request that is
refused in just those words.
"""

from __future__ import annotations

from typing import Protocol

from bot.clock import Clock, Instant
from bot.errors import AccountTrouble, FailureKind, UpstreamFailure
from bot.quota.scheduler import Scheduler
from bot.routing.router import Route
from bot.routing.shelf import Shelf

MINUTE = 60.0
LONGEST_UNKNOWN = 900.0
"""Seconds a limit nobody can name keeps the pool at most, whatever its hint: then one request finds out."""
_OF_THE_KEY = (FailureKind.BAD_KEY, FailureKind.NEGATIVE_BALANCE)
"""What would hold for the pool, too."""


class AccountWatch(Protocol):
    """Who asks the account. `bot.openrouter.account.Account` is the one."""

    def limited(self) -> None:
        """OpenRouter has said that it is too much: its count is worth a look."""
        ...

    def suspect(self, trouble: AccountTrouble) -> None:
        """A request failed as if this were wrong with the account."""
        ...


class Lessons:
    """See the module."""

    def __init__(self, *, scheduler: Scheduler, shelf: Shelf, account: AccountWatch, clock: Clock) -> None:
        self._scheduler, self._shelf, self._account, self._clock = scheduler, shelf, account, clock

    def take(self, failure: UpstreamFailure, route: Route, *, day: int) -> None:
        """A request of a day's failed so along this route."""
        now = self._clock.now()
        if route.lane != "free" and failure.kind not in _OF_THE_KEY:
            return  # what a model that costs has no room for says nothing of the free ones
        match failure.kind:
            case FailureKind.ACCOUNT_DAILY:
                self._scheduler.spend_rest(day)
                self._account.limited()
            case FailureKind.ACCOUNT_MINUTE:
                self._scheduler.pause(failure.retry_at or Instant(now + MINUTE))
                if failure.limit is not None:
                    self._scheduler.limit_minute(failure.limit)
                self._account.limited()
            case FailureKind.PLATFORM_UNKNOWN:
                until = failure.retry_at or Instant(now + MINUTE)
                self._scheduler.pause(min(until, Instant(now + LONGEST_UNKNOWN)))
                self._account.limited()
            case FailureKind.UPSTREAM_MODEL:
                self._shelf.busy(route, failure.retry_at)
                self._account.limited()
            case FailureKind.NO_ENDPOINTS if failure.route == "model_gone":
                self._shelf.gone(route)
            case FailureKind.NO_ENDPOINTS if failure.route == "data_policy":
                self._account.suspect("no_free_models")
            case FailureKind.BAD_KEY:
                self._account.suspect("bad_key")
            case FailureKind.NEGATIVE_BALANCE:
                self._account.suspect("out_of_credit")
            case _:  # one request's own trouble
                pass
