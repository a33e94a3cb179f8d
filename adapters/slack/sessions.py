"""The status line of a thread, and with it Slack's own Stop button: on while somebody's reply is under way there.

A workspace that knows no agent sessions gets the older line of text instead, and is asked again after a day.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from adapters.rendering.saying import Tongue
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.inbound import Spot
from adapters.slack.limits import Now
from adapters.slack.workspace import Workspace
from bot.commands.saying import say
from bot.telemetry.logs import logger

log = logger(__name__)

ASK_AGAIN_AFTER = 86_400.0
THINKING = say("is thinking…")
"""Slack writes the app's name before it."""
_NO_SESSIONS = frozenset(
    {
        "not_authorized",
        "unknown_method",
        "method_deprecated",
        "missing_scope",
        "not_allowed_token_type",
        "feature_not_enabled",
        "access_denied",
        "team_not_supported",
        "no_permission",
    }
)


class Session:
    """The part one reply has in its thread's session. `end` it whatever happens."""

    def __init__(self, sessions: Sessions, workspace: Workspace, spot: Spot, tongue: Tongue) -> None:
        self._sessions, self._workspace, self._spot = sessions, workspace, spot
        self._beginning = asyncio.create_task(sessions.show(workspace, spot, tongue))
        self._told = False

    def told(self) -> None:
        """The last message of the reply has carried `closing` to Slack."""
        self._told = True

    @property
    def closing(self) -> str:
        """What the session is once this reply is over."""
        return "active" if self._sessions.replies(self._spot) <= 1 else "processing"

    async def end(self) -> None:
        await asyncio.wait([self._beginning])
        await self._sessions.leave(self._workspace, self._spot, told=self._told)


class Sessions:
    """See the module."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._under_way: Counter[Spot] = Counter()
        self._legacy: set[Spot] = set()
        """Where the older line of text stands."""

    def begin(self, workspace: Workspace, spot: Spot, tongue: Tongue) -> Session:
        """`tongue` is of whoever asked."""
        self._under_way[spot] += 1
        return Session(self, workspace, spot, tongue)

    def replies(self, spot: Spot) -> int:
        """Replies under way in a thread."""
        return self._under_way[spot]

    async def reset(self, workspace: Workspace, spot: Spot) -> None:
        """What an earlier run left: Slack would show for an hour that something is under way there."""
        if not self._under_way[spot]:
            await workspace.allowance.statuses.acquire()
            await self._set(workspace, spot)

    async def show(self, workspace: Workspace, spot: Spot, tongue: Tongue) -> None:
        if self._under_way[spot] == 1 and workspace.allowance.statuses.take():
            await self._set(workspace, spot, line=tongue.say(THINKING))

    async def leave(self, workspace: Workspace, spot: Spot, *, told: bool) -> None:
        self._under_way[spot] -= 1
        if self._under_way[spot] > 0:
            return
        del self._under_way[spot]
        if told and spot not in self._legacy:
            return
        await workspace.allowance.statuses.acquire()
        await self._set(workspace, spot)

    async def _set(self, workspace: Workspace, spot: Spot, *, line: str = "") -> None:
        """`line` is what it says while something is under way; empty: nothing is."""
        client, statuses = workspace.client, workspace.allowance.statuses
        with suppress(Unsure):  # a status line is not worth more
            if workspace.sessions_again_at <= self._now():
                status = "processing" if line else "active"
                try:
                    await call(
                        client.agents_sessions_setStatus,
                        statuses,
                        taken=True,
                        tries=1,
                        channel_id=spot.channel,
                        thread_ts=spot.root,
                        status=status,
                    )
                    return
                except Refused as refused:
                    if refused.error not in _NO_SESSIONS:
                        log.warning("no status", extra={"action": "slack", "error": refused.error})
                        return
                    workspace.sessions_again_at = self._now() + ASK_AGAIN_AFTER
                    log.info("no agent sessions here", extra={"action": "slack", "team": workspace.team})
            with suppress(Refused):
                await call(
                    client.assistant_threads_setStatus,
                    statuses,
                    taken=True,
                    tries=1,
                    channel_id=spot.channel,
                    thread_ts=spot.root,
                    status=line,
                )
                (self._legacy.add if line else self._legacy.discard)(spot)
