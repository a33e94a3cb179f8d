"""Who may use the web adapter, and what a browser may do with its answers.

Without a token the service is open to this machine, and only to it: binding to loopback keeps other machines
out but not other websites, so the Host must be loopback (a rebound DNS name is not) and an Origin, where there
is one, must be our own. With a token every request shows it, as a bearer or by the cookie it was exchanged for.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from adapters.web import inbound
from adapters.web.refusal import Refusal, from_http
from bot.clock import DAY, Clock
from bot.commands.saying import say

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
COOKIE = "potluck_session"
SESSION_SECONDS = 30 * DAY
SESSIONS_MAX = 1000
ATTEMPTS, ATTEMPTS_SECONDS = 5, 60.0
"""Wrong tokens the login form takes within how many seconds, from everyone together."""
OPEN = frozenset({"/healthz", "/readyz", "/login", "/privacy"})
"""What needs no token: probes, the way in, and what is kept about people. Static files are open too."""

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = logging.getLogger(__name__)


class Guard:
    """Decides about each request before its handler sees it."""

    def __init__(self, *, token: str | None, clock: Clock, signed: Collection[str] = ()) -> None:
        """`signed` are paths whose handlers check for themselves who asks."""
        self._signed = frozenset(signed)
        self._token = token.encode() if token else None
        self._clock = clock
        self._sessions: dict[str, float] = {}
        self._failures: deque[float] = deque(maxlen=ATTEMPTS)

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def admit(self, request: web.Request) -> None:
        """Return if the request may go on.

        Raises:
            Refusal: wrong Host (421), wrong Origin (403), wrong or missing token (401).
            web.HTTPSeeOther: a page asked for without a session; leads to the login form.
        """
        if request.path in self._signed:
            return
        if self._token is None:
            _check_host(request)
            _check_origin(request)
            return
        if request.path in OPEN or is_static(request):
            _check_origin(request)
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme:
            if scheme.lower() == "bearer" and self._is_token(given.strip()):
                return  # no browser sends it by itself, so the Origin says nothing
            raise Refusal(401, "wrong_token", say("The token is not the right one."))
        _check_origin(request)
        if self._sessions.get(request.cookies.get(COOKIE, ""), 0.0) > self._clock.monotonic():
            return
        if request.method == "GET" and request.path == "/":
            raise web.HTTPSeeOther("/login")
        raise Refusal(401, "token_needed", say("Log in, or send the header Authorization: Bearer and the token."))

    def log_in(self, token: str) -> str | None:
        """Exchange the token for a session id; None if it is the wrong one.

        Raises:
            Refusal: too many wrong ones lately (429).
        """
        now = self._clock.monotonic()
        if len(self._failures) == ATTEMPTS and now - self._failures[0] < ATTEMPTS_SECONDS:
            raise Refusal(429, "too_many_attempts", say("Too many attempts: wait a minute."))
        if not self._is_token(token):
            self._failures.append(now)
            return None
        self._sessions = {session: until for session, until in self._sessions.items() if until > now}
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(32)
        self._sessions[session] = now + SESSION_SECONDS
        return session

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return secrets.compare_digest(given.encode(errors="replace"), self._token)

    @web.middleware
    async def middleware(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Admits, and turns whatever goes wrong into the JSON of the contract."""
        try:
            self.admit(request)
            return await handler(request)
        except Refusal as refusal:
            return refusal.response(inbound.spoken(request))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return from_http(error).response(inbound.spoken(request))
        except Exception as error:
            # Its text may hold what a person wrote: only the type is logged, the rest at DEBUG.
            _log.error("a request failed inside", extra={"action": "web", "error": type(error).__name__})
            _log.debug("the failure", exc_info=error)
            return Refusal(500, "internal", say("Something went wrong inside Potluck.")).response(
                inbound.spoken(request)
            )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: on every answer, whoever made it."""
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-cache" if is_static(request) else "no-store"


def is_static(request: web.Request) -> bool:
    return request.path.startswith("/static/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address without port means this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_host(request: web.Request) -> None:
    host = request.headers.get("Host", "")
    if "@" in host or not is_loopback(_split(f"//{host}")[1]):
        raise Refusal(421, "wrong_host", say("Open this page as http://localhost or http://127.0.0.1 with its port."))


def _check_origin(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and _split(origin)[0] != request.headers.get("Host", "").lower():
        raise Refusal(403, "wrong_origin", say("Another website may not use Potluck in your name."))


def _split(url: str) -> tuple[str, str]:
    """The `host:port` and the host of an address; empty where it is none."""
    try:
        parts = urlsplit(url)
        return parts.netloc.lower(), parts.hostname or ""
    except ValueError:
        return "", ""
