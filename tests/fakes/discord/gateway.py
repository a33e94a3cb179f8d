"""The gateway: one WebSocket a shard, whose session outlives it and is replayed on resume."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.clock import Clock
from tests.fakes.discord import intents
from tests.fakes.discord.places import Payload
from tests.fakes.discord.world import World

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 3, 6, 7, 9, 10, 11
SENDS, SENDS_SECONDS = 120, 60.0
ASK_EVERY = 30.0
"""Seconds after which a beat is asked for. discord.py beats by the machine's clock and gives a silent socket up after
60 s of the loop's, which in virtual time are over before the machine's clock has moved."""


@dataclass
class Session:
    id: str
    intents: int
    shard: int
    events: list[str] = field(default_factory=list)
    """Everything dispatched, the first with number 1."""
    socket: Connection | None = None


class Connection:
    """One WebSocket, compressed as a stream where that was asked for."""

    def __init__(self, socket: web.WebSocketResponse, *, compressed: bool) -> None:
        self.socket, self._stream = socket, zlib.compressobj() if compressed else None
        self.moments: list[float] = []
        self._outbox: asyncio.Queue[str] = asyncio.Queue()

    def send(self, op: int, data: Any = None, **more: Any) -> None:
        self.send_raw(json.dumps({"op": op, "d": data, **more}))

    def send_raw(self, text: str) -> None:
        self._outbox.put_nowait(text)

    async def write(self) -> None:
        while True:
            text = await self._outbox.get()
            with suppress(ConnectionError):
                if self._stream is None:
                    await self.socket.send_str(text)
                else:
                    data = self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(data)


class Gateway:
    """See the module."""

    def __init__(self, world: World, clock: Clock, *, token: Callable[[], str]) -> None:
        self._world, self._clock, self._token = world, clock, token
        self._numbers = count(1)
        self.sessions: dict[str, Session] = {}
        self.shards = 1
        self.heartbeat_interval = 41_250
        """Milliseconds of the machine's clock."""
        self.url = ""
        self.identified = 0
        self.resumed = 0
        self.beats = 0
        self.presences: list[tuple[float, Payload]] = []
        self.up = True
        """False: connections are refused, as in an outage."""
        world.tell = self.tell

    # --- events ------------------------------------------------------------------------------------------

    def tell(self, name: str, data: Payload) -> None:
        for session in self.sessions.values():
            if not intents.wanted(name, data, session.intents):
                continue
            guild = int(data.get("guild_id") or 0)  # what belongs to no server goes to the first shard
            if (guild >> 22) % self.shards != session.shard:
                continue
            shown = data
            if name.startswith("MESSAGE_") and "author" in data:
                shown = intents.as_shown(data, bot=self._world.bot, intents=session.intents)
            self._dispatch(session, name, shown)

    def _dispatch(self, session: Session, name: str, data: Payload) -> None:
        text = json.dumps({"op": DISPATCH, "t": name, "s": len(session.events) + 1, "d": data})
        session.events.append(text)
        if session.socket is not None:
            session.socket.send_raw(text)

    # --- what can be broken ------------------------------------------------------------------------------

    async def drop(self, *, forget: bool = False, code: int = 1006) -> None:
        """Cut every connection. `forget`: the sessions cannot be resumed either."""
        for session in list(self.sessions.values()):
            connection, session.socket = session.socket, None
            if forget:
                del self.sessions[session.id]
            if connection is None:
                continue
            if code == 1006:
                transport = connection.socket._req.transport if connection.socket._req else None
                if transport is not None:
                    transport.abort()
            else:
                await connection.socket.close(code=code)

    def ask_to_reconnect(self) -> None:
        for session in self.sessions.values():
            if session.socket is not None:
                session.socket.send(RECONNECT)

    # --- one connection ----------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        if not self.up:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, compressed=request.query.get("compress") == "zlib-stream")
        writing = asyncio.create_task(connection.write())
        asking = asyncio.create_task(self._ask(connection))
        connection.send(HELLO, {"heartbeat_interval": self.heartbeat_interval})
        session: Session | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                now = self._clock.now()
                connection.moments = [moment for moment in connection.moments if moment > now - SENDS_SECONDS] + [now]
                if len(connection.moments) > SENDS:
                    await socket.close(code=4008)
                    break
                session = await self._take(connection, session, json.loads(message.data))
        finally:
            writing.cancel()
            asking.cancel()
            if session is not None and session.socket is connection:
                session.socket = None
                if socket.close_code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY):
                    self.sessions.pop(session.id, None)
        return socket

    async def _ask(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY)
            connection.send(HEARTBEAT)

    async def _take(self, connection: Connection, session: Session | None, message: Payload) -> Session | None:
        op, data = message["op"], message.get("d")
        if op == HEARTBEAT:
            self.beats += 1
            connection.send(ACK)
        elif op == PRESENCE:
            self.presences.append((self._clock.now(), data or {}))
        elif op == IDENTIFY and isinstance(data, dict):
            return await self._identify(connection, data)
        elif op == RESUME and isinstance(data, dict):
            return self._resume(connection, data)
        return session

    async def _identify(self, connection: Connection, data: Payload) -> Session | None:
        world = self._world
        if data["token"] != self._token():
            await connection.socket.close(code=4004)
            return None
        asked = int(data["intents"])
        if asked & intents.PRIVILEGED & ~(intents.MESSAGE_CONTENT if world.content_intent else 0):
            await connection.socket.close(code=4014)
            return None
        self.identified += 1
        shard = data.get("shard", [0, 1])
        session = Session(id=f"session-{next(self._numbers)}", intents=asked, shard=shard[0], socket=connection)
        self.sessions[session.id] = session
        guilds = [guild for number, guild in world.guilds.items() if (number >> 22) % self.shards == session.shard]
        ready = {
            "v": 10,
            "user": world.bot,
            "guilds": [{"id": guild["id"], "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "application": {"id": world.application, "flags": 0},
            "shard": shard,
            "private_channels": [],
        }
        self._dispatch(session, "READY", ready)
        for guild in guilds:
            self._dispatch(session, "GUILD_CREATE", world.guild_payload(guild))
        return session

    def _resume(self, connection: Connection, data: Payload) -> Session | None:
        session = self.sessions.get(str(data["session_id"]))
        if session is None or data["token"] != self._token():
            connection.send(INVALID, False)
            return None
        self.resumed += 1
        session.socket = connection
        for text in session.events[int(data["seq"]) :]:
            connection.send_raw(text)
        self._dispatch(session, "RESUMED", {})
        return session
