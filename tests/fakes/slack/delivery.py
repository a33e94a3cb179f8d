"""Events, commands and presses on their way to the app: by Socket Mode envelopes, or by signed HTTP requests."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web
from slack_sdk.signature import SignatureVerifier

from tests.fakes.slack.world import Json, World

ACK_SECONDS = 3.0
RETRY_AFTER = (0.0, 60.0, 300.0)
"""Seconds after which what was not acknowledged is sent again."""


@dataclass(frozen=True, kw_only=True)
class Ack:
    """What the app said to a delivery, in time."""

    payload: Json | None = None


class Delivery:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sockets: list[web.WebSocketResponse] = []
        self._acks: dict[str, asyncio.Future[Ack]] = {}
        self._retrying: set[asyncio.Task[None]] = set()
        self.connected = asyncio.Event()
        self.connections = 0
        """Sockets ever opened."""
        self.unacked = 0
        """Deliveries the app did not take in time."""
        self.mute = False
        """True: a socket that looks alive and over which nothing comes, pongs neither."""
        self.endpoint: str = ""
        """Where the app takes HTTP requests; empty: Socket Mode."""
        self.signing_secret = "signing-secret"

    # --- Socket Mode -------------------------------------------------------------------------------------

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._sockets.append(socket)
        self.connections += 1
        self.connected.set()
        await socket.send_json(
            {"type": "hello", "num_connections": 1, "connection_info": {"app_id": self._world.app_id}}
        )
        try:
            async for message in socket:
                if message.type == WSMsgType.PING and not self.mute:
                    await socket.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    said = json.loads(message.data)
                    waiting = self._acks.pop(said.get("envelope_id", ""), None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(Ack(payload=said.get("payload")))
        finally:
            self._sockets.remove(socket)
            if not self._sockets:
                self.connected.clear()
        return socket

    async def refresh(self) -> None:
        """Slack asks the app to come over a new socket, and closes the old one once it has."""
        old, opened = list(self._sockets), self.connections
        for socket in old:
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})
        async with asyncio.timeout(30):
            while self.connections == opened:
                await asyncio.sleep(0.01)
        for socket in old:
            await socket.close()

    async def drop(self) -> None:
        """The network takes every socket away."""
        for socket in list(self._sockets):
            await socket.close(code=1006)

    # --- deliveries --------------------------------------------------------------------------------------

    async def deliver(self, kind: str, payload: Json, *, attempt: int = 0, again: bool = True) -> Ack | None:
        """Send one; what the app said, None if it did not take it in time.

        `attempt` above 0 says that it is sent again. What is not taken is sent again later, unless `again` is off.
        """
        ack = await (self._post(kind, payload, attempt) if self.endpoint else self._envelope(kind, payload, attempt))
        if ack is None:
            self.unacked += 1
            if again and kind == "events_api" and attempt < len(RETRY_AFTER):
                task = asyncio.create_task(self._retry(kind, payload, attempt + 1))
                self._retrying.add(task)
                task.add_done_callback(self._retrying.discard)
        return ack

    async def _retry(self, kind: str, payload: Json, attempt: int) -> None:
        await asyncio.sleep(RETRY_AFTER[attempt - 1])
        await self.deliver(kind, payload, attempt=attempt)

    async def _envelope(self, kind: str, payload: Json, attempt: int) -> Ack | None:
        if not self._sockets or self.mute:
            return None
        id = f"envelope-{self._world.number()}"
        envelope: Json = {
            "envelope_id": id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        self._acks[id] = asyncio.get_running_loop().create_future()
        waiting = self._acks[id]
        # Each payload goes to one of the sockets, whichever.
        await self._sockets[-1].send_json(envelope)
        with suppress(TimeoutError):
            async with asyncio.timeout(ACK_SECONDS):
                return await waiting
        return None

    async def _post(self, kind: str, payload: Json, attempt: int) -> Ack | None:
        headers = {} if not attempt else {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": "http_timeout"}
        with suppress(TimeoutError):
            async with asyncio.timeout(ACK_SECONDS):
                status, body = await self.post(self.body(kind, payload), headers=headers)
            if 200 <= status < 300:
                return Ack(payload=json.loads(body) if body.startswith("{") else ({"text": body} if body else None))
        return None

    def body(self, kind: str, payload: Json) -> tuple[str, str]:
        """An HTTP request's content type and body."""
        if kind == "events_api":
            return "application/json", json.dumps(payload)
        fields = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        return "application/x-www-form-urlencoded", urlencode(fields)

    def signature(self, body: str, at: float) -> dict[str, str]:
        stamp = str(int(at))
        signed = SignatureVerifier(self.signing_secret).generate_signature(timestamp=stamp, body=body)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signed)}

    async def post(
        self, typed: tuple[str, str], *, headers: dict[str, str] | None = None, signed: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """One HTTP request to the app, signed now unless other signature headers are given: its status and body."""
        content_type, body = typed
        signature = self.signature(body, self._world.clock.now()) if signed is None else signed
        all_headers = {"Content-Type": content_type, **signature, **(headers or {})}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.endpoint, data=body.encode(), headers=all_headers) as answer,
        ):
            return answer.status, await answer.text()

    async def close(self) -> None:
        for task in list(self._retrying):
            task.cancel()
        for socket in list(self._sockets):
            await socket.close()
