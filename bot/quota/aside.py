"""Requests that no pool pays for: each member's one after the other, and so many at once in all.

Money bounds what they cost, not how many there are at a time; without this one member could have hundreds under way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bot.errors import Refused
from bot.messages import Member

_MEMBER_LIMIT = 10
"""Questions of one member that wait or are answered."""


class Aside:
    """See the module."""

    def __init__(self, *, most: int, max_wait: float) -> None:
        self._free, self._max_wait = asyncio.Semaphore(most), max_wait
        self._wanted: Counter[Member] = Counter()
        self._turns: dict[Member, asyncio.Lock] = {}

    @asynccontextmanager
    async def slot(self, member: Member) -> AsyncIterator[None]:
        """Wait for the member's turn and a free place, and hold both.

        Raises:
            Refused: `line_full`, `wait_too_long`.
        """
        if self._wanted[member] >= _MEMBER_LIMIT:
            raise Refused("line_full", limit=_MEMBER_LIMIT)
        self._wanted[member] += 1
        try:
            async with AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(self._max_wait):
                        await held.enter_async_context(self._turns.setdefault(member, asyncio.Lock()))
                        await held.enter_async_context(self._free)
                except TimeoutError:
                    raise Refused("wait_too_long", limit=round(self._max_wait)) from None
                yield
        finally:
            self._wanted[member] -= 1
            if not self._wanted[member]:
                del self._wanted[member], self._turns[member]
