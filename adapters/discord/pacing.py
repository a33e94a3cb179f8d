"""How often Potluck writes: one budget a channel, shared by all answers that are live there, and one over all.

Discord lets about five messages and five edits through in five seconds, for each channel. Whoever uses the last of a
bucket up is kept waiting inside discord.py until it is full again, so the pace stays under it, and what is written is
chosen only when it is one's turn: the newest text, never a queue of old ones.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from bot.clock import Clock

EVERY = 1.2
"""Seconds between two writes in one channel."""
ALL = 40
"""Writes a second over all channels. Discord lets fifty requests through, and commands need some."""
_IDLE_LANES = 256


@dataclass
class _Lane:
    free_at: float = 0.0
    waiting: list[tuple[int, int]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Pacing:
    """See the module."""

    def __init__(self, clock: Clock, *, every: float = EVERY) -> None:
        self._clock, self._every = clock, every
        self._free_at = 0.0
        self._lanes: dict[Hashable, _Lane] = {}
        self._numbers = count()

    async def turn(self, channel: Hashable, *, urgent: bool = False) -> None:
        """Wait until something may be written there. Endings are `urgent` and go first; else first come, first."""
        lane = self._lanes.setdefault(channel, _Lane())
        me = (0 if urgent else 1, next(self._numbers))
        heapq.heappush(lane.waiting, me)
        try:
            while lane.waiting[0] != me or lane.free_at > self._clock.monotonic():
                rest = lane.free_at - self._clock.monotonic() if lane.waiting[0] == me else None
                with suppress(TimeoutError):
                    async with asyncio.timeout(rest):
                        await lane.changed.wait()
            now = self._clock.monotonic()
            mine = max(now, self._free_at)
            self._free_at, lane.free_at = mine + 1 / ALL, mine + self._every
            if mine > now:
                await asyncio.sleep(mine - now)
        finally:
            lane.waiting.remove(me)
            heapq.heapify(lane.waiting)
            lane.tell()
            if len(self._lanes) > _IDLE_LANES:
                self._forget_idle()

    def _forget_idle(self) -> None:
        now = self._clock.monotonic()
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.waiting or lane.free_at > now}
