"""HTTP mode: Slack's signed requests, on the server of the web page.

A request is read no further than it may be long, and nothing of it is looked at before its signature holds: made with
this app's secret, over these very bytes, within the last five minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import Clock as SignatureClock
from slack_sdk.signature import SignatureVerifier

from bot.clock import Clock

PATH = "/slack/events"
BODY_MAX = 512 * 1024
"""Bytes of a request. Slack's largest, a view that is sent in with all its state, is well below."""


class _Times(SignatureClock):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()


class Http:
    """See the module. A `Transport` with nothing to keep alive."""

    def __init__(self, app: AsyncApp, *, signing_secret: str, clock: Clock) -> None:
        self._app, self._closed = app, False
        self._verifier = SignatureVerifier(signing_secret, _Times(clock))

    def routes(self) -> Iterable[web.RouteDef]:
        return (web.post(PATH, self.handle),)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        if not self._signed(request, body):
            raise web.HTTPUnauthorized(text="The signature is not Slack's.")
        if self._closed:
            raise web.HTTPServiceUnavailable(text="Potluck is about to stop.")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise web.HTTPBadRequest(text="The body is not text.") from None
        headers = {name: [value] for name, value in request.headers.items()}
        asked = AsyncBoltRequest(body=text, query=request.query_string, headers=headers)  # type: ignore[arg-type]  # typed as dicts, and only read
        return await to_aiohttp_response(await self._app.async_dispatch(asked))

    def _signed(self, request: web.Request, body: bytes) -> bool:
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
            return False
        try:
            return self._verifier.is_valid(body, stamp, request.headers.get("X-Slack-Signature", ""))
        except (TypeError, ValueError):  # a signature of other letters than ASCII's
            return False

    async def open(self) -> None: ...

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        self._closed = True  # Slack sends again what it gets no answer to


async def _body(request: web.Request) -> bytes:
    """All of it.

    Raises:
        web.HTTPRequestEntityTooLarge: it is longer than it may be, whatever it says of itself.
    """
    length = request.content_length or 0
    body = bytearray()
    if length <= BODY_MAX:
        async for chunk in request.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > BODY_MAX:
                break
    if max(length, len(body)) > BODY_MAX:
        raise web.HTTPRequestEntityTooLarge(max_size=BODY_MAX, actual_size=max(length, len(body)))
    return bytes(body)
