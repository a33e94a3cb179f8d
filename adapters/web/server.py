"""The web adapter: a page, the HTTP contract behind it, and the probes, served by aiohttp in the process's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from aiohttp import web

from adapters.rendering import words
from adapters.web import inbound, pages
from adapters.web.chat import Chat
from adapters.web.commands import CommandPages
from adapters.web.inbound import BODY_MAX
from adapters.web.models import ModelPages
from adapters.web.own_key import OwnKeyPages
from adapters.web.pool import PoolFeed
from adapters.web.security import COOKIE, SESSION_SECONDS, Guard, add_headers, is_loopback
from bot.clock import Clock
from bot.commands.registry import Registry
from bot.conversation.attachments import MOST_BYTES, MOST_FILES, MOST_TOGETHER
from bot.ports import Conversations, KeyLinks, ModelChoices, Readiness

HERE = Path(__file__).parent
CLOSE_SECONDS = 2.0
"""How long open answers get to tell their clients that the server stops."""


class WebAdapter:
    """Potluck in a browser. Satisfies `bot.ports.Adapter`.

    `sandbox_members` are the names the page seats side by side while the sandbox stands in for OpenRouter, so
    that sharing can be seen. Without `own_keys` nobody can link an account of their own, without `models` choose one,
    without `registry` use a command.
    """

    name = "web"

    def __init__(
        self,
        *,
        conversations: Conversations,
        clock: Clock,
        host: str,
        port: int,
        token: str | None,
        health: Callable[[], Awaitable[Readiness]],
        metrics: Callable[[], tuple[bytes, str]],
        sandbox_members: Sequence[str] = ("Ann", "Ben", "Cy"),
        retain_messages_days: int = 30,
        retain_counts_days: int = 60,
        retain_audit_days: int = 365,
        own_keys: KeyLinks | None = None,
        models: ModelChoices | None = None,
        signed: Iterable[web.RouteDef] = (),
        registry: Registry | None = None,
    ) -> None:
        if token is None and not is_loopback(host):
            raise ValueError("without a token the page may listen on this machine only")
        self._conversations, self._health, self._metrics = conversations, health, metrics
        self._host, self._port = host, port
        self._seats = tuple(sandbox_members)
        self._days = {"messages": retain_messages_days, "counts": retain_counts_days, "audit": retain_audit_days}
        self._signed = tuple(signed)
        self._guard = Guard(token=token, clock=clock, signed=[route.path for route in self._signed])
        self._chat = Chat(conversations=conversations, clock=clock)
        self._own_key = None if own_keys is None else OwnKeyPages(own_keys)
        # Who may open a page that has no token holds the machine, and with it the database: there is nothing to keep.
        self._commands = (
            None if registry is None else CommandPages(registry=registry, clock=clock, all_manage=token is None)
        )
        self._models = None if models is None else ModelPages(models)
        changes = (lambda: 0) if registry is None else (lambda: registry.desk.office.newest)
        self._pool = PoolFeed(conversations=conversations, clock=clock, changes=changes)
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Bind, and return the address to open.

        Raises:
            OSError: the port is taken (EADDRINUSE) or may not be used.
        """
        app = web.Application(client_max_size=BODY_MAX, middlewares=[self._guard.middleware])
        app.on_response_prepare.append(add_headers)
        own_key = () if self._own_key is None else self._own_key.routes()
        models = () if self._models is None else self._models.routes()
        commands = () if self._commands is None else self._commands.routes()
        pages = (self._chat.routes(), self._pool.routes(), own_key, models, commands, self._signed)
        app.add_routes([*self._routes(), *(route for routes in pages for route in routes)])
        # A client that goes away cancels its handler: that is what stops its answer.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{runner.addresses[0][1]}"

    async def run(self) -> None:
        """Serve until cancelled, then end live answers and close within a few seconds."""
        if self._runner is None:
            await self.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._close()

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        self._pool.end_all()
        self._chat.relays.end_all()
        await runner.cleanup()

    def _routes(self) -> Iterable[web.AbstractRouteDef]:
        return (
            web.get("/", self._index),
            web.get("/privacy", self._privacy),
            web.get("/login", self._login),
            web.post("/login", self._log_in),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics_page),
            web.static("/static", HERE / "static"),
        )

    async def _index(self, request: web.Request) -> web.Response:
        sandbox = (await self._conversations.pool()).sandbox
        return self._page(
            request,
            "index.html",
            texts=pages.scripted(inbound.spoken(request).language),
            sandbox=sandbox,
            members=self._seats if sandbox else (),
            own_keys=self._own_key is not None,
            models=self._models is not None,
            files={"files": MOST_FILES, "bytes": MOST_BYTES, "together": MOST_TOGETHER},
        )

    async def _privacy(self, request: web.Request) -> web.Response:
        sandbox, tongue = (await self._conversations.pool()).sandbox, inbound.spoken(request)
        days = {of: tongue.say(words.DAYS.counting(many)) if many else "" for of, many in self._days.items()}
        return self._page(request, "privacy.html", sandbox=sandbox, days=days)

    async def _login(self, request: web.Request) -> web.Response:
        if not self._guard.needs_token:
            raise web.HTTPSeeOther("/")
        return self._page(request, "login.html", wrong=False)

    async def _log_in(self, request: web.Request) -> web.Response:
        if not self._guard.needs_token:
            raise web.HTTPSeeOther("/")
        session = self._guard.log_in(str((await request.post()).get("token", "")))
        if session is None:
            return self._page(request, "login.html", status=401, wrong=True)
        response = web.Response(status=303, headers={"Location": "/"})
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(
            COOKIE, session, max_age=int(SESSION_SECONDS), httponly=True, samesite="Strict", secure=secure
        )
        return response

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def _readyz(self, request: web.Request) -> web.Response:
        state = await self._health()
        return web.json_response({"ready": state.ready, "parts": dict(state.parts)}, status=200 if state.ready else 503)

    async def _metrics_page(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})

    def _page(self, request: web.Request, name: str, *, status: int = 200, **values: object) -> web.Response:
        tongue = inbound.spoken(request)
        headers = {"Content-Language": tongue.tag, "Vary": "Accept-Language"}
        text = pages.page(name, tongue, **values)
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)
