"""All of it behind one port of loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from bot.clock import Clock
from tests.fakes.slack.blocks import fault_in
from tests.fakes.slack.delivery import Delivery
from tests.fakes.slack.files import Files
from tests.fakes.slack.limits import Limits
from tests.fakes.slack.messages import Messages
from tests.fakes.slack.oauth import OAuth
from tests.fakes.slack.people import People
from tests.fakes.slack.person import Person
from tests.fakes.slack.sessions import Sessions
from tests.fakes.slack.streams import Streams
from tests.fakes.slack.views import Views
from tests.fakes.slack.web_api import WebApi
from tests.fakes.slack.world import Json, Message, User, World

_LOOK_AGAIN = 10.0


class FakeSlack:
    """A Slack with one workspace, T1, and a channel there, C1. `start` before use, `close` after."""

    def __init__(self, clock: Clock, *, enterprise: str = "") -> None:
        self.world = World(clock)
        self.limits = Limits(clock)
        self.api = WebApi(self.world, self.limits)
        self.messages, self.sessions, self.views = Messages(self.world), Sessions(), Views(self.world)
        self.streams = Streams(self.world, self.messages, self.sessions)
        self.files, self.oauth = Files(self.world), OAuth(self.world)
        self.delivery = Delivery(self.world)
        self._people = People(self.world, lambda: f"{self.base.replace('http', 'ws')}/link/{self.world.number()}")
        for part in (self._people, self.messages, self.streams, self.sessions, self.views, self.oauth, self.files):
            self.api.offer(part.methods())
        self.base = ""
        self.responses: list[Json] = []
        """What was posted to response URLs."""
        self._runner: web.AppRunner | None = None
        self.world.team("T1", enterprise=enterprise)
        self.world.channel("C1", "T1")

    @property
    def api_url(self) -> str:
        return f"{self.base}/api/"

    async def start(self) -> None:
        app = web.Application(client_max_size=4_000_000)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self.api.handle),
                web.get("/link/{id}", self.delivery.socket),
                web.get("/files-pri/{id}/download/{name}", self.files.handle),
                web.post("/respond/{id}", self._respond),
                web.post("/upload/{id}", self.files.take),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = self.files.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self.delivery.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        said = await request.json()
        fault = fault_in(said.get("blocks", []), self.world, sharing=said.get("response_type") == "in_channel")
        if fault:
            return web.json_response({"ok": False, "error": fault}, status=404)
        self.responses.append(said)
        self.api.changed.set()
        return web.Response(text="ok")

    # --- who is there, and what can be seen --------------------------------------------------------------

    def person(self, id: str, *, team: str = "T1", at: str = "", **more: Any) -> Person:
        """Somebody of a workspace, who is in its channels. `at` is the workspace they write in, if it is another."""
        home = self.world.teams.get(team)
        enterprise = more.pop("enterprise", home.enterprise if home else "")
        user = self.world.users.get(id) or User(
            id=id, team=team, enterprise=enterprise, **{"name": id.lower().removeprefix("u"), **more}
        )
        self.world.users[id] = user
        here = self.world.teams[at or team]
        for channel in self.world.channels.values():
            if channel.kind != "im" and channel.team == here.id:
                channel.members.add(id)
        return Person(user, here, world=self.world, delivery=self.delivery, views=self.views, base=lambda: self.base)

    def thread(self, channel: str, root: str) -> list[Message]:
        """What the app has in a thread for everyone to see."""
        return [one for one in self.world.thread(channel, root) if one.only_for is None]

    def answer(self, channel: str, root: str) -> str:
        """All text of the app in a thread, as one."""
        return "".join(one.shown for one in self.thread(channel, root))

    def whispers(self, user: str) -> list[Message]:
        """What only this person was shown."""
        return [one for one in self.world.messages.values() if one.only_for == user]

    async def until(self, condition: Callable[[], Any], *, seconds: float = 600.0) -> None:
        """Wait for something to be so; looked at again whenever the app did something."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.api.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):  # a stream also dies by its age
                        await self.api.changed.wait()

    async def settled(self, channel: str, root: str, *, seconds: float = 900.0) -> list[Message]:
        """Wait until the app has said something in a thread and nothing of it grows any more."""

        def done() -> bool:
            told = self.thread(channel, root)
            status = self.sessions.status(channel, root)
            return bool(told) and not any(map(self.streams.alive, told)) and status in (None, "active")

        await self.until(done, seconds=seconds)
        return self.thread(channel, root)
