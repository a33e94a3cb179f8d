"""Who goes away takes the connection along; a closed client leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.chat_model import ModelEvent, ModelMessage
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter.client import OpenRouter
from tests.contract.asking import (
    COMMENT,
    HELLO,
    QUESTION,
    client_for,
    collect,
    serving,
    steps,
)
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    Peer,
    Upstream,
    answers,
    delta,
    event,
    head,
    piece,
    whole,
)


@asynccontextmanager
async def watched(*said: bytes) -> AsyncIterator[tuple[OpenRouter, Upstream, asyncio.Event, asyncio.Event]]:
    """A server that says this much, then tells when the client has gone."""
    spoken, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(*said)
        spoken.set()
        await peer.gone()
        gone.set()
        peer.close()

    async with serving(script) as (client, upstream):
        yield client, upstream, spoken, gone


STAGES = {
    "no head yet": (),
    "inside the head": (CHUNKED[:20],),
    "head": (CHUNKED,),
    "comment": (CHUNKED, COMMENT),
    "inside an event": (CHUNKED, piece(HELLO[:20])),
    "text": (CHUNKED, piece(HELLO)),
    "finish": (CHUNKED, piece(event(delta("Hello", finish="stop")))),
    "done": (CHUNKED, piece(ANSWER)),
    "error body": (head(500, content_length="10"), b"12345"),
}


@pytest.mark.parametrize("said", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("twice", [False, True], ids=["", "twice"])
async def test_cancelling_closes_the_connection_at_once(said: tuple[bytes, ...], twice: bool) -> None:
    async with watched(*said) as (client, _, spoken, gone):
        task = asyncio.create_task(collect(client))
        await spoken.wait()
        await steps(5)
        task.cancel()
        if twice:
            await steps(1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 0.5)


@pytest.mark.parametrize("stage", ["comment", "text", "done"])
async def test_closing_the_generator_closes_the_connection_at_once(stage: str) -> None:
    async with watched(*STAGES[stage]) as (client, _, _, gone):
        stream: AsyncGenerator[ModelEvent] = client.stream(QUESTION, on_sent=lambda: None)
        assert await anext(stream)
        await stream.aclose()
        await asyncio.wait_for(gone.wait(), 0.5)


async def test_a_generator_never_started_does_nothing() -> None:
    async with serving(answers) as (client, upstream):
        await client.stream(QUESTION, on_sent=lambda: None).aclose()
        assert upstream.connections == 0


async def test_an_answer_that_does_not_wait_for_the_whole_request() -> None:
    """A server may refuse a large request before it has read it."""
    heard = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole(413, b"too large", "text/plain"))
        await heard.wait()
        writer.transport.abort()

    large = replace(QUESTION, messages=[ModelMessage(role="user", content="x" * 20_000_000)])
    async with await asyncio.start_server(early, "127.0.0.1", 0) as server:
        client = client_for(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(UpstreamFailure) as failed:
            await anext(client.stream(large, on_sent=lambda: None))
        assert failed.value.kind is FailureKind.TOO_LARGE
        heard.set()
        await client.close()
        await asyncio.sleep(0.02)


async def test_a_closed_client_leaves_no_task_and_no_connection() -> None:
    before = asyncio.all_tasks()
    async with Upstream(answers) as upstream:
        client = client_for(upstream.base_url)
        await asyncio.gather(*(collect(client) for _ in range(20)))
        await client.close()
        await asyncio.sleep(0.01)
        assert upstream.open == 0
    gc.collect()
    assert asyncio.all_tasks() == before
