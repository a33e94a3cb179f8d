"""How many calls a workspace takes, so that none is refused: Slack counts each method by app and workspace.

Where Slack refuses one all the same (another program uses the token), it waits as long as it is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

Now = Callable[[], float]
"""Seconds by a clock that only goes forward."""

MINUTE = 61.0
"""Slack's minute, and a second for the way there."""


class Window:
    """At most `most` calls in any minute. Who waits goes in the order they came."""

    def __init__(self, most: int, now: Now) -> None:
        self._most, self._now = most, now
        self._calls: deque[float] = deque()
        self._paused_until = 0.0
        self._turn = asyncio.Lock()

    def take(self) -> bool:
        """Take a place if there is one now. False: there is none, or others wait for one."""
        if self._turn.locked() or self._wait() > 0:
            return False
        self._calls.append(self._now())
        return True

    async def acquire(self) -> None:
        """Wait for a place."""
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110 - for a moment, not for an event
                await asyncio.sleep(wait)
            self._calls.append(self._now())

    def pause(self, seconds: float) -> None:
        """Slack said so."""
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def _wait(self) -> float:
        now = self._now()
        while self._calls and self._calls[0] <= now - MINUTE:
            self._calls.popleft()
        full = self._calls[0] + MINUTE - now if len(self._calls) >= self._most else 0.0
        return max(full, self._paused_until - now)


class Bucket:
    """Some at once, then one by one: posts to one channel."""

    def __init__(self, burst: int, every: float, now: Now) -> None:
        self._burst, self._every, self._now = burst, every, now
        self._free_at = 0.0
        """When the bucket would be full again."""
        self._paused_until = 0.0
        self._turn = asyncio.Lock()

    @property
    def idle(self) -> bool:
        """It is full: forgetting it changes nothing."""
        return self._now() >= max(self._free_at, self._paused_until) and not self._turn.locked()

    async def acquire(self) -> None:
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110 - for a moment, not for an event
                await asyncio.sleep(wait)
            self._free_at = max(self._free_at, self._now()) + self._every

    def pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def _wait(self) -> float:
        now = self._now()
        return max(self._free_at - (self._burst - 1) * self._every - now, self._paused_until - now)


_CHANNELS_KEPT = 1000


class Allowance:
    """What one workspace takes, by method."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.starts, self.stops, self.appends = Window(20, now), Window(20, now), Window(100, now)
        self.updates, self.deletes, self.statuses = Window(50, now), Window(50, now), Window(50, now)
        self.replies, self.opens = Window(50, now), Window(50, now)
        self.whispers, self.people, self.views = Window(100, now), Window(100, now), Window(100, now)
        self.groups, self.rest = Window(20, now), Window(50, now)
        self._posts: dict[str, Bucket] = {}
        self.live = 0
        """Streams that grow now: they share the appends."""

    def posts(self, channel: str) -> Bucket:
        """Posts to a channel."""
        if len(self._posts) >= _CHANNELS_KEPT:
            self._posts = {one: bucket for one, bucket in self._posts.items() if not bucket.idle}
        return self._posts.setdefault(channel, Bucket(4, 1.05, self._now))

    @property
    def cadence(self) -> float:
        """Seconds between two appends to one stream, so that all live ones stay within their minute."""
        return max(1.0, self.live * 0.7)
