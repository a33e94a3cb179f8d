"""All of it behind one port: the API, the gateway, the CDN, and what can be broken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from bot.clock import Clock
from tests.fakes.discord.buckets import Buckets
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.interactions import Interactions
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import Refused
from tests.fakes.discord.rest import Rest
from tests.fakes.discord.world import World

TOKEN = "MTAwMA.fake.token"


@dataclass
class Fault:
    """What happens to the next requests of a kind instead of what should, or after it."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int = 500
    done_first: bool = False
    """The request is carried out, and only its answer is lost."""
    seconds: float = 0.0
    """How long the answer takes."""


class FakeDiscord:
    """A context manager; `url` is what `DISCORD_API_URL` is set to, `gateway_url` what `DISCORD_GATEWAY_URL` is."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.token = TOKEN
        self.world = World(clock)
        self.buckets = Buckets(clock)
        self.gateway = Gateway(self.world, clock, token=lambda: self.token)
        self.interactions = Interactions(self.world, clock)
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, int]] = []
        """Method, path and status of everything that was asked of the API."""
        self.fetched: list[str] = []
        """Files that were asked for."""
        self.url = self.gateway_url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._middle], client_max_size=64 << 20)
        api = web.Application()
        api.add_routes(
            [*Rest(self.world, self.gateway, self.buckets, self.clock).routes(), *self.interactions.routes()]
        )
        app.add_subapp("/api/v10", api)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/attachments/{rest:.*}", self._file)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.world.base = f"http://{host}:{port}"
        self.url = f"{self.world.base}/api/v10"
        self.gateway_url = self.gateway.url = f"ws://{host}:{port}/gateway"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.drop(forget=True, code=1001)
        assert self._runner is not None
        await self._runner.cleanup()

    def person(self, name: str, *, roles: Sequence[str] = (), locale: str = "en-US") -> Person:
        return Person(self, name, roles=roles, locale=locale)

    def break_next(
        self,
        method: str,
        path: str,
        *,
        times: int = 1,
        status: int = 500,
        done_first: bool = False,
        seconds: float = 0.0,
    ) -> None:
        """The next `times` requests whose path matches go wrong. Status 0: the connection is cut."""
        self.faults.append(Fault(method, re.compile(path), times, status, done_first, seconds))

    # --- every request -----------------------------------------------------------------------------------

    @web.middleware
    async def _middle(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not request.path.startswith("/api/v10/"):
            return await handler(request)
        path = request.path.removeprefix("/api/v10")
        response = await self._respond(request, path, handler)
        if response.content_type == "application/json":
            response.headers["Content-Type"] = "application/json"  # as Discord says it, without a charset
        self.requests.append((request.method, path, response.status))
        self.buckets.note(response.status)
        return response

    async def _respond(
        self, request: web.Request, path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        own = path.startswith(("/webhooks/", "/interactions/"))
        if not own and request.headers.get("Authorization") != f"Bot {self.token}":
            return web.json_response({"message": "401: Unauthorized", "code": 0}, status=401)
        fault = self._fault(request.method, path)
        if fault is not None and not fault.done_first:
            await asyncio.sleep(fault.seconds)
            return self._broken(request, fault)
        headers, early = self.buckets.take(request.method, path)
        if early is not None:
            return early
        try:
            response = await handler(request)
        except Refused as error:
            response = web.json_response({"message": error.message, "code": error.code}, status=error.status)
        response.headers.update(headers)
        if fault is not None:
            await asyncio.sleep(fault.seconds)
            return self._broken(request, fault) if fault.status else response
        return response

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _broken(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.status == 0 and request.transport is not None:
            request.transport.abort()
        return web.json_response({"message": "broken on purpose", "code": 0}, status=fault.status or 500)

    async def _file(self, request: web.Request) -> web.Response:
        self.fetched.append(request.path)
        data, content_type = self.world.files.get(request.path, (None, None))
        if data is None or not {"ex", "is", "hm"} <= request.query.keys():
            raise web.HTTPNotFound
        return web.Response(body=data, headers={"Content-Type": content_type or "application/octet-stream"})
