"""The host that files are downloaded from: it wants the app's token, and shows a login page without it."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.slack.world import Json, World

LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to Slack</body></html>"


@dataclass(kw_only=True)
class Stored:
    body: bytes
    type: str
    redirect: str = ""
    """Where a download is sent on to instead."""
    claims: int | None = None
    """The size its event claims, where that is not the truth."""


@dataclass
class Files:
    """See the module."""

    world: World
    base: str = ""
    stored: dict[str, Stored] = field(default_factory=dict)
    tokens_seen: list[str] = field(default_factory=list)

    def put(self, name: str, stored: Stored) -> Json:
        """Store a file; what an event says of it."""
        id = f"F{self.world.number()}"
        self.stored[id] = stored
        url = f"{self.base}/files-pri/T1-{id}/download/{name}"
        return {
            "id": id,
            "name": name,
            "mimetype": stored.type,
            "size": len(stored.body) if stored.claims is None else stored.claims,
            "url_private": url,
            "url_private_download": url,
            "mode": "hosted",
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.tokens_seen.append(token)
        stored = self.stored.get(request.match_info["id"].partition("-")[2])
        if self.world.by_token(token) is None or stored is None:
            return web.Response(text=LOGIN, content_type="text/html")
        if stored.redirect:
            raise web.HTTPFound(stored.redirect)
        return web.Response(body=stored.body, content_type=stored.type)
