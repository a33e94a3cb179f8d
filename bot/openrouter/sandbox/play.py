"""Puts a scripted reply on a real connection, down to the pause, the torn line and the reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from aiohttp import web

from bot.openrouter.sandbox.wire import EVENTS, Reply

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST instead of FIN."""


@dataclass(slots=True)
class Tally:
    """How far a reply came, readable whatever interrupts it."""

    bytes: int = 0
    tokens: int = 0
    over: bool = False
    """The script was played to its end; whatever the connection does now is no news."""


async def play(reply: Reply, request: web.Request, tally: Tally) -> web.StreamResponse:
    """Send the reply.

    Raises:
        asyncio.CancelledError: the connection is gone, by the client's doing or the script's.
        ConnectionError: the same, noticed while writing.
    """
    response = web.StreamResponse(status=reply.status or 200, headers={**reply.headers})
    response.content_type = reply.content_type
    if reply.content_type == EVENTS:
        response.headers["Cache-Control"] = "no-cache"
    if reply.status is not None:
        await response.prepare(request)
    for frame in reply.frames:
        # Even a pause of nothing lets the other side read, and leave.
        await asyncio.sleep(frame.pause)
        await response.write(frame.data)
        tally.bytes += len(frame.data)
        tally.tokens += frame.tokens
    if reply.ending == "silence":
        await _gone()
    tally.over = True
    if reply.ending == "whole":
        await response.write_eof()
        return response
    if request.transport is not None:
        if reply.ending == "reset":
            connection: socket.socket = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            await asyncio.sleep(0)
            request.transport.abort()
        else:
            request.transport.close()
    await _gone()
    return response


async def _gone() -> None:
    """Wait for the connection's end, which cancels the handler."""
    await asyncio.get_running_loop().create_future()
