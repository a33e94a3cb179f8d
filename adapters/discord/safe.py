"""What keeps Potluck out of trouble with Discord: nobody is pinged, nothing is tried in vain, nothing runs twice."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from types import SimpleNamespace

import aiohttp
import discord
import yarl

from bot.clock import Clock
from bot.telemetry.logs import logger

log = logger(__name__)

NOBODY = discord.AllowedMentions.none()
"""With every message and every edit: a name in a model's text must not ring anywhere."""
WHO_ASKED = discord.AllowedMentions(everyone=False, users=False, roles=False, replied_user=True)
"""For an answer that comes hours after its question: tells the one who asked, and nobody else."""


def naming(user: int) -> discord.AllowedMentions:
    """For the same, where there is no message of theirs to reply to: rings for that one person."""
    return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=[discord.Object(user)])


INVALID, INVALID_SECONDS = 10_000, 600.0
"""Requests answered 401, 403 or 429 (but for shared limits) after which Discord bans the machine for a while."""
_TIGHT = INVALID // 2


class InvalidRequests:
    """Counts what Discord holds against the address. `tight`: only what must be is written."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: deque[float] = deque()
        self._said = False

    async def ended(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        """Looks at an answer of Discord's."""
        response = params.response
        shared = response.headers.get("X-RateLimit-Scope") == "shared"
        if response.status in (401, 403) or (response.status == 429 and not shared):
            self._moments.append(self._clock.monotonic())
            if self.tight and not self._said:
                self._said = True
                log.error(
                    "Discord refuses many requests: only what must be is written now",
                    extra={"action": "invalid_requests", "count": len(self._moments)},
                )

    @property
    def count(self) -> int:
        """Within the last ten minutes."""
        since = self._clock.monotonic() - INVALID_SECONDS
        while self._moments and self._moments[0] <= since:
            self._moments.popleft()
        return len(self._moments)

    @property
    def tight(self) -> bool:
        tight = self.count >= _TIGHT
        self._said = self._said and tight
        return tight


class Callbacks:
    """Interactions whose acknowledgement may have arrived although Discord's answer to it was lost.

    discord.py then sends it again by itself, and is told that somebody has done so already.
    """

    def __init__(self) -> None:
        self._unsure: deque[str] = deque(maxlen=256)

    async def ended(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if params.response.status >= 500:
            self._note(params.url)

    async def failed(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        self._note(params.url)

    def _note(self, url: yarl.URL) -> None:
        if "interactions" in url.parts:
            self._unsure.append(url.parts[url.parts.index("interactions") + 1])

    def unsure(self, interaction: int) -> bool:
        return str(interaction) in self._unsure


def watching(invalid: InvalidRequests, callbacks: Callbacks) -> aiohttp.TraceConfig:
    """To give to discord.py: every answer of Discord's is looked at."""
    trace = aiohttp.TraceConfig()
    trace.on_request_end.extend([invalid.ended, callbacks.ended])
    trace.on_request_exception.append(callbacks.failed)
    return trace


class Nonces:
    """One name for each message that is to be written, the same after a restart: written twice, it is there once.

    They begin with a mark of this deployment's, so that a message of the bot's own without it tells of another program
    that uses the same token.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark[:4]

    def of(self, question: str, number: int) -> str:
        digest = hashlib.sha256(f"{question}/{number}".encode()).digest()
        return self._mark + base64.urlsafe_b64encode(digest)[:20].decode()

    def ours(self, nonce: str | int | None) -> bool:
        return isinstance(nonce, str) and nonce.startswith(self._mark)
