"""The service in a thread of its own, so that the terminal may block: on a key, on a full pipe, on Ctrl-S.

The main thread belongs to the person: Python delivers Ctrl-C there, and line editing works there alone. Whatever a
reader keeps waiting is a queue here, and never the reading of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class Background(Generic[T]):
    """What an async context manager gave, alive on a loop in another thread."""

    def __init__(self, value: T, loop: asyncio.AbstractEventLoop) -> None:
        self.value, self._loop = value, loop

    def call(self, work: Coroutine[None, None, S]) -> S:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def soon(self, act: Callable[[], object]) -> None:
        """Have something done there, without waiting. May be called from a signal handler."""
        self._loop.call_soon_threadsafe(act)

    def each(self, items: AsyncGenerator[S]) -> Generator[S]:
        """What an async generator yields there, here. It is read as fast as it goes, and closed when this is."""
        read: SimpleQueue[S | _End] = SimpleQueue()
        reading = asyncio.run_coroutine_threadsafe(_read(items, read), self._loop)
        try:
            while not isinstance(item := read.get(), _End):
                yield item
            reading.result()
        finally:
            reading.cancel()


class _End:
    """Stands after the last item."""


async def _read(items: AsyncGenerator[S], into: SimpleQueue[S | _End]) -> None:
    try:
        async with aclosing(items):
            async for item in items:
                into.put(item)
    finally:
        into.put(_End())


@contextmanager
def background(opening: AbstractAsyncContextManager[T]) -> Iterator[Background[T]]:
    """Open it in a thread of its own; close it there, and wait for that, on the way out.

    Raises:
        Exception: whatever opening or closing it raises.
    """
    opened: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    closed: Future[None] = Future()

    async def live() -> None:
        leave = asyncio.Event()
        async with opening as value:
            opened.set_result((value, asyncio.get_running_loop(), leave))
            await leave.wait()

    def thread() -> None:
        try:
            asyncio.run(live())
            closed.set_result(None)
        except BaseException as error:
            (closed if opened.done() else opened).set_exception(error)

    # A daemon: whoever interrupts even the closing gets away. What was open then counts as cut off by a crash.
    Thread(target=thread, name="potluck", daemon=True).start()
    value, loop, leave = opened.result()
    try:
        yield Background(value, loop)
    finally:
        loop.call_soon_threadsafe(leave.set)
        closed.result()
