"""The page on which a person lets a program use their account: `GET /auth`, as OpenRouter has it beside its API.

The sandbox's people always approve. `account` in the query, which OpenRouter does not know, says who they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from bot.clock import Instant
from bot.openrouter.sandbox.keys import METHODS, Keys
from bot.openrouter.sandbox.settings import Beliefs
from bot.openrouter.sandbox.wire import Frame, Reply

PATH = "/auth"
HTML = "text/html"
_HERE = ("localhost", "127.0.0.1")
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>OpenRouter sandbox</title></head>
<body><h1>{title}</h1>{text}</body></html>
"""


def page(query: Mapping[str, str], *, keys: Keys, at: Instant, beliefs: Beliefs) -> Reply:
    """Send the browser back with a code; without a callback, show the code to be pasted."""
    challenge, method = query.get("code_challenge", ""), query.get("code_challenge_method", "S256")
    callback = query.get("callback_url")
    if not challenge:
        return _shown(400, "Not approved", "code_challenge is missing.")
    if method not in METHODS:
        return _shown(400, "Not approved", "code_challenge_method is S256 or plain.")
    if callback is not None and not _may_call(callback):
        return _shown(400, "Not approved", "callback_url is https, or http on this machine.")
    account = query.get("account", "")
    code = keys.authorize(challenge, at=at, account=account, method=method)
    if callback is None:
        whose = f"the account {account!r}" if account else "the default account"
        text = f"It may use {whose}. Paste this code within ten minutes:"
        return _shown(200, "Approved", text, code=code)
    given = {"code": code}
    if "state" in query and beliefs.state_echoed:
        given["state"] = query["state"]
    return Reply(status=302, frames=(), content_type=HTML, headers={"Location": _with(callback, given)})


def _may_call(callback: str) -> bool:
    try:
        parts = urlsplit(callback)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _HERE))


def _with(callback: str, given: Mapping[str, str]) -> str:
    """The callback with more in its query; what stands there stays."""
    parts = urlsplit(callback)
    query = "&".join(part for part in (parts.query, urlencode(given)) if part)
    return urlunsplit(parts._replace(query=query))


def _shown(status: int, title: str, text: str, *, code: str = "") -> Reply:
    written = f"<p>{escape(text)}</p>" + (f'<p><code id="code">{escape(code)}</code></p>' if code else "")
    data = _PAGE.format(title=escape(title), text=written).encode()
    return Reply(status=status, frames=[Frame(data=data)], content_type=HTML, headers={"Cache-Control": "no-store"})
