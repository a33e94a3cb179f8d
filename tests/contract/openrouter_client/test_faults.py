"""Every fault of an answer has one clear ending."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from bot.errors import FailureKind
from tests.contract.asking import (
    HELLO,
    Sent,
    outcome,
    serving,
)
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    DONE,
    LAST,
    Peer,
    Script,
    answers,
    delta,
    event,
    head,
    piece,
    says,
    then_closes,
    then_resets,
    then_waits,
    whole,
)

FAULTS = [
    pytest.param(then_closes(head(), HELLO), ("Hello", FailureKind.CUT_OFF), id="clean end, nothing said"),
    pytest.param(says(CHUNKED, piece(HELLO), LAST), ("Hello", FailureKind.CUT_OFF), id="clean chunked end"),
    pytest.param(then_closes(CHUNKED, piece(HELLO)), ("Hello", FailureKind.CUT_OFF), id="FIN inside the body"),
    pytest.param(then_closes(CHUNKED, piece(HELLO)[:-9]), ("", FailureKind.CUT_OFF), id="FIN inside a piece"),
    pytest.param(then_resets(CHUNKED, piece(HELLO)), ("Hello", FailureKind.CUT_OFF), id="RST inside the body"),
    pytest.param(then_resets(), ("", FailureKind.CUT_OFF), id="RST before the head"),
    pytest.param(then_closes(), ("", FailureKind.CUT_OFF), id="FIN before the head"),
    pytest.param(then_closes(b"HTTP/1.1 2"), ("", FailureKind.CUT_OFF), id="FIN inside the head"),
    pytest.param(then_closes(b"SSH-2.0-hello\r\n\r\n"), ("", FailureKind.CUT_OFF), id="no HTTP"),
    pytest.param(
        says(head(big="x" * 1_000_000, transfer_encoding="chunked")), ("", FailureKind.CUT_OFF), id="a head of 1 MB"
    ),
    pytest.param(then_closes(CHUNKED, b"zz\r\n"), ("", FailureKind.CUT_OFF), id="broken chunking"),
    pytest.param(
        says(CHUNKED, piece(HELLO), piece(event(delta(error={"code": 429, "message": "?"}))), LAST),
        ("Hello", FailureKind.UPSTREAM_MODEL),
        id="error beside choices",
    ),
    pytest.param(
        says(CHUNKED, piece(HELLO), piece(event({"error": {"code": 502, "message": "?"}})), LAST),
        ("Hello", FailureKind.PROVIDER_DOWN),
        id="error without choices",
    ),
    pytest.param(
        says(CHUNKED, piece(event({"error": {"code": 502}}))), ("", FailureKind.PROVIDER_DOWN), id="error first"
    ),
    pytest.param(
        says(CHUNKED, piece(HELLO), piece(b"data: {no json\n\n")),
        ("Hello", FailureKind.ERROR_IN_STREAM),
        id="malformed line",
    ),
    pytest.param(
        says(CHUNKED, *(piece(ANSWER[at : at + 1]) for at in range(len(ANSWER))), LAST),
        ("Hello you", None),
        id="one byte at a time",
    ),
    pytest.param(
        then_closes(head(), ANSWER.replace(b"\n", b"\r\n")),
        ("Hello you", None),
        id="CRLF, no length, closed at the end",
    ),
    pytest.param(says(head(content_length=str(len(ANSWER))), ANSWER), ("Hello you", None), id="length stated"),
    pytest.param(
        then_resets(CHUNKED, piece(event(delta("Hello", finish="stop")))), ("Hello", None), id="RST after the finish"
    ),
    pytest.param(says(CHUNKED, piece(event(delta("Hello", finish="stop"))), LAST), ("Hello", None), id="no [DONE]"),
    pytest.param(
        says(CHUNKED, piece(ANSWER), piece(b"data: {junk\n\n" * 9), LAST), ("Hello you", None), id="junk after"
    ),
    pytest.param(says(CHUNKED, piece(ANSWER), *[piece(b"x" * 16384)] * 9, LAST), ("Hello you", None), id="much after"),
    pytest.param(then_resets(CHUNKED, piece(ANSWER)), ("Hello you", None), id="RST after [DONE]"),
    pytest.param(then_waits(CHUNKED, piece(ANSWER)), ("Hello you", None), id="no end after [DONE]"),
    pytest.param(
        says(head(transfer_encoding="chunked", content_encoding="gzip"), piece(b"\x1f\x8b" + b"0" * 999), LAST),
        ("", FailureKind.PROVIDER_DOWN),
        id="gzip",
    ),
    pytest.param(
        says(head(content_encoding="gzip", status=429, transfer_encoding="chunked"), piece(b"\x1f\x8b"), LAST),
        ("", FailureKind.PLATFORM_UNKNOWN),
        id="gzip, refused",
    ),
    pytest.param(says(whole(200, b"<html>", "text/html")), ("", FailureKind.EDGE_HTML), id="200 HTML"),
    pytest.param(
        says(whole(200, {"error": {"code": 402, "metadata": {"limit_source": "openrouter_credits"}}})),
        ("", FailureKind.NEGATIVE_BALANCE),
        id="200 with an error body",
    ),
    pytest.param(says(whole(200, {"choices": None})), ("", FailureKind.EMPTY_ANSWER), id="200 with nothing"),
    pytest.param(says(whole(401, {"error": {"code": 401}})), ("", FailureKind.BAD_KEY), id="401"),
    pytest.param(then_closes(head(503), b"oh"), ("", FailureKind.PROVIDER_DOWN), id="503, no length"),
    pytest.param(
        then_closes(head(429, "application/json", content_length="999"), b'{"error"'),
        ("", FailureKind.PLATFORM_UNKNOWN),
        id="429 cut off",
    ),
    pytest.param(
        says(head(500, transfer_encoding="chunked"), *[piece(b"x" * 16384)] * 64, LAST),
        ("", FailureKind.PROVIDER_DOWN),
        id="an error body of 1 MB",
    ),
    pytest.param(
        says(CHUNKED, *[piece(b"data: " + b"x" * 65536)] * 40), ("", FailureKind.ENDLESS), id="a line without end"
    ),
]


@pytest.mark.parametrize(("script", "expected"), FAULTS)
async def test_a_fault_has_one_clear_ending(script: Script, expected: tuple[str, FailureKind | None]) -> None:
    sent = Sent()
    async with serving(script) as (client, upstream):
        assert await outcome(client, sent) == expected
        assert (sent.calls, len(upstream.requests)) == (1, 1)
        await asyncio.sleep(0.01)


HEADS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200\r\n",
    b"HTTP/1.1 200 \xff\xed\xa0\r\n",
    b"HTTP/1.1 999 x\r\n",
    b"HTTP/1.1 101 Up\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 Nothing\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: \xff://[::1\r\n",
    b"HTTP/2 200\r\n",
]
FIELDS = [
    b"content-type: text/event-stream\r\n",
    b"content-type: \xff;charset=\xff\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n",
    b"content-length: 5\r\n",
    b"content-length: -1\r\n",
    b"content-encoding: br\r\n",
    b"set-cookie: \xff=\x00; ;=\r\n",
    b"retry-after: \xff\r\n",
    b"x-generation-id: \xff\xed\xa0\x80\r\n",
    b"connection: close\r\n",
    b" folded\r\n",
]
BODIES = [piece(ANSWER), ANSWER, piece(HELLO), LAST, b"zz\r\n", b"\x00" * 50, b"0\r\nlast: x\r\n\r\n"]


@pytest.mark.parametrize("rounds", [150, pytest.param(10_000, marks=pytest.mark.soak)])
async def test_no_answer_raises_anything_but_an_upstream_failure_or_takes_a_place(rounds: int) -> None:
    dice = random.Random(1)
    async with serving(answers, max_connections=2) as (client, upstream):
        for _ in range(rounds):
            said = [dice.choice(HEADS), *dice.choices(FIELDS, k=dice.randrange(5)), b"\r\n"]
            said += dice.choices(BODIES, k=dice.randrange(4))
            answer = bytearray(b"".join(said))
            if dice.random() < 0.3:
                answer[dice.randrange(len(answer))] = dice.randrange(256)
            upstream.script, sent = then_closes(bytes(answer)), Sent()
            _, kind = await asyncio.wait_for(outcome(client, sent), 2)
            assert (sent.calls, kind is FailureKind.UNREACHABLE) == (1, False), bytes(answer)
        upstream.script = answers
        assert set(await asyncio.gather(outcome(client), outcome(client))) == {("Hello you", None)}


async def test_an_answer_without_end_is_cut_off_and_its_connection_closed() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        with suppress(ConnectionError):
            await peer.send(CHUNKED)
            while True:
                await peer.send(piece(event(delta("x" * 1000)) * 10))
        gone.set()

    async with serving(script) as (client, _):
        text, kind = await outcome(client)
        assert kind is FailureKind.ENDLESS
        assert len(text) == 400_000
        await asyncio.wait_for(gone.wait(), 1)


async def test_only_the_answer_that_says_done_is_done() -> None:
    """Control of the fault table: the same server, unharmed."""
    async with serving(says(CHUNKED, piece(HELLO), piece(DONE), LAST)) as (client, _):
        assert await outcome(client) == ("Hello", None)
