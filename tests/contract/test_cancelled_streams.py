"""Streams cancelled in their first moments leave nothing behind: no task, no socket, no taken place.

A chat bot cancels all day: somebody presses stop, edits, deletes. A pool that loses one place in a hundred
such moments stops answering after an afternoon, and only a restart helps.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from bot.chat_model import ChatRequest, ModelEnd
from bot.clock import SystemClock
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from tests.fakes.upstream import CHUNKED, LAST, Peer, Upstream, delta, event, piece

CONNECTIONS = 10
AT_ONCE = 5
LONGEST = 0.010
"""Seconds until a stream is cancelled, at most: connecting, sending, waiting for the head, first text."""
REQUEST = ChatRequest(model=ModelId("acme/small:free"), messages=[], user="u", session="s", attempt="a")


async def slow_answer(peer: Peer) -> None:
    """Takes a few milliseconds for each part, so that a cancellation can fall anywhere."""
    await asyncio.sleep(random.uniform(0, 0.004))
    await peer.send(CHUNKED)
    for finish in (None, None, "stop"):
        await peer.send(piece(event(delta("word ", finish=finish))))
        await asyncio.sleep(0.001)
    await peer.send(piece(b"data: [DONE]\n\n"), LAST)


async def cancelled_rounds(ask: Callable[[], Awaitable[object]], *, rounds: int, seed: int) -> None:
    """Start a handful of requests and cancel each within its first ten milliseconds, many times over."""
    dice = random.Random(seed)
    for _ in range(rounds):
        tasks = [asyncio.ensure_future(ask()) for _ in range(AT_ONCE)]
        for task in tasks:
            asyncio.get_running_loop().call_later(dice.uniform(0, LONGEST), task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)


def open_sockets() -> int:
    return sum(os.readlink(link).startswith("socket:") for link in _links())


def _links() -> list[Path]:
    return [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


async def survives(rounds: int, seed: int) -> None:
    tasks, sockets = asyncio.all_tasks(), open_sockets()
    async with Upstream(slow_answer) as upstream:
        client = OpenRouter(
            base_url=upstream.base_url, api_key="sk-or-v1-key", clock=SystemClock(), max_connections=CONNECTIONS
        )

        async def ask() -> object:
            return [event async for event in client.stream(REQUEST, on_sent=lambda: None)][-1]

        await cancelled_rounds(ask, rounds=rounds, seed=seed)
        # As many as there are places, all at once: every place must still be there.
        async with asyncio.timeout(2):
            ends = await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
        assert all(isinstance(end, ModelEnd) for end in ends)
        assert upstream.open <= CONNECTIONS
        await client.close()
        await settle()
        assert upstream.open == 0
    await settle()
    gc.collect()
    assert asyncio.all_tasks() == tasks
    assert open_sockets() <= sockets


@pytest.mark.parametrize("seed", [1, 2])
async def test_cancelled_streams_leave_nothing_behind(seed: int) -> None:
    await survives(rounds=30, seed=seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
async def test_five_hundred_rounds_of_cancelled_streams_leave_nothing_behind(seed: int) -> None:
    await survives(rounds=500, seed=seed)


@pytest.mark.soak
async def test_control_the_pool_of_httpx_loses_places() -> None:
    """The same rounds through httpx's own transport. If this fails one day, a dependency can go."""
    async with Upstream(slow_answer) as upstream:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, timeout=2, trust_env=False) as plain:

            async def ask() -> object:
                async with plain.stream("POST", f"{upstream.base_url}/chat/completions", content=b"{}") as response:
                    return [part async for part in response.aiter_raw()][-1]

            for seed in range(10):
                await cancelled_rounds(ask, rounds=200, seed=seed)
                try:
                    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
                except httpx.PoolTimeout:
                    return
    pytest.fail("httpx lost no place in 2,000 rounds")
