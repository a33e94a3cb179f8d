"""What OpenRouter says of the account, kept in mind: the day's cap, and units that were used elsewhere.

Its count lags behind ours and its answer may be missing or broken: it only ever lowers what is left, and an answer
that cannot be read changes nothing.
"""

from __future__ import annotations

import asyncio

from bot.errors import UpstreamFailure
from bot.openrouter.client import OpenRouter
from bot.quota.scheduler import Scheduler
from bot.telemetry.logs import logger

log = logger(__name__)

_EVERY = 300.0
"""Seconds between looks. The count is up to a minute old anyway."""


class Account:
    """Watches the account behind a pool."""

    def __init__(self, *, client: OpenRouter, scheduler: Scheduler, learn_rpd: bool) -> None:
        self._client, self._scheduler, self._learn_rpd = client, scheduler, learn_rpd
        self.trouble: str | None = None
        """Why the last look failed; None: it did not. One word of the closed set of failures."""

    async def look(self) -> None:
        """Ask once. Never raises for what OpenRouter answers."""
        try:
            key = await self._client.key()
        except UpstreamFailure as failure:
            if self.trouble != failure.kind.value:
                log.warning(
                    "OpenRouter says nothing of the account", extra={"action": "key", "kind": failure.kind.value}
                )
            self.trouble = failure.kind.value
            return
        self.trouble = None
        if self._learn_rpd and key.free_limit is not None:
            self._scheduler.limit(key.free_limit)
        if key.free_used is not None:
            self._scheduler.reported(key.free_used)

    async def watch(self) -> None:
        """Look every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.look()
