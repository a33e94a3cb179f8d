"""A stall ends at its deadline."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.chat_model import ModelThinking
from bot.errors import FailureKind
from bot.openrouter.client import Deadlines
from tests.contract.asking import (
    COMMENT,
    HELLO,
    QUESTION,
    collect,
    outcome,
    serving,
    text_of,
)
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    LAST,
    Peer,
    Script,
    answers,
    delta,
    event,
    head,
    piece,
    then_waits,
)


def every(seconds: float, said: bytes, *first: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(CHUNKED, *first)
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(seconds)
                await peer.send(said)

    return script


LIMITS = Deadlines()

STALLS = [
    pytest.param(then_waits(), "", FailureKind.TIMEOUT, LIMITS.first_token, id="no head"),
    pytest.param(then_waits(CHUNKED), "", FailureKind.TIMEOUT, LIMITS.idle, id="a head and no more"),
    pytest.param(every(10, COMMENT), "", FailureKind.TIMEOUT, LIMITS.first_token, id="comments for ever"),
    pytest.param(then_waits(CHUNKED, piece(HELLO)), "Hello", FailureKind.TIMEOUT, LIMITS.idle, id="silence after text"),
    pytest.param(every(30, piece(HELLO)), "Hello" * 9, FailureKind.TIMEOUT, LIMITS.total, id="a word each half minute"),
    pytest.param(
        every(10, COMMENT, piece(HELLO)), "Hello", FailureKind.TIMEOUT, LIMITS.total, id="text, then comments"
    ),
    pytest.param(then_waits(head(500)), "", FailureKind.PROVIDER_DOWN, LIMITS.connect, id="an error without body"),
    pytest.param(
        then_waits(CHUNKED, piece(event(delta("Hello", finish="stop")))), "Hello", None, 5, id="finish, then silence"
    ),
    pytest.param(
        every(1, COMMENT, piece(event(delta("Hello", finish="stop")))), "Hello", None, 5, id="finish, then comments"
    ),
]


@pytest.mark.virtual
@pytest.mark.parametrize(("script", "text", "kind", "seconds"), STALLS)
async def test_a_stall_ends_at_its_deadline(
    script: Script, text: str, kind: FailureKind | None, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(script) as (client, _):
        began = loop.time()
        assert await outcome(client) == (text, kind)
        assert loop.time() - began == pytest.approx(seconds, abs=1)


@pytest.mark.virtual
async def test_a_reader_that_takes_its_time_is_no_stall() -> None:
    async with serving(answers) as (client, _):
        said = []
        async for item in client.stream(QUESTION, on_sent=lambda: None):
            said.append(item)
            await asyncio.sleep(200)
        assert text_of(said) == "Hello you"


@pytest.mark.virtual
async def test_reasoning_ends_the_wait_for_the_first_token() -> None:
    thought = piece(event({"choices": [{"delta": {"reasoning": "hm"}}]}))
    async with serving(every(40, thought)) as (client, _):
        began = asyncio.get_running_loop().time()
        assert await outcome(client) == ("", FailureKind.TIMEOUT)
        assert asyncio.get_running_loop().time() - began > 2 * LIMITS.first_token


@pytest.mark.virtual
async def test_signs_of_life_come_once_a_second_at_most() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(CHUNKED)
        for _ in range(100):
            await peer.send(COMMENT)
            await asyncio.sleep(0.1)
        await peer.send(piece(ANSWER), LAST)

    async with serving(script) as (client, _):
        thoughts = sum(isinstance(item, ModelThinking) for item in await collect(client))
        assert 9 <= thoughts <= 11
