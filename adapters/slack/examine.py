"""What `potluck doctor` says of Slack: the tokens, what they may, and how Slack reaches Potluck. Changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import aiohttp

from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.http import PATH
from adapters.slack.limits import Now, Window
from adapters.slack.manifest import SCOPES
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import ClientFor, clients
from bot.doctor.finding import Finding, failure, ok, shown, warning

_COPY = "Copy it again from the app's page at api.slack.com/apps."
_REINSTALL = "Paste the output of `potluck slack manifest` as the app's manifest, and install the app again."


async def findings(settings: SlackSettings, now: Now) -> AsyncGenerator[Finding]:
    """Look at everything."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        client_for = clients(settings.api_url, session)
        if settings.bot_token:
            async for finding in _bot_token(client_for, settings.bot_token, now):
                yield finding
        else:
            yield ok("SLACK_CLIENT_ID", "many workspaces may install Potluck")
        if settings.app_token:
            yield await _app_token(client_for, settings.app_token, now)
        else:
            yield ok("Slack", f"comes over HTTP, signed, to {PATH} on the page's server")


async def _bot_token(client_for: ClientFor, token: str, now: Now) -> AsyncGenerator[Finding]:
    name = "SLACK_BOT_TOKEN"
    try:
        told = await call(client_for(token).auth_test, Window(20, now), safe=True, tries=2)
    except Refused as refused:
        yield failure(name, f"Slack does not accept it ({shown(refused.error)})", _COPY)
        return
    except Unsure as unsure:
        yield failure(name, f"Slack cannot be reached ({shown(str(unsure))})", "Check the network, and SLACK_API_URL.")
        return
    yield ok(name, f"the workspace {shown(str(told.get('team', '')))}, as {shown(str(told.get('user', '')))}")
    granted = {one.strip() for one in str(told.headers.get("x-oauth-scopes", "")).split(",") if one.strip()}
    if granted and (missing := sorted(set(SCOPES) - granted)):
        yield warning("Slack scopes", f"the token lacks {', '.join(missing)}", _REINSTALL)
    elif granted:
        yield ok("Slack scopes", "all that Potluck uses")


async def _app_token(client_for: ClientFor, token: str, now: Now) -> Finding:
    name = "SLACK_APP_TOKEN"
    try:
        # It opens nothing yet: an address that nobody comes to is forgotten.
        await call(client_for("").apps_connections_open, Window(20, now), safe=True, tries=2, app_token=token)
    except Refused as refused:
        return failure(name, f"Slack does not accept it ({shown(refused.error)})", _COPY)
    except Unsure as unsure:
        return failure(name, f"Slack cannot be reached ({shown(str(unsure))})", "Check the network, and SLACK_API_URL.")
    return ok(name, "Socket Mode is open to it")
