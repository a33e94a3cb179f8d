"""The backlog: what has to be written down, and could not be for now.

A settlement, a release, an event: each says what has happened already, so there is no taking it back and nobody to
refuse it. While the database takes nothing it is kept here in its order and tried again until it is written. Whoever
hands it over waits for the first try and then goes on: an answer that was shown is not held up by a disk that is full.
What is here when the process ends is lost: the leases among it are found open at the next start, and count as spent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from bot.errors import DatabaseAway
from bot.telemetry.logs import logger

log = logger(__name__)

Writing = Callable[[], Awaitable[object]]
"""Writes something down, whole or not at all; to be called again where it raised `DatabaseAway`."""

_PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between tries; the last one from then on."""
_LAST_TRY = 2.0
"""Seconds that the end of the process waits for what is left."""


class Backlog:
    """See the module. `close` when nothing more is handed over."""

    def __init__(self) -> None:
        self._left: deque[Writing] = deque()
        self._working: asyncio.Task[None] | None = None
        self._trying: asyncio.Future[object] | None = None
        """The first of it, under way. It goes on when whoever waits for it is cancelled: begun anew it would be written
        twice."""

    def __len__(self) -> int:
        """How much waits to be written."""
        return len(self._left)

    async def write(self, writing: Writing) -> None:
        """Write it down, now if that can be, else as soon as it can. Behind what waits already.

        Raises:
            Exception: whatever `writing` does but `DatabaseAway`: to try it again would not help.
        """
        if not self._left:
            try:
                await writing()
                return
            except DatabaseAway as error:
                log.warning(
                    "something is written down later: the database takes nothing now",
                    extra={"action": "backlog", "why": str(error)},
                )
        self._left.append(writing)
        if self._working is None:
            self._working = asyncio.create_task(self._work_off(), name="backlog")

    async def close(self) -> None:
        """Try once more what is left, and say so of what cannot be written."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        try:
            async with asyncio.timeout(_LAST_TRY):
                while self._left:
                    await self._first()
        except (DatabaseAway, TimeoutError):
            log.error(
                "the database has not taken everything: requests among it count as spent at the next start",
                extra={"action": "backlog", "left": len(self._left)},
            )
            if self._trying is not None:
                self._trying.cancel()

    async def _work_off(self) -> None:
        tries = 0
        while self._left:
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
            try:
                while self._left:
                    await self._first()
                    tries = 0
            except DatabaseAway:
                continue
        self._working = None
        log.info("everything is written down now", extra={"action": "backlog"})

    async def _first(self) -> None:
        """Write the first of it, which stays where it is while it cannot be."""
        if self._trying is None:
            self._trying = asyncio.ensure_future(self._left[0]())
        try:
            await asyncio.shield(self._trying)
        except DatabaseAway:
            self._trying = None
            raise
        except Exception as error:  # it was written the first time, and nobody heard of it; or it never can be
            log.warning("something was not written down", extra={"action": "backlog", "error": repr(error)})
        self._trying = None
        self._left.popleft()
