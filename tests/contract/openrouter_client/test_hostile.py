"""A server that means harm: bounded in time and in memory, one clear ending, and nothing for the next question.

Time is virtual: what would last for minutes, or for ever, is over at once, at the deadline that ended it. Memory is
what Python allocates while the question is under way, the server's own included.
"""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import httpx
import pytest

from bot.errors import FailureKind as K
from bot.errors import UpstreamFailure
from bot.openrouter.client import Deadlines
from tests.contract.asking import COMMENT, HELLO, outcome, serving
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    DONE,
    LAST,
    Peer,
    Script,
    Upstream,
    answers,
    delta,
    event,
    head,
    piece,
    says,
    then_closes,
    whole,
)

pytestmark = pytest.mark.virtual

MEMORY = 12 * 2**20
"""Bytes at most for one question: a few times the longest line, since it is a line, an event and a document at once."""
MEGABYTE = b"x" * 2**20
LIMITS = Deadlines()


@contextmanager
def little_memory(most: int = MEMORY) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / 2**20:.1f} MB"


def pours(first: bytes, rest: Iterable[bytes], *, every: float = 0) -> Script:
    """A script that goes on for as long as it is listened to, with a pause between two writes."""

    async def script(peer: Peer) -> None:
        with suppress(ConnectionError):
            await peer.send(first)
            for said in rest:
                await peer.send(said)
                await asyncio.sleep(every)
        peer.close()

    return script


def for_ever(said: bytes) -> Iterator[bytes]:
    return itertools.repeat(said)


