"""Chores: what goes on beside the questions for as long as the service runs, each in a task of its own.

A chore that fails, because the database is away or by a fault of ours, is begun again, after a pause that grows while
it goes on failing. Each failure is said in the log and counted; `failing` tells which are out of order just now. So a
chore itself needs no word about what may go wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bot.errors import StorageError
from bot.telemetry.logs import logger

log = logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a chore that failed is begun again: the first time, and at most."""
_IN_ORDER = 5.0
"""Seconds after a new beginning without a failure by which a chore is in order."""


@dataclass(slots=True)
class _Chore:
    task: asyncio.Task[None]
    trouble: str | None = None
    """What it failed with last; None: it is in order."""
    begun_again_at: float | None = None
    """By the loop's time. None: it has not been yet."""


class Chores:
    """See the module. `close` when done.

    Args:
        failed: told the name of a chore each time it fails.
    """

    def __init__(self, failed: Callable[[str], None] = lambda name: None) -> None:
        self._failed = failed
        self._chores: dict[str, _Chore] = {}

    def begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do this until `close`: something that goes on for ever, begun again whenever it does not."""
        assert name not in self._chores
        self._chores[name] = _Chore(asyncio.create_task(self._go_on(name, work), name=f"chore {name}"))

    def every(self, seconds: float, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do this now and then again, so many seconds after it was done."""

        async def steps() -> None:
            while True:
                await step()
                await asyncio.sleep(seconds)

        self.begin(name, steps)

    def once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do this, and again if it fails, until it is done."""

        async def done() -> None:
            await work()
            await asyncio.get_running_loop().create_future()

        self.begin(name, done)

    @property
    def failing(self) -> Mapping[str, str]:
        """Those that are out of order, and why."""
        now = asyncio.get_running_loop().time()
        return {
            name: chore.trouble
            for name, chore in self._chores.items()
            if chore.trouble is not None and (chore.begun_again_at is None or now - chore.begun_again_at < _IN_ORDER)
        }

    async def close(self) -> None:
        """Stop all of them."""
        chores, self._chores = self._chores, {}
        for chore in chores.values():
            chore.task.cancel()
        for chore in chores.values():
            with suppress(asyncio.CancelledError):
                await chore.task

    async def _go_on(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                await work()
                trouble, level = "it ended", logging.ERROR
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                trouble, level = "something it waited for was cancelled", logging.ERROR
            except StorageError as error:
                trouble, level = str(error), logging.WARNING
            except Exception as error:  # whatever it is, it is tried again: nobody else does it
                trouble, level = repr(error), logging.ERROR
                log.debug("the failure", exc_info=error)
            chore = self._chores.get(name)
            if chore is None:
                log.log(
                    level,
                    "a chore failed when it was stopped",
                    extra={"action": "chore", "chore": name, "why": trouble},
                )
                return
            self._failed(name)
            if name not in self.failing or chore.trouble != trouble:  # once, however long it stays so
                log.log(
                    level,
                    "a chore failed, and is begun again",
                    extra={"action": "chore", "chore": name, "why": trouble},
                )
            chore.trouble, chore.begun_again_at = trouble, None
            if loop.time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            chore.begun_again_at = loop.time()
