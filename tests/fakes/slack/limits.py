"""Slack's rate limits: calls of one method, by one app, in one workspace, in any rolling minute."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque

from bot.clock import Clock

TIER_2, TIER_3, TIER_4 = 20, 50, 100
TIERS: dict[str, int] = {
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.appendStream": TIER_4,
    "chat.postEphemeral": TIER_4,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "conversations.info": TIER_3,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "agents.sessions.setStatus": TIER_3,
    "agents.sessions.rename": TIER_3,
    "apps.connections.open": TIER_3,
    "users.info": TIER_4,
    "usergroups.list": TIER_2,
    "files.info": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.completeUploadExternal": TIER_4,
    "views.open": TIER_4,
    "views.update": TIER_4,
    "views.publish": TIER_4,
    "assistant.threads.setSuggestedPrompts": TIER_4,
}
POSTS_BURST = 6
"""Posts to one channel that may come at once; beyond them one a second."""
MINUTE = 60.0


class Limits:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._posts: dict[str, tuple[float, float]] = {}
        self.refused: Counter[str] = Counter()
        """Calls that got a 429, by method."""

    def admit(self, method: str, team: str, channel: str) -> int | None:
        """None: the call may go on. Else the seconds after which to come again."""
        now = self._clock.monotonic()
        wait = self._post(channel, now) if method == "chat.postMessage" else self._tier(method, team, now)
        if wait is not None:
            self.refused[method] += 1
        return wait

    def _tier(self, method: str, team: str, now: float) -> int | None:
        if method not in TIERS:
            return None
        calls = self._calls[method, team]
        while calls and calls[0] <= now - MINUTE:
            calls.popleft()
        if len(calls) >= TIERS[method]:
            return max(1, math.ceil(calls[0] + MINUTE - now))
        calls.append(now)
        return None

    def _post(self, channel: str, now: float) -> int | None:
        left, since = self._posts.get(channel, (float(POSTS_BURST), now))
        left = min(float(POSTS_BURST), left + now - since)
        if left < 1:
            self._posts[channel] = (left, now)
            return 1
        self._posts[channel] = (left - 1, now)
        return None