def singly(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


@cache
def bomb() -> bytes:
    """A hundred kilobytes that unpack to a hundred megabytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(MEGABYTE) for _ in range(100)) + packer.flush()


GZIP = head(transfer_encoding="chunked", content_encoding="gzip")
THOUGHT = piece(event({"choices": [{"delta": {"reasoning": "hm" * 999}}]}) * 9)
LONG_COMMENT = b":" + b"x" * 999 + b"\n\n"
LINE = 100 * 2**20
DEEP = b"data: " + b'{"choices":[' * 80_000 + b"\n\n"
HOSTILE: list[tuple[str, Callable[[], Script], str, K | None, float]] = [
    # name, script, text, failure, seconds at most
    ("a head that trickles", lambda: pours(b"HTTP/1.1 200 ", for_ever(b"K"), every=5), "", K.TIMEOUT, 90),
    (
        "headers that trickle",
        lambda: pours(b"HTTP/1.1 200 OK\r\n", for_ever(b"a: b\r\n"), every=5),
        "",
        K.TIMEOUT,
        90,
    ),
    ("a flood of headers", lambda: pours(b"HTTP/1.1 200 OK\r\n", for_ever(b"a: b\r\n" * 999)), "", K.CUT_OFF, 90),
    ("a header without end", lambda: pours(b"HTTP/1.1 200 OK\r\na: ", for_ever(MEGABYTE)), "", K.CUT_OFF, 90),
    ("a reason without end", lambda: pours(b"HTTP/1.1 200 ", for_ever(MEGABYTE)), "", K.CUT_OFF, 90),
    (
        "a promise to go on, again and again",
        lambda: pours(b"", for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"), every=1),
        "",
        K.TIMEOUT,
        90,
    ),
    ("one byte at a time", lambda: pours(CHUNKED, map(piece, singly(ANSWER))), "Hello you", None, 300),
    (
        "one byte a second",
        lambda: pours(CHUNKED, [*map(piece, singly(ANSWER * 9))], every=1),
        "",
        K.TIMEOUT,
        90,
    ),
    (
        "a line of 100 MB",
        lambda: pours(CHUNKED + piece(b"data: "), itertools.repeat(piece(MEGABYTE), LINE // 2**20)),
        "",
        K.ENDLESS,
        90,
    ),
    (
        "an event of 100 MB in lines",
        lambda: pours(CHUNKED, itertools.repeat(piece((b"data: " + b"x" * 1000 + b"\n") * 64), 1600)),
        "",
        K.ENDLESS,
        90,
    ),
    ("a comment without end", lambda: pours(CHUNKED + piece(b": "), for_ever(piece(MEGABYTE))), "", K.ENDLESS, 90),
    (
        "a flood of comments",
        lambda: pours(CHUNKED, for_ever(piece((b":" + b"x" * 999 + b"\n\n") * 64))),
        "",
        K.ENDLESS,
        90,
    ),
    ("a flood of empty lines", lambda: pours(CHUNKED, for_ever(piece(b"\n" * 99999))), "", K.ENDLESS, 90),
    ("comments for ever", lambda: pours(CHUNKED, for_ever(COMMENT), every=3), "", K.TIMEOUT, 90),
    ("reasoning for ever", lambda: pours(CHUNKED, for_ever(THOUGHT), every=3), "", K.TIMEOUT, 300),
    ("a flood of reasoning", lambda: pours(CHUNKED, for_ever(THOUGHT)), "", K.ENDLESS, 300),
    ("text for ever", lambda: pours(CHUNKED, for_ever(piece(HELLO)), every=3), "Hello" * 100, K.TIMEOUT, 300),
    (
        "no UTF-8",
        lambda: says(CHUNKED, piece(ANSWER.replace(b"you", b"\xff\xfe\x80")), LAST),
        "Hello \ufffd\ufffd\ufffd",
        None,
        9,
    ),
    ("nothing but noise", lambda: says(CHUNKED, piece(b"\x00\xff\xfe\r\n" * 999), LAST), "", K.CUT_OFF, 9),
    ("a document too deep", lambda: says(CHUNKED, piece(DEEP), LAST), "", K.ERROR_IN_STREAM, 9),
    (
        "a number too long",
        lambda: says(CHUNKED, piece(b'data: {"created":' + b"9" * 900_000 + b"}\n\n"), LAST),
        "",
        K.ERROR_IN_STREAM,
        9,
    ),
    ("a bomb", lambda: says(GZIP, piece(bomb()), LAST), "", K.PROVIDER_DOWN, 9),
    (
        "a bomb in an error",
        lambda: says(head(500, content_encoding="gzip", transfer_encoding="chunked"), piece(bomb()), LAST),
        "",
        K.PROVIDER_DOWN,
        9,
    ),
    (
        "an error without end",
        lambda: pours(head(500, "text/plain", transfer_encoding="chunked"), for_ever(piece(MEGABYTE))),
        "",
        K.PROVIDER_DOWN,
        10,
    ),
    (
        "an error that trickles",
        lambda: pours(head(429, "text/plain", transfer_encoding="chunked"), for_ever(piece(b"x")), every=1),
        "",
        K.PLATFORM_UNKNOWN,
        10,
    ),
    (
        "a chunk with an extension without end",
        lambda: pours(CHUNKED + b"5;a=", for_ever(MEGABYTE), every=1),
        "",
        K.TIMEOUT,
        LIMITS.idle,
    ),
    (
        "a chunk of more than there is",
        lambda: then_closes(CHUNKED, b"ffffffffffff\r\n" + HELLO),
        "Hello",
        K.CUT_OFF,
        90,
    ),
    ("a length too long", lambda: then_closes(head(content_length="99999999999"), HELLO), "Hello", K.CUT_OFF, 90),
    (
        "a length too short",
        lambda: then_closes(head(content_length=str(len(HELLO))), HELLO, ANSWER),
        "Hello",
        K.CUT_OFF,
        9,
    ),
    ("two lengths", lambda: then_closes(head(content_length="5", Content_Length="7"), ANSWER), "", K.CUT_OFF, 9),
    ("closed at once", then_closes, "", K.CUT_OFF, 9),
    ("closed within the answer", lambda: then_closes(CHUNKED, piece(HELLO)), "Hello", K.CUT_OFF, 9),
    (
        "garbage behind the answer",
        lambda: says(CHUNKED, piece(ANSWER), LAST + b"\x00garbage\r\n\r\n"),
        "Hello you",
        None,
        9,
    ),
    (
        "another answer behind the answer",
        lambda: says(CHUNKED + piece(ANSWER) + LAST + CHUNKED + piece(event(delta("evil"))) + piece(DONE) + LAST),
        "Hello you",
        None,
        9,
    ),
    (
        "garbage for ever behind [DONE]",
        lambda: pours(CHUNKED + piece(ANSWER), for_ever(piece(b"x" * 9999))),
        "Hello you",
        None,
        9,
    ),
]


@pytest.mark.parametrize(("script", "text", "kind", "seconds"), [pytest.param(*row, id=name) for name, *row in HOSTILE])
async def test_harm_is_bounded_and_has_one_ending(
    script: Callable[[], Script], text: str, kind: K | None, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(script()) as (client, upstream):
        upstream.script = answers
        await outcome(client)  # what is loaded once is not counted
        upstream.script = script()
        began, before = loop.time(), len(upstream.requests)
        with little_memory():
            assert await outcome(client) == (text, kind)
        assert loop.time() - began <= seconds + 1
        assert len(upstream.requests) == before + 1
        upstream.script = answers
        await asyncio.sleep(1)  # until what the server left behind is in
        assert await outcome(client) == ("Hello you", None), "the next question has an answer of its own"


async def _keep_all(url: str) -> None:
    """A reader without the rules: it unpacks, waits for ever, and keeps all it is sent."""
    async with httpx.AsyncClient(timeout=None, trust_env=False) as http:
        with suppress(httpx.HTTPError):
            await http.post(url, json={})


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            lambda: pours(CHUNKED + piece(b"data: "), itertools.repeat(piece(MEGABYTE), 20)), id="a long line"
        ),
        pytest.param(lambda: then_closes(GZIP, piece(bomb()), LAST), id="a bomb"),
    ],
)
async def test_control_a_reader_without_bounds_fills_the_memory(script: Callable[[], Script]) -> None:
    async with Upstream(answers) as upstream:
        await _keep_all(upstream.base_url)
        upstream.script = script()
        with pytest.raises(AssertionError, match="MB"), little_memory():
            await _keep_all(upstream.base_url)


async def test_control_a_reader_without_deadlines_waits_on() -> None:
    never = Deadlines(first_token=1e9, idle=1e9, total=1e9)
    async with serving(pours(CHUNKED, for_ever(COMMENT), every=600), deadlines=never) as (client, _):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(24 * 3600):
                await outcome(client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_another_host_gets_neither_the_key_nor_the_question(status: int) -> None:
    elsewhere = Upstream(answers)
    async with elsewhere, serving(answers) as (client, upstream):
        for location in (f"{elsewhere.base_url}/chat/completions", f"//127.0.0.1:{elsewhere.port}/"):
            upstream.script = says(whole(status, b"", location=location, refresh=f"0; url={location}"))
            assert await outcome(client) == ("", K.EDGE_HTML)
            for ask in (client.key, client.balance, client.models, client.user_models):
                with pytest.raises(UpstreamFailure):
                    await ask()
        assert len(upstream.requests) == 2 * 5
    assert elsewhere.connections == 0


async def test_control_a_client_that_follows_takes_the_question_there() -> None:
    async with Upstream(answers) as elsewhere, Upstream(answers) as upstream:
        upstream.script = says(whole(307, b"", location=f"{elsewhere.base_url}/chat/completions"))
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as http:
            await http.post(f"{upstream.base_url}/chat/completions", json={})
    assert elsewhere.connections == 1
