"""The web page: whether it could listen where it is told to, and who could open it."""

from __future__ import annotations

import errno
import os
import socket

import aiohttp

from bot.doctor.finding import Finding, failure, ok, warning
from bot.settings import Settings

TOKEN_LENGTH = 16
"""Characters below which a token is taken for one that can be guessed."""
_PROBE_SECONDS = 2.0


async def port(settings: Settings, *, in_use: bool) -> Finding:
    """Whether the port is free, or taken by the Potluck that is running (`in_use`)."""
    host, number = settings.web_host, settings.web_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, number), family=family):
            return ok("web page", f"{host}:{number} is free" if number else "any free port will do")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            fix = "Set WEB_HOST and WEB_PORT to an address of this machine."
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            return failure("web page", f"it cannot listen on {host}:{number}: {reason}", fix)
    potluck = await _is_potluck(host, number)
    if potluck and in_use:
        return ok("web page", f"a Potluck is running on port {number}")
    found = f"port {number} is taken by {'another Potluck' if potluck else 'another program'}"
    return failure("web page", found, "Stop what uses it, or set WEB_PORT to another (0: any free one).")


async def _is_potluck(host: str, number: int) -> bool:
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what listens on all is asked on one
    url = f"http://{f'[{near}]' if ':' in near else near}:{number}/healthz"
    timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url, allow_redirects=False) as answer:
            return answer.status == 200 and (await answer.content.read(100)).startswith(b'{"live": true')
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def access(settings: Settings) -> Finding:
    """Who could open it."""
    token = settings.web_token
    if token is None:
        return ok("web access", "this machine only", "Set WEB_TOKEN and WEB_HOST for others.")
    if len(token.get_secret_value()) < TOKEN_LENGTH:
        found = f"WEB_TOKEN is shorter than {TOKEN_LENGTH} characters and could be guessed"
        return warning("web access", found, "Choose a longer one, such as by openssl rand -hex 16.")
    return ok("web access", f"whoever has WEB_TOKEN, on {settings.web_host}")
