"""What is tried again and what is not: a Discord that is down is waited for, what it refused is never asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
import discord

T = TypeVar("T")

SOON = (1.0, 2.0, 4.0)
"""Seconds after each failed try, on top of what discord.py does by itself: for what somebody waits for right now."""
AS_LONG_AS_IT_TAKES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, *(60.0,) * 60)
"""For an answer: over an hour. What is not shown by then is shown after the next start."""
FAULTS = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)


class Lost(Exception):  # what Discord refuses is no error of the program
    """It cannot be written there."""

    def __init__(self, why: str, *, forbidden: bool = False, refused: bool = False, for_good: bool = True) -> None:
        super().__init__(why)
        self.refused = refused
        """Discord does not take what was to be written: its rules, or the server's."""
        self.forbidden = forbidden
        """Potluck may not."""
        self.for_good = for_good
        """The message or channel is gone, or closed to us. False: Discord has been out of reach for too long."""


async def attempt(call: Callable[[], Awaitable[T]], waits: Sequence[float] = AS_LONG_AS_IT_TAKES) -> T:
    """What the call gives. It must be one that may be carried out twice.

    Raises:
        Lost: it was refused, or has failed as often as that.
    """
    for seconds in (*waits, None):
        try:
            return await call()
        except (discord.Forbidden, discord.NotFound) as error:
            forbidden = isinstance(error, discord.Forbidden)
            raise Lost(f"{error.status} {error.code}", forbidden=forbidden) from None
        except FAULTS as error:
            if isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429:
                raise Lost(f"{error.status} {error.code}", refused=True) from None
            if seconds is None:
                raise Lost(type(error).__name__, for_good=False) from None
        await asyncio.sleep(seconds)
    raise AssertionError("the last try returns or raises")
