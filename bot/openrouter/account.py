"""What OpenRouter says of the account, kept in mind: the day's cap, use by others, and whether it can answer at all.

Its count lags behind ours and its answer may be missing or broken: it only ever lowers what is left, and an answer
that cannot be read changes nothing.

The pool is shut on two witnesses: a request that failed as if the account were at fault, and the account's own word,
asked for then. While it is shut the account is asked again every minute, and opens it by itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import assert_never, get_args

from bot.clock import Clock, day_of, day_start
from bot.errors import AccountTrouble, FailureKind, UpstreamFailure
from bot.openrouter.client import OpenRouter
from bot.openrouter.models import Models
from bot.openrouter.wire import KeyInfo
from bot.quota.scheduler import Scheduler
from bot.telemetry import operators
from bot.telemetry.logs import logger

log = logger(__name__)

EVERY = 300.0
"""Seconds between looks. The count is up to a minute old anyway."""
AGAIN = 60.0
"""Seconds between looks while the pool is shut; and from one examination of a trouble to the next."""
MIDNIGHT_EVERY = 10.0
"""Seconds between looks while nothing starts because it is not known whether the account's day has begun."""
SOON = 30.0
"""Seconds after a look in which no refusal asks for another."""
GAP = 5.0
"""Seconds between two looks at least, whoever wants them."""
_AFTER_MIDNIGHT = 3.0
_REFUSALS = 2
"""Looks on end that find the key unknown, before that is believed."""

_TROUBLES: tuple[AccountTrouble, ...] = get_args(AccountTrouble)


class Account:
    """Watches the account behind a pool: `bot.conversation.lessons.AccountWatch`."""

    def __init__(
        self, *, client: OpenRouter, scheduler: Scheduler, models: Models, clock: Clock, learn_rpd: bool
    ) -> None:
        self._client, self._scheduler, self._models = client, scheduler, models
        self._clock, self._learn_rpd = clock, learn_rpd
        self.trouble: str | None = None
        """Why the last look failed; None: it did not. One word of the closed set of failures."""
        self.identity: str | None = None
        """Whose account it is, as OpenRouter told last; None: it never did. For comparing, never for showing."""
        self._suspected: set[AccountTrouble] = set()
        self._examined: dict[AccountTrouble, float] = {}
        self._refusals = 0
        self._drift_told = 0
        self._looked_at = float("-inf")
        self._wake = asyncio.Event()

    def limited(self) -> None:
        """OpenRouter has said that it is too much: look soon, unless one just has. Its count is a minute old anyway."""
        if self._clock.monotonic() - self._looked_at >= SOON:
            self._wake.set()

    def suspect(self, trouble: AccountTrouble) -> None:
        """A request failed as if this were wrong. Examined soon, unless it just was: requests may say so all day."""
        if self._clock.monotonic() - self._examined.get(trouble, float("-inf")) >= AGAIN:
            self._suspected.add(trouble)
            self._wake.set()

    async def watch(self) -> None:
        """Look whenever it is time, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._wake.wait()
            await asyncio.sleep(max(0.0, self._looked_at + GAP - self._clock.monotonic()))
            self._wake.clear()
            await self.look()

    def _patience(self) -> float:
        if self._scheduler.shut_for in _TROUBLES:
            return AGAIN
        if self._scheduler.awaits_reset:
            return MIDNIGHT_EVERY
        now = self._clock.now()
        return min(EVERY, day_start(day_of(now) + 1) + _AFTER_MIDNIGHT - now)

    async def look(self) -> None:
        """Ask once. Never raises for what OpenRouter answers."""
        self._looked_at = self._clock.monotonic()
        key = await self._key()
        if key is not None:
            if self._learn_rpd and key.free_limit is not None:
                self._scheduler.limit(key.free_limit)
            if key.free_used is not None:
                self._scheduler.reported(used=key.free_used)
            self._tell_drift()
        for trouble in _TROUBLES:
            if trouble in self._suspected or trouble == self._scheduler.shut_for:
                await self._examine(trouble)

    async def _key(self) -> KeyInfo | None:
        try:
            key = await self._client.key()
        except UpstreamFailure as failure:
            if self.trouble != failure.kind.value:
                log.warning(
                    "OpenRouter says nothing of the account", extra={"action": "key", "kind": failure.kind.value}
                )
            self.trouble = failure.kind.value
            if failure.kind is FailureKind.BAD_KEY:
                self._refusals += 1
            return None
        self.trouble, self._refusals = None, 0
        self.identity = key.account or self.identity
        return key

    def _tell_drift(self) -> None:
        drift = self._scheduler.drift
        if drift > self._drift_told:
            log.warning("other programs use the account, too", extra={"action": "drift", "units": drift})
        self._drift_told = drift

    # --- is it the account? ------------------------------------------------------------------------------

    async def _examine(self, trouble: AccountTrouble) -> None:
        """Hear the second witness, and shut or open the pool by its word. No word changes nothing."""
        self._examined[trouble] = self._clock.monotonic()
        confirmed = await self._confirmed(trouble)
        if trouble == "bad_key" and 0 < self._refusals < _REFUSALS:
            self._wake.set()  # asked once more, in a moment
            return
        self._suspected.discard(trouble)
        shut_for = self._scheduler.shut_for
        if confirmed and shut_for is None:
            self._scheduler.shut(trouble)
            log.error(operators.shut(trouble), extra={"action": "shut", "reason": trouble})
        elif confirmed is False and shut_for == trouble:
            self._scheduler.reopen()
            log.info("the account answers again", extra={"action": "reopen", "reason": trouble})

    async def _confirmed(self, trouble: AccountTrouble) -> bool | None:
        """Whether the account says so itself; None: it says nothing."""
        match trouble:
            case "bad_key":
                if self.trouble is None:
                    return False
                return True if self._refusals >= _REFUSALS else None
            case "out_of_credit":
                balance = await self._balance()
                return None if balance is None else balance < 0
            case "no_free_models":
                routable = await self._models.look()
                return None if routable is None else not routable
            case _:
                assert_never(trouble)

    async def _balance(self) -> Decimal | None:
        try:
            return await self._client.balance()
        except UpstreamFailure:  # most keys may not ask
            return None
