"""The pool as the page sees it: one look, or a stream of looks while it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from aiohttp import web

from adapters.rendering import words
from adapters.web import inbound, wire
from adapters.web.relay import COMMENT, HEARTBEAT, EventStream
from bot.clock import Clock
from bot.ports import Conversations, PoolView

LOOK_SECONDS = 0.5
"""How often a viewer's stream looks for a change: at most two snapshots a second."""


class PoolFeed:
    """The handlers of `/api/pool` and `/api/pool/events`."""

    def __init__(self, *, conversations: Conversations, clock: Clock, changes: Callable[[], int]) -> None:
        """`changes` counts what admins have changed: that moves shares which the pool's own figures do not show."""
        self._conversations, self._clock, self._changes = conversations, clock, changes
        self._ended = False

    def routes(self) -> Iterable[web.RouteDef]:
        return web.get("/api/pool", self.pool), web.get("/api/pool/events", self.events)

    def end_all(self) -> None:
        """Let every stream end at its next look."""
        self._ended = True

    async def pool(self, request: web.Request) -> web.Response:
        pool = await self._conversations.pool(inbound.community(request.query))
        return web.json_response(self._snapshot(request, pool))

    async def events(self, request: web.Request) -> web.StreamResponse:
        stream, seen, quiet_since = EventStream(request), None, self._clock.monotonic()
        community = inbound.community(request.query)
        try:
            await stream.open()
            while not self._ended:
                now, pool = self._clock.monotonic(), await self._conversations.pool(community)
                if (pool, self._changes()) != seen:
                    seen, quiet_since = (pool, self._changes()), now
                    await stream.write(wire.server_sent("pool", self._snapshot(request, pool)))
                elif now - quiet_since >= HEARTBEAT:
                    quiet_since = now
                    await stream.write(COMMENT)
                await asyncio.sleep(LOOK_SECONDS)
        except ConnectionError:
            pass  # the viewer went away
        return stream.response

    def _snapshot(self, request: web.Request, pool: PoolView) -> dict[str, object]:
        now, zone, tongue = self._clock.now(), inbound.zone(request), inbound.spoken(request)
        again = partial(words.at, now=now, zone=zone, tongue=tongue)
        return {"now": wire.iso(now), "changes": self._changes(), **wire.pool(pool, again=again, tongue=tongue)}
