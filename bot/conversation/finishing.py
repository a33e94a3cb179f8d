"""Work that runs to its end whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """The result, also if the caller is cancelled meanwhile: then its next wait ends as cancelled.

    For what changes hands. A lease that is given while nobody takes it would stay open for good.
    """
    working, cancelled = asyncio.ensure_future(work), False
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and (me := asyncio.current_task()) is not None:
        me.cancel()
    return working.result()
