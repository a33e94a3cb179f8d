"""A request is one unit of everybody's day: whatever becomes of it, no layer below the service sends it again.

The connection breaks at every point of an answer, by FIN and by RST, on a connection that is new and on one that was
kept: aiohttp and its kind would send again where a kept connection died. The server's own count is the truth.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import httpx
import pytest

from bot.errors import FailureKind as K
from tests.contract.asking import Sent, outcome, serving
from tests.fakes.upstream import ANSWER, CHUNKED, LAST, Peer, Script, Upstream, answers, head, piece, whole

pytestmark = pytest.mark.virtual

WHOLE = CHUNKED + piece(ANSWER) + LAST
REFUSED = whole(503, {"error": {"code": 503, "message": "?"}}, retry_after="0")
POINTS = [0, 1, 12, len(CHUNKED) - 2, len(CHUNKED), len(CHUNKED) + 3, len(CHUNKED) + 40, len(WHOLE) - len(LAST) - 20]
"""Bytes of the answer that were sent when it broke: none, in its head, behind it, in an event, before `[DONE]`."""


def breaks(answer: bytes, at: int, how: Callable[[Peer], None]) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(answer[:at])
        await asyncio.sleep(0.05)  # so that what was sent is read before a reset discards it
        how(peer)

    return script


@pytest.mark.parametrize("how", [Peer.close, Peer.reset], ids=["FIN", "RST"])
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("answer", [WHOLE, REFUSED], ids=["stream", "refusal"])
async def test_an_answer_that_breaks_anywhere_was_asked_for_once(
    answer: bytes, kept: bool, how: Callable[[Peer], None]
) -> None:
    points = POINTS if answer == WHOLE else [0, 1, 12, len(answer) // 2, len(answer) - 1]
    for at in points:
        async with serving(answers) as (client, upstream):
            if kept:
                assert await outcome(client) == ("Hello you", None)
            before = len(upstream.requests)
            upstream.script, sent = breaks(answer, at, how), Sent()
            assert (await outcome(client, sent))[1] in {K.CUT_OFF, K.PROVIDER_DOWN, None}, at
            await asyncio.sleep(3600)
            assert (sent.calls, len(upstream.requests) - before) == (1, 1), at
            assert upstream.connections == 1, at


@asynccontextmanager
async def breaking_while_it_is_asked(after: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that resets every connection once it has read so many bytes, and what it has read of each."""
    seen: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(await reader.read(after)) if after else 0)
        writer.transport.abort()

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        stack.callback(server.close)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1", seen


@pytest.mark.parametrize("after", [0, 1, 40, 300, 600])
async def test_a_request_that_breaks_while_it_is_sent_is_sent_once(after: int) -> None:
    async with breaking_while_it_is_asked(after) as (url, seen), serving(answers) as (client, _):
        client._chat = httpx.URL(f"{url}/chat/completions")
        sent = Sent()
        text, kind = await outcome(client, sent)
        await asyncio.sleep(3600)
        assert text == ""
        assert kind in {K.CUT_OFF, K.UNREACHABLE}
        assert sent.calls == (kind is K.CUT_OFF)
        assert len(seen) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
async def test_a_status_that_invites_to_try_again_is_not_tried_again(status: int) -> None:
    async with serving(answers) as (client, upstream):
        upstream.script = _says_and_stays(status)
        sent = Sent()
        assert (await outcome(client, sent))[1] is not None
        await asyncio.sleep(3600)
        assert (sent.calls, len(upstream.requests)) == (1, 1)


def _says_and_stays(status: int) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(whole(status, b"{}", retry_after="0", x_should_retry="true"))

    return script


async def test_control_a_session_that_tries_again_is_seen_by_the_count() -> None:
    """What aiohttp does of itself for a request that it takes to be repeatable."""
    async with Upstream(answers) as upstream, aiohttp.ClientSession() as session:
        url = f"{upstream.base_url}/chat/completions"
        async with session.get(url) as response:
            await response.read()
        upstream.script = breaks(WHOLE, 0, Peer.close)
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url) as response:
                await response.read()
        assert len(upstream.requests) == 1 + 2


def test_an_answer_has_points_to_break_at() -> None:
    assert len(head()) < len(CHUNKED) < max(POINTS) < len(WHOLE)
