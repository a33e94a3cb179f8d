"""An OpenRouter that costs next to nothing, in a process of its own, and says when it was reached.

The first word of every answer is the moment its request was there in full, in nanoseconds of the machine's monotonic
clock, which all processes share: what lies between a message and its request can be read exactly.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_WISH = re.compile(rb"answer with (\d+) words, one every (\d+) ms")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_KEY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data":{}}'


def wish(words: int, *, every_ms: int = 0) -> str:
    """A question that is answered with so many words."""
    return f"answer with {words} words, one every {every_ms} ms"


@contextmanager
def upstream() -> Iterator[str]:
    """Run one; its base URL."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_main, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/api/v1"
    finally:
        process.terminate()
        process.join()


def _main(parent: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Requests, "127.0.0.1", 0, backlog=1000)
        parent.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class _Requests(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (body := self._take()) is not None:
            if wishes := _WISH.findall(body):
                words, every_ms = wishes[-1]  # earlier ones are the conversation so far
                self._answer(int(words), int(every_ms) / 1000)
            else:
                self._transport.write(_KEY)

    def _take(self) -> bytes | None:
        """The body of the next request, once it is there in full."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if not end or len(rest) < length:
            return None
        self._buffer = rest[length:]
        return rest[:length]

    def _answer(self, words: int, every: float) -> None:
        received = time.monotonic_ns()
        chunks = [_chunk(received, str(received)), *[_chunk(received, " word")] * (words - 1)]
        last = _chunk(received, "", finish="stop", usage=True) + _piece(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        opening = _HEAD + _piece(b": OPENROUTER PROCESSING\n\n")
        if every == 0:
            self._transport.write(b"".join([opening, *chunks, last]))
            return
        self._transport.write(opening)
        loop = asyncio.get_running_loop()
        start, left = loop.time(), iter(enumerate([*chunks, last], start=1))

        def go_on() -> None:
            for number, piece in left:
                self._transport.write(piece)
                loop.call_at(start + number * every, go_on)
                return

        go_on()


def _chunk(received: int, text: str, *, finish: str | None = None, usage: bool = False) -> bytes:
    document = {
        "id": f"gen-{received}",
        "provider": "Bench",
        "model": "bench/one:free",
        "object": "chat.completion.chunk",
        "created": received // 1_000_000_000,
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": text},
                "finish_reason": finish,
                "native_finish_reason": finish,
                "logprobs": None,
            }
        ],
    }
    if usage:
        document["usage"] = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, "cost": 0}
    return _piece(b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n")


def _piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
