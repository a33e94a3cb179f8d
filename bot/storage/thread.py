"""The thread that owns a connection: what it is given it does in order, whoever still waits for it.

`ThreadPoolExecutor` would do; each piece of work costs the loop several callbacks more with it, and there is one for
every message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class OwningThread:
    """See the module. It begins with the first work; `end` after use. A program that fails before ends all the same."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Run a function there. It is run even if the caller goes away meanwhile."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work.put((done, work))
        if self._thread.ident is None:
            self._thread.start()
        return await done

    def end(self) -> None:
        """Nothing more will come."""
        self._work.put(None)

    def _run(self) -> None:
        while (given := self._work.get()) is not None:
            done, work = given
            value: Any = None
            failure: BaseException | None = None
            try:
                value = work()
            except BaseException as error:
                failure = error
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                done.get_loop().call_soon_threadsafe(_tell, done, value, failure)
            del given, done, work, value, failure  # nothing is kept for as long as nothing comes


def _tell(done: asyncio.Future[Any], value: Any, failure: BaseException | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(value)
    else:
        done.set_exception(failure)
