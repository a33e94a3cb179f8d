"""A TCP server that plays OpenRouter byte for byte, for the shapes no honest server sends.

A script is a coroutine that is given one request and writes what it likes; when it returns, the connection
waits for the next request. What the client did is on record: requests, connections, and who is still there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def request(self) -> Request:
        begun = await self._reader.readexactly(1)
        if begun == b"\x16":  # a TLS greeting: servers of plain HTTP hang up on it
            raise ConnectionError("not HTTP")
        head = (begun + await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Request(method=method, path=path, headers=headers, body=body)

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a write of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Returns when the client has closed or reset the connection."""
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Drop the connection with RST in place of FIN."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


class Upstream:
    """`async with Upstream(script) as upstream:` listens on a free port of the loopback."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        """Accepted in all."""
        self.open = 0
        """Still open."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        closed = (writer.wait_closed() for writer in self._writers)
        await asyncio.gather(*self._tasks, *closed, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(Peer(reader, writer), writer))
        self._tasks.add(task)
        self._writers.add(writer)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: Peer, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while not writer.is_closing():
                self.requests.append(await peer.request())
                await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._writers.discard(writer)


def head(status: int = 200, content_type: str = "text/event-stream", **headers: str) -> bytes:
    """The head of an answer; `_` in a name stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", f"content-type: {content_type}", *lines, "", ""]).encode()


def whole(status: int, body: bytes | dict[str, Any], content_type: str = "application/json", **headers: str) -> bytes:
    """An answer with its length stated."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, content_type, content_length=str(len(data)), **headers) + data


def piece(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = head(transfer_encoding="chunked")
LAST = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(chunk: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(chunk).encode()


def delta(text: str = "", *, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk in the shape OpenRouter sends; `fields` are added at its top."""
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"id": "gen-1", "model": "acme/small:free", "provider": "Acme", "choices": [choice], **fields}


USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "cost": 0, "completion_tokens_details": {"reasoning_tokens": 1}}
ANSWER = event(delta("Hello")) + event(delta(" you", finish="stop")) + event(delta(finish="stop", usage=USAGE)) + DONE


def says(*pieces: bytes) -> Script:
    """A script that answers every request with these bytes."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces)

    return script


def then_closes(*pieces: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        peer.close()

    return script


def then_resets(*pieces: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        await asyncio.sleep(0.05)  # so that what was sent is read before the reset discards it
        peer.reset()

    return script


def then_waits(*pieces: bytes) -> Script:
    """A script that says this much and then nothing, until the client goes away."""

    async def script(peer: Peer) -> None:
        await peer.send(*pieces)
        await peer.gone()

    return script


answers: Script = says(CHUNKED + piece(ANSWER) + LAST)
