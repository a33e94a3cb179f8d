"""Pictures and files of answers, kept for a few minutes so that a page may load them: a page may show nothing inline.

An address is a random one, told to whoever got the answer and to nobody else.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from adapters.web.refusal import Refusal
from bot.clock import Clock
from bot.commands.saying import say

KEPT_SECONDS = 600.0
KEPT_BYTES = 32_000_000
"""Over all of them: the oldest give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handout:
    name: str
    media_type: str
    content: bytes
    until: float


class Handouts:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Handout] = OrderedDict()

    def keep(self, *, name: str, media_type: str, content: bytes) -> str:
        """The address it stands at from now on."""
        key = secrets.token_urlsafe(18)
        until = self._clock.monotonic() + KEPT_SECONDS
        self._kept[key] = _Handout(name=name, media_type=media_type, content=content, until=until)
        while sum(len(one.content) for one in self._kept.values()) > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return f"/api/handouts/{key}"

    async def get(self, request: web.Request) -> web.Response:
        """Handler of `/api/handouts/{key}`."""
        found = self._kept.get(request.match_info["key"])
        if found is None or found.until <= self._clock.monotonic():
            raise Refusal(404, "gone", say("This is kept for ten minutes only. Ask for it again."))
        headers = {"Content-Type": found.media_type}
        if not found.media_type.startswith("image/"):
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.name)}"
        return web.Response(body=found.content, headers=headers)
