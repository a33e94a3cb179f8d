"""Sent or not sent: nothing leaves before it is announced, and UNREACHABLE means that nothing left."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter.client import Deadlines
from tests.contract.asking import (
    Sent,
    client_for,
    collect,
    outcome,
    serving,
    steps,
)
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    LAST,
    Upstream,
    answers,
    piece,
    then_waits,
)


def refused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_a_refused_connection_is_unreachable_and_nothing_was_sent() -> None:
    client, sent = client_for(f"http://127.0.0.1:{refused_port()}"), Sent()
    assert await outcome(client, sent) == ("", FailureKind.UNREACHABLE)
    with pytest.raises(UpstreamFailure) as failed:
        await client.key()
    assert failed.value.kind is FailureKind.UNREACHABLE
    assert sent.calls == 0
    await client.close()


@asynccontextmanager
async def full_backlog() -> AsyncIterator[str]:
    """An address where connecting hangs: it listens, nobody accepts, and its queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        with ExitStack() as stack:
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(address)
            yield f"http://127.0.0.1:{address[1]}"


@pytest.mark.virtual
async def test_a_connection_that_does_not_come_is_unreachable_and_nothing_was_sent() -> None:
    loop, sent = asyncio.get_running_loop(), Sent()
    async with full_backlog() as url:
        client = client_for(url)
        began = loop.time()
        assert await outcome(client, sent) == ("", FailureKind.UNREACHABLE)
        assert loop.time() - began == pytest.approx(Deadlines().connect, abs=0.1)
        await client.close()
    assert sent.calls == 0


@pytest.mark.virtual
async def test_cancelled_while_connecting_nothing_was_sent() -> None:
    sent = Sent()
    async with full_backlog() as url:
        client = client_for(url)
        task = asyncio.create_task(collect(client, sent))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()
    assert sent.calls == 0


@pytest.mark.virtual
async def test_waiting_for_a_free_connection_counts_as_connecting() -> None:
    async with serving(then_waits(CHUNKED), max_connections=1) as (client, upstream):
        first = asyncio.create_task(collect(client))
        await asyncio.sleep(0.1)
        sent = Sent()
        assert await outcome(client, sent) == ("", FailureKind.UNREACHABLE)
        assert (sent.calls, len(upstream.requests)) == (0, 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_a_server_that_speaks_before_it_is_asked_is_sent_nothing() -> None:
    received = bytearray()

    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + piece(ANSWER) + LAST)
        received.extend(await reader.read())
        writer.close()

    async with await asyncio.start_server(eager, "127.0.0.1", 0) as server:
        client, sent = client_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), Sent()
        text, kind = await outcome(client, sent)
        await client.close()
        await asyncio.sleep(0.01)
    assert (bool(received), sent.calls) in ((False, 0), (True, 1))
    assert (text, kind) == ("Hello you", None) if sent.calls else ("", FailureKind.UNREACHABLE)


async def test_a_request_that_arrived_was_announced_once() -> None:
    sent = Sent()
    async with serving(answers) as (client, _):
        await collect(client, sent)
        assert sent.calls == 1


@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "kept connection"])
async def test_nothing_leaves_before_it_is_announced_wherever_it_is_cancelled(warm: bool) -> None:
    """Cancelled after every number of turns of the loop: what reached the server had been announced."""
    quiet, arrived_in_all = 0, 0
    for turns in range(40):
        async with Upstream(answers) as upstream:
            client, sent = client_for(upstream.base_url), Sent()
            if warm:
                await collect(client)
            before = len(upstream.requests)
            task = asyncio.create_task(collect(client, sent))
            await steps(turns)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(0.002)
            arrived = len(upstream.requests) - before
            assert arrived <= sent.calls <= 1, f"{arrived} arrived, {sent.calls} announced after {turns} turns"
            quiet += sent.calls == 0
            arrived_in_all += arrived
            await client.close()
    assert quiet >= 1
    assert arrived_in_all >= 3
