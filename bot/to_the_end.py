"""Work that is not left half done: what changes hands, or must be written down, whoever goes away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[None, None, T]) -> T:
    """The result, also if the caller is cancelled meanwhile: then its next wait ends as cancelled."""
    working, cancelled = asyncio.ensure_future(work), False
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled and (me := asyncio.current_task()) is not None:
        me.cancel()
    return working.result()
