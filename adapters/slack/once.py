"""Nothing twice: one mention comes as two events, each may come again, and a restart lies between them at times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.slack.memory import Memory
from bot.telemetry.logs import logger

log = logger(__name__)

_HERE_MOST = 10_000


class Once:
    """Claims. A key is claimed in this process before anything is awaited, and in the database for good."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._here: dict[str, None] = {}

    def known(self, key: str) -> bool:
        """Claimed by this process before. Says nothing of earlier ones."""
        return key in self._here

    async def claim(self, keys: Sequence[str]) -> bool:
        """True for whoever comes first with any of these keys."""
        if any(key in self._here for key in keys):
            self._keep(keys)
            return False
        self._keep(keys)
        try:
            return await self._memory.first(keys)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A database that is full must not make everybody's questions vanish: the core asks it again anyway.
            log.error("what was seen could not be kept", extra={"action": "slack", "error": type(error).__name__})
            return True

    def _keep(self, keys: Sequence[str]) -> None:
        self._here.update(dict.fromkeys(keys))
        while len(self._here) > _HERE_MOST:
            del self._here[next(iter(self._here))]
