"""One reply on its way to one browser: a reader that never waits for the network, a writer that never runs ahead.

The reply is read as fast as it comes and written as fast as the client takes it, several events at a time when
it is slow. A client that goes away cancels the request's handler, which closes the reply at once; so does one
that stops reading. Whatever happens, a client that is still there gets exactly one ending.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from bot.errors import InternalError
from bot.messages import Failed, Finished, Held, ReplyEvent, Share, TextDelta

HEARTBEAT = 15.0
"""Seconds of silence after which a comment tells proxies and the page that the line is alive."""
FIRST_EVENT = 5.0
"""Seconds a reply may take to show that there is one, before the stream is opened regardless."""
STUCK = 30.0
"""Seconds a client may leave what was written unread before it counts as gone."""

COMMENT = b": still here\n\n"
"""What clients skip."""

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Over:
    """Nothing more comes: the reply has ended, has failed with `error`, or the server stops."""

    error: Exception | None = None


_Inbox: TypeAlias = "asyncio.Queue[ReplyEvent | _Over]"


class NoReply(Exception):
    """The reply ended before it said anything."""


class EventStream:
    """A server-sent event stream that gives up on a client that does not read."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse(headers=HEADERS)

    async def open(self) -> None:
        await self.response.prepare(self._request)

    async def write(self, data: bytes) -> None:
        """Write events.

        Raises:
            ConnectionError: the client went away or stopped reading.
        """
        try:
            async with asyncio.timeout(STUCK):
                await self.response.write(data)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionAbortedError("the client stopped reading") from None


class Relays:
    """The replies that are being relayed, so that they can be ended together when the server stops."""

    def __init__(self) -> None:
        self._live: set[_Inbox] = set()

    async def relay(
        self,
        request: web.Request,
        reply: AsyncGenerator[ReplyEvent],
        *,
        encode: Callable[[ReplyEvent], bytes],
        share: Callable[[], Awaitable[Share]],
    ) -> web.StreamResponse:
        """Send a reply to its end. `share` is asked for when the reply breaks off and the ending is ours to make.

        Raises:
            NoReply: it yielded nothing; no answer has been begun.
            Exception: what the reply raised before its first event, such as KeyError for an unknown ticket.
        """
        inbox: _Inbox = asyncio.Queue()
        stream = EventStream(request)
        self._live.add(inbox)
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(_read(reply, inbox), name="read-reply")
                batch = await _next(inbox, FIRST_EVENT)
                over = bool(batch) and isinstance(batch[0], _Over)
                if not over and not await _write(stream, batch, inbox, encode, share):
                    reading.cancel()
        finally:
            self._live.discard(inbox)
        match batch:
            case [_Over(error=error), *_]:
                raise error or NoReply
            case _:
                return stream.response

    def end_all(self) -> None:
        """End every reply: its client is told, its generator is closed."""
        for inbox in self._live:
            inbox.put_nowait(_Over())


async def _read(reply: AsyncGenerator[ReplyEvent], inbox: _Inbox) -> None:
    try:
        async with aclosing(reply):
            async for event in reply:
                inbox.put_nowait(event)
        inbox.put_nowait(_Over())
    except Exception as error:
        inbox.put_nowait(_Over(error))


async def _next(inbox: _Inbox, seconds: float) -> list[ReplyEvent | _Over]:
    """All that has come; nothing when the time is up."""
    try:
        async with asyncio.timeout(seconds):
            batch = [await inbox.get()]
    except TimeoutError:
        return []
    while not inbox.empty():
        batch.append(inbox.get_nowait())
    return batch


async def _write(
    stream: EventStream,
    batch: list[ReplyEvent | _Over],
    inbox: _Inbox,
    encode: Callable[[ReplyEvent], bytes],
    share: Callable[[], Awaitable[Share]],
) -> bool:
    """Write until the ending. False: the client went away, or the reply did not end by itself."""
    shown = False
    try:
        await stream.open()
        while True:
            data = b""
            for event in batch:
                if isinstance(event, _Over):
                    if event.error is not None:
                        # Its text may hold what a person wrote: only the type is logged, the rest at DEBUG.
                        _log.error("a reply broke off", extra={"action": "relay", "error": type(event.error).__name__})
                        _log.debug("the failure", exc_info=event.error)
                    await stream.write(data + encode(Failed(error=InternalError(), share=await share(), partial=shown)))
                    return False
                data += encode(event)
                if isinstance(event, Finished | Failed | Held):
                    await stream.write(data)
                    return True
                shown = shown or isinstance(event, TextDelta)
            await stream.write(data or COMMENT)
            batch = await _next(inbox, HEARTBEAT)
    except ConnectionError:
        return False
