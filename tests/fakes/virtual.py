"""An event loop that never waits: when nothing is left to do, time jumps to the next timer.

Sockets between two ends in the same process are real and still work, since the kernel hands loopback bytes
over at once. Work in other threads is not the loop's to see: tell the loop how to ask for it with
`busy`, and time stands still while any is under way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from bot.clock import Instant

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

START = Instant(1_790_000_000.0)
"""2026-09-21 14:13:20 UTC: where virtual time starts unless a test says otherwise."""


class Deadlock(Exception):
    """Nothing is ready, no timer is set and no thread is at work: the test would wait for ever."""


class _Selector(selectors.DefaultSelector):
    """A selector that answers at once and moves the loop's time instead of sleeping."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        while not ready and (self.loop.threads or any(busy() for busy in self.loop.busy)):
            ready = super().select(0.0005)
        ready = ready or super().select(0)  # what was done just before nobody was busy any more
        if ready:
            return ready
        if timeout is None:
            raise Deadlock("every task waits for something that will not happen")
        self.loop.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._virtual = 0.0
        self.busy: list[Callable[[], bool]] = []
        self.threads = 0
        """Calls under way in the loop's own executor."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self.threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """At once: the base class waits for a thread of its own, which this loop would take for a deadlock."""
        executor = getattr(self, "_default_executor", None)
        if executor is not None:
            executor.shutdown(wait=True)

    def advance(self, seconds: float) -> None:
        self._virtual += seconds


class VirtualClock:
    """A clock that reads a virtual loop. `skew` sets it apart from the loop, as a machine's clock can be."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, start: float = START) -> None:
        self._loop, self.start, self.skew = loop, start, 0.0

    def now(self) -> Instant:
        return Instant(self.start + self._loop.time() + self.skew)

    def monotonic(self) -> float:
        return self._loop.time()
