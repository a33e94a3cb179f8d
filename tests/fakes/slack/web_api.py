"""The door of the Web API: tokens, rate limits, faults a test asks for, and the log of every call."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from tests.fakes.slack.limits import Limits
from tests.fakes.slack.world import Json, Team, World


class ApiError(Exception):
    """Slack's `{"ok": false, "error": …}`."""


@dataclass(kw_only=True)
class Call:
    """One call as it came in."""

    method: str
    team: Team
    args: Json
    at: float
    error: str = ""
    """What it was answered with; empty: ok."""


Method: TypeAlias = Callable[[Call], Awaitable[Json] | Json]


@dataclass(kw_only=True)
class Fault:
    """What a call of a method is answered with instead, once."""

    error: str = ""
    status: int = 200
    retry_after: int | None = None
    after: bool = False
    """True: it is done all the same, and only the answer is lost."""
    drop: bool = False
    """The connection is closed without an answer."""
    seconds: float = 0.0
    """The answer takes so long."""


@dataclass
class WebApi:
    """See the module."""

    world: World
    limits: Limits
    calls: list[Call] = field(default_factory=list)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    """What the next calls of a method run into."""
    away: bool = False
    """True: no call gets an answer, nor is any carried out."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _methods: dict[str, Method] = field(default_factory=dict)

    def offer(self, methods: Mapping[str, Method]) -> None:
        self._methods.update(methods)

    def of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        args = await _arguments(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or args.pop("token", "")
        team = self.world.by_token(token)
        if method == "apps.connections.open" and token == self.world.app_token:
            team = next(iter(self.world.teams.values()))
        if method == "oauth.v2.access":
            team = Team(id="")
        call = Call(method=method, team=team or Team(id=""), args=args, at=self.world.clock.now())
        self.calls.append(call)
        wait = self.limits.admit(method, call.team.id, str(args.get("channel", "")))
        fault = self.faults[method].popleft() if self.faults[method] else None
        fault = Fault(drop=True) if self.away else fault
        if wait is not None:
            fault = Fault(error="ratelimited", status=429, retry_after=wait)
        if fault is not None and fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault is not None and not fault.after and (fault.error or fault.drop):
            return self._faulty(request, call, fault)
        answer = await self._answer(call, team)
        self.changed.set()
        if fault is not None and fault.after:
            return self._faulty(request, call, fault)
        return web.json_response(answer, headers={"x-oauth-scopes": ",".join(call.team.scopes)})

    async def _answer(self, call: Call, team: Team | None) -> Json:
        try:
            if team is None:
                raise ApiError("invalid_auth" if call.method != "auth.test" else "not_authed")
            if team.revoked:
                raise ApiError("token_revoked")
            if call.method not in self._methods:
                raise ApiError("unknown_method")
            answer = self._methods[call.method](call)
            return {"ok": True} | (await answer if isinstance(answer, Awaitable) else answer)
        except ApiError as error:
            call.error = str(error)
            return {"ok": False, "error": call.error}

    def _faulty(self, request: web.Request, call: Call, fault: Fault) -> web.Response:
        call.error = fault.error or "dropped"
        self.changed.set()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return web.json_response({"ok": False, "error": fault.error}, status=fault.status, headers=headers)


async def _arguments(request: web.Request) -> Json:
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        args |= await request.json()
    else:
        args |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    for name in ("blocks", "chunks", "view", "metadata", "prompts"):
        if isinstance(args.get(name), str):
            args[name] = json.loads(args[name])
    return args


def need(call: Call, *names: str) -> list[Any]:
    """The named arguments.

    Raises:
        ApiError: one is missing.
    """
    if any(call.args.get(name) in (None, "") for name in names):
        raise ApiError("invalid_arguments")
    return [call.args[name] for name in names]
