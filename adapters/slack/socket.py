"""Socket Mode: Slack over a socket that Potluck opens. Needs no address that can be reached from outside.

The SDK opens a new socket when Slack asks for it or one breaks. What it does not notice, a socket that looks alive and
over which nothing comes, the watchdog does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Refused, call
from adapters.slack.limits import Now, Window
from adapters.slack.workspace import SDK_LOG
from bot.telemetry.logs import logger

log = logger(__name__)

LOOK_EVERY = 30.0
_PING_EVERY = 10
_RECONNECT_SECONDS = 30.0


class Transport(Protocol):
    """How Slack reaches Potluck."""

    async def open(self) -> None: ...

    async def run(self) -> None:
        """Until cancelled."""
        ...

    async def close(self) -> None: ...


class Socket:
    """See the module."""

    def __init__(self, app: AsyncApp, *, client: AsyncWebClient, app_token: str, now: Now) -> None:
        self._app, self._client, self._app_token, self._now = app, client, app_token, now
        self._handler: AsyncSocketModeHandler | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            Refused: the app token is not one that may.
            Unsure: Slack cannot be reached.
        """
        # Asked for here, so that a wrong token ends the start: the SDK would try for ever.
        answer = await call(
            self._client.apps_connections_open, Window(20, self._now), safe=True, app_token=self._app_token
        )
        self._handler = AsyncSocketModeHandler(
            self._app, self._app_token, logger=SDK_LOG, web_client=self._client, ping_interval=_PING_EVERY
        )
        self._handler.client.wss_uri = str(answer["url"])
        await self._handler.client.connect()  # type: ignore[no-untyped-call]

    async def run(self) -> None:
        assert self._handler is not None
        client, pong = self._handler.client, None
        while True:
            await asyncio.sleep(LOOK_EVERY)
            silent = client.last_ping_pong_time is not None and client.last_ping_pong_time == pong
            pong = client.last_ping_pong_time
            if not silent and await client.is_connected():
                continue
            log.warning("the socket is silent: opening another", extra={"action": "slack"})
            with suppress(TimeoutError):
                async with asyncio.timeout(_RECONNECT_SECONDS):
                    try:
                        await client.connect_to_new_endpoint(force=True)
                    except Exception as error:  # the SDK raises whatever happened; it is tried again
                        log.warning("no socket", extra={"action": "slack", "error": type(error).__name__})

    async def close(self) -> None:
        if self._handler is not None:
            await self._handler.client.close()  # type: ignore[no-untyped-call]


__all__ = ["Refused", "Socket", "Transport"]
