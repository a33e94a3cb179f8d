"""Time that does not pass but jumps: an event loop for simulations, in which a day takes as long as its work.

When nothing is left to do, the loop goes straight to the next timer. It has no sockets and no other threads: what
would go to a thread runs at once, so that the same run takes the same course every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from bot.clock import Instant

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class NothingToDoError(Exception):
    """Every task waits for something that no timer will bring about: a fault of the program."""


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module. Its own time is the time of day, and so it is a `bot.clock.Clock`, too."""

    def __init__(self, start: Instant) -> None:
        super().__init__()
        self._time = float(start)
        self._selector = self  # what the base class waits with
        self._scheduled: list[asyncio.TimerHandle]  # its timers, the next one first
        # Timers within it are due. The machine's own is finer than today's seconds since 1970 can be told apart.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._time

    def now(self) -> Instant:
        return Instant(self._time)

    def monotonic(self) -> float:
        return self._time

    def select(self, timeout: float | None) -> tuple[()]:
        """What the base class calls to wait."""
        if timeout is None:
            raise NothingToDoError
        if timeout > 0:
            # Not `+= timeout`: rounded, that could fall short of the moment, and a new day not have come.
            self._time = self._scheduled[0].when()
        return ()

    async def until(self, moment: Instant) -> None:
        """Wait for a moment, exactly; not at all if it has come."""
        if moment > self._time:
            reached = self.create_future()
            self.call_at(moment, reached.set_result, None)
            await reached

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _process_events(self, events: Any) -> None:
        """There are none: nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody else is there to wake the loop, and it never sleeps."""
