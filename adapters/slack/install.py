"""Installing Potluck into workspaces: the way to Slack's page where somebody says yes, and back with a token.

slack_sdk has a store for this over SQLAlchemy. It keeps tokens as they are and opens an engine of its own: a second
writer to the same SQLite file, beside the one that counts. So tokens go into Potluck's own database, sealed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from html import escape
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.rendering.languages import preferred
from adapters.rendering.saying import tongue
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.limits import Now, Window
from adapters.slack.memory import Installations
from bot.commands.saying import Say, say
from bot.telemetry.logs import logger

log = logger(__name__)

INSTALL, REDIRECT = "/slack/install", "/slack/oauth_redirect"
BEGIN_AGAIN = say("Begin again at {address}.", address=INSTALL)
_COOKIE = "potluck_slack_install"
_SECONDS = 600.0
_OPEN_MOST = 1000


class Install:
    """See the module. `installed` is told the id of each workspace or organisation that did."""

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        client_id: str,
        client_secret: str,
        scopes: Iterable[str],
        installations: Installations,
        installed: Callable[[str], object],
        now: Now,
        entropy: Callable[[], str] = lambda: secrets.token_urlsafe(24),
    ) -> None:
        self._client, self._client_id, self._client_secret = client, client_id, client_secret
        self._scopes, self._installations, self._installed = tuple(scopes), installations, installed
        self._now, self._entropy = now, entropy
        self._limit = Window(20, now)
        self._open: dict[str, float] = {}
        """States that were given out, and until when each is taken."""

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.get(INSTALL, self.begin), web.get(REDIRECT, self.end))

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """On to Slack's page."""
        now = self._now()
        self._open = {state: until for state, until in self._open.items() if until > now}
        while len(self._open) >= _OPEN_MOST:
            del self._open[next(iter(self._open))]
        state = self._entropy()
        self._open[state] = now + _SECONDS
        query = urlencode({"client_id": self._client_id, "scope": ",".join(self._scopes), "state": state})
        response = web.Response(status=302, headers={"Location": f"{self._page()}?{query}"})
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(_COOKIE, state, max_age=int(_SECONDS), httponly=True, samesite="Lax", secure=secure)
        return response

    async def end(self, request: web.Request) -> web.StreamResponse:
        """Back from it, with a code or without."""
        state = request.query.get("state", "")
        # Good once, for ten minutes, and only in the browser that began: nobody can be led to finish another's.
        until = self._open.pop(state, 0.0)
        begun_here = secrets.compare_digest(request.cookies.get(_COOKIE, "").encode(), state.encode())
        if until <= self._now() or not begun_here:
            return _said(request, 400, say("This link is no longer good."), BEGIN_AGAIN)
        code = request.query.get("code", "")
        if not code:
            after_all = say("Begin again at {address} if you want it after all.", address=INSTALL)
            return _said(request, 200, say("Potluck was not installed."), after_all)
        try:
            told = await call(self._access, self._limit, code=code)
        except (Refused, Unsure) as problem:
            log.warning("an installation failed", extra={"action": "slack", "error": str(problem)})
            return _said(request, 400, say("Slack did not confirm the installation."), BEGIN_AGAIN)
        team, enterprise = told.get("team") or {}, told.get("enterprise") or {}
        tenant = str(enterprise.get("id") if told.get("is_enterprise_install") else team.get("id"))
        await self._installations.put(tenant, SecretStr(str(told["access_token"])))
        self._installed(tenant)
        log.info("a workspace installed Potluck", extra={"action": "slack", "tenant": tenant})
        how = say("Mention it in a channel, or write to it directly.")
        return _said(request, 200, say("Potluck is installed."), how)

    async def _access(self, *, code: str) -> AsyncSlackResponse:
        # The SDK's own method sends the secret by a way that aiohttp is about to give up.
        app = {"client_id": self._client_id, "client_secret": self._client_secret}
        return await self._client.api_call("oauth.v2.access", data={**app, "code": code})

    def _page(self) -> str:
        parts = urlsplit(self._client.base_url)
        return f"{parts.scheme}://{parts.netloc}/oauth/v2/authorize"


def _said(request: web.Request, status: int, title: Say, more: Say) -> web.Response:
    spoken = tongue(preferred(request.headers.get("Accept-Language", "")))
    heading, text = escape(spoken.say(title)), escape(spoken.say(more))
    page = f"<!doctype html><html lang={spoken.tag}><title>Potluck</title><h1>{heading}</h1><p>{text}</p></html>"
    return web.Response(status=status, text=page, content_type="text/html")
