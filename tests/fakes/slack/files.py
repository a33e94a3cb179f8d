"""Files: the host they are downloaded from, which shows a login page without the app's token; and what is uploaded."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Hosted, Json, World

LOGIN = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to Slack</body></html>"


@dataclass(kw_only=True)
class Stored:
    body: bytes
    type: str
    redirect: str = ""
    """Where a download is sent on to instead."""
    seconds: float = 0.0
    """How long the host takes to begin."""
    claims: int | None = None
    """The size its event claims, where that is not the truth."""


@dataclass
class Files:
    """See the module."""

    world: World
    base: str = ""
    told: dict[str, Json] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    tokens_seen: list[str] = field(default_factory=list)
    uploaded: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Channel, name and content of what the app handed over."""
    looking_over: float = 1.2
    """Seconds from the end of an upload until Slack knows what the file is."""

    def methods(self) -> dict[str, Method]:
        return {
            "files.getUploadURLExternal": self.upload_url,
            "files.completeUploadExternal": self.complete,
            "files.info": self.info,
        }

    def upload_url(self, call: Call) -> Json:
        name, length = need(call, "filename", "length")
        if int(length) <= 0:
            raise ApiError("invalid_arguments")
        id = f"F{self.world.number():08d}"
        self.world.hosted[id] = Hosted(name=name, alt=call.args.get("alt_txt", ""))
        return {"upload_url": f"{self.base}/upload/{id}", "file_id": id}

    async def take(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers, "the token goes to the Web API alone"
        self.world.hosted[request.match_info["id"]].content = await request.read()
        return web.Response(text="OK")

    def complete(self, call: Call) -> Json:
        (files,) = need(call, "files")
        told: list[Json] = json.loads(files) if isinstance(files, str) else files
        for one in told:
            hosted = self.world.hosted.get(one["id"])
            if hosted is None or not hosted.content:
                raise ApiError("file_not_found")
            hosted.ready_at = self.world.clock.monotonic() + self.looking_over
            if channel := call.args.get("channel_id"):
                hosted.shared_in.add(channel)
                self.uploaded.append((channel, hosted.name, hosted.content))
        return {"files": [{"id": one["id"], "mimetype": ""} for one in told]}

    def info(self, call: Call) -> Json:
        (id,) = need(call, "file")
        if id in self.world.hosted:
            self.world.ready(id)
            return {"file": {"id": id, "mimetype": self.world.hosted[id].type}}
        if id not in self.told:
            raise ApiError("file_not_found")
        return {"file": self.told[id]}

    def put(self, name: str, stored: Stored) -> Json:
        """Store a file; what an event says of it."""
        id = f"F{self.world.number()}"
        self.stored[id] = stored
        url = f"{self.base}/files-pri/T1-{id}/download/{name}"
        self.told[id] = {
            "id": id,
            "name": name,
            "mimetype": stored.type,
            "size": len(stored.body) if stored.claims is None else stored.claims,
            "url_private": url,
            "url_private_download": url,
            "mode": "hosted",
        }
        return self.told[id]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.tokens_seen.append(token)
        stored = self.stored.get(request.match_info["id"].partition("-")[2])
        if self.world.by_token(token) is None or stored is None:
            return web.Response(text=LOGIN, content_type="text/html")
        await asyncio.sleep(stored.seconds)
        if stored.redirect:
            raise web.HTTPFound(stored.redirect)
        return web.Response(body=stored.body, content_type=stored.type)
