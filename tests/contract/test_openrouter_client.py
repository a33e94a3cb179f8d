"""The client against a server on this machine: what it sends, when it gives up, how each fault ends."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.clock import Instant, SystemClock
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import Deadlines, OpenRouter
from bot.ports import ChatRequest, ModelEnd, ModelEvent, ModelMessage, ModelText, ModelThinking
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
    then_resets,
    then_waits,
    whole,
)

KEY = "sk-or-v1-0123456789abcdef"
QUESTION = ChatRequest(
    model=ModelId("acme/small:free"),
    messages=[ModelMessage(role="system", content="Be kind."), ModelMessage(role="user", content="Hi \ud800 \u2615")],
    user="member-hash",
    session="conversation-hash",
    attempt="lease-1",
)


def client_for(base_url: str, **options: Any) -> OpenRouter:
    return OpenRouter(base_url=base_url, api_key=KEY, clock=SystemClock(), **options)


@asynccontextmanager
async def serving(script: Script, **options: Any) -> AsyncIterator[tuple[OpenRouter, Upstream]]:
    async with Upstream(script) as upstream:
        client = client_for(upstream.base_url, **options)
        try:
            yield client, upstream
        finally:
            await client.close()


class Sent:
    """Counts the calls of `on_sent`."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


async def collect(client: OpenRouter, sent: Callable[[], None] = lambda: None) -> list[ModelEvent]:
    return [event async for event in client.stream(QUESTION, on_sent=sent)]


async def outcome(client: OpenRouter, sent: Callable[[], None] = lambda: None) -> tuple[str, FailureKind | None]:
    """The text that came, and how it failed. Every stream has one ending: an end or a failure."""
    events: list[ModelEvent] = []
    try:
        async with aclosing(client.stream(QUESTION, on_sent=sent)) as stream:
            async for item in stream:
                events.append(item)
    except UpstreamFailure as failure:
        assert not any(isinstance(item, ModelEnd) for item in events)
        return _text(events), failure.kind
    assert [isinstance(item, ModelEnd) for item in events].index(True) == len(events) - 1
    return _text(events), None


def _text(events: list[ModelEvent]) -> str:
    return "".join(item.text for item in events if isinstance(item, ModelText))


# --- what it sends ---------------------------------------------------------------------------------------


async def test_a_request_as_it_arrives() -> None:
    async with serving(answers, referer="https://example.org/bot") as (client, upstream):
        assert await outcome(client) == ("Hello you", None)
    (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/api/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["http-referer"] == "https://example.org/bot"
    assert request.headers["x-openrouter-title"] == "Potluck"
    assert json.loads(request.body) == {
        "model": "acme/small:free",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi ? \u2615"}],
        "stream": True,
        "user": "member-hash",
        "session_id": "conversation-hash",
        "metadata": {"attempt": "lease-1"},
        "plugins": [{"id": "context-compression", "enabled": False}],
    }


async def test_no_referer_unless_it_has_one() -> None:
    async with serving(answers) as (client, upstream):
        await collect(client)
    assert "http-referer" not in upstream.requests[0].headers


@pytest.mark.parametrize("key", ["", "sk or", " sk", "sk\r\nX-Evil: 1", "sk\u00e9", "sk\x7f"])
def test_a_key_that_would_not_fit_a_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as refused:
        OpenRouter(base_url="http://127.0.0.1:1", api_key=key, clock=SystemClock())
    assert not key or key not in str(refused.value)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(answers) as (client, _):
        assert await outcome(client) == ("Hello you", None)


async def test_cookies_are_not_kept() -> None:
    async with serving(says(head(transfer_encoding="chunked", set_cookie="a=b"), piece(ANSWER), LAST)) as (client, up):
        await collect(client)
        await collect(client)
    assert all("cookie" not in request.headers for request in up.requests)


async def test_a_connection_is_used_again_after_an_answer() -> None:
    async def late_end(peer: Peer) -> None:
        await peer.send(CHUNKED, piece(ANSWER))
        await asyncio.sleep(0.01)
        await peer.send(LAST)

    async with serving(late_end) as (client, upstream):
        for _ in range(5):
            assert await outcome(client) == ("Hello you", None)
    assert upstream.connections == 1


async def test_it_is_used_again_too_when_the_reader_stops_at_the_end_of_the_answer() -> None:
    """Which is what whoever answers a member does: nothing comes after the last word."""

    async def late_end(peer: Peer) -> None:
        await peer.send(CHUNKED, piece(ANSWER))
        await asyncio.sleep(0.01)
        await peer.send(LAST)

    async with serving(late_end) as (client, upstream):
        for _ in range(5):
            async with aclosing(client.stream(QUESTION, on_sent=lambda: None)) as events:
                async for event in events:
                    if isinstance(event, ModelEnd):
                        break
    assert upstream.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_key_does_not_follow_a_redirect(status: int) -> None:
    elsewhere = Upstream(answers)
    async with elsewhere, serving(lambda peer: moved(peer)) as (client, _):
        moved = says(whole(status, b"", location=f"{elsewhere.base_url}/chat/completions"))
        assert await outcome(client) == ("", FailureKind.EDGE_HTML)
        with pytest.raises(UpstreamFailure):
            await client.key()
    assert elsewhere.connections == 0


async def test_nothing_is_ever_sent_twice() -> None:
    refusals = [
        says(whole(500, b"")),
        says(whole(429, b"", retry_after="0")),
        then_closes(),
        then_resets(),
        then_closes(CHUNKED),
        says(whole(408, b"")),
    ]
    for script in refusals:
        async with serving(script) as (client, upstream):
            assert (await outcome(client))[1]
            assert len(upstream.requests) == 1


async def test_a_kept_connection_that_died_fails_without_a_second_try() -> None:
    once = iter([answers])

    async def script(peer: Peer) -> None:
        await next(once, then_resets())(peer)

    async with serving(script) as (client, upstream):
        await collect(client)
        sent = Sent()
        assert await outcome(client, sent) == ("", FailureKind.CUT_OFF)
        assert (sent.calls, len(upstream.requests)) == (1, 2)


# --- sent or not sent ------------------------------------------------------------------------------------


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


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


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


# --- every fault has one clear ending --------------------------------------------------------------------

HELLO = event(delta("Hello"))

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


# --- deadlines -------------------------------------------------------------------------------------------


def every(seconds: float, said: bytes, *first: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(CHUNKED, *first)
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(seconds)
                await peer.send(said)

    return script


COMMENT = piece(b": OPENROUTER PROCESSING\n\n")
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
        assert _text(said) == "Hello you"


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


# --- going away ------------------------------------------------------------------------------------------


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


# --- secrets ---------------------------------------------------------------------------------------------


async def test_an_echoed_key_reaches_neither_error_nor_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"code": 400, "message": f"bad header Authorization: Bearer {KEY}"}}
    for script in (says(whole(400, echo)), says(CHUNKED, piece(event(echo))), then_closes(KEY.encode() + b"\r\n\r\n")):
        async with serving(script) as (client, _):
            with pytest.raises(UpstreamFailure) as failed:
                await collect(client)
            for said in (str(failed.value), repr(failed.value), failed.value.detail, caplog.text, repr(client)):
                assert KEY not in said
    assert "bad header" not in caplog.text


# --- the account and the models --------------------------------------------------------------------------

KEY_ANSWER = {
    "data": {
        "label": "sk-or-v1-012...def",
        "limit": 100,
        "limit_remaining": 74.5,
        "is_free_tier": False,
        "free_model_daily_requests": {"limit": 50, "remaining": 38, "used": 12},
    }
}


async def test_the_key() -> None:
    async with serving(says(whole(200, KEY_ANSWER))) as (client, upstream):
        info = await client.key()
    assert (info.free_used, info.free_limit, info.free_remaining) == (12, 50, 38)
    assert (info.limit_usd, info.limit_remaining_usd, info.is_free_tier) == (Decimal(100), Decimal("74.5"), False)
    assert upstream.requests[0].path == "/api/v1/key"
    assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_that_says_less() -> None:
    async with serving(says(whole(200, {"data": {"limit": None, "free_model_daily_requests": None}}))) as (client, _):
        info = await client.key()
    assert {getattr(info, name) for name in info.__slots__} == {None}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(says(whole(200, {"data": 7})), FailureKind.EMPTY_ANSWER, id="another shape"),
        pytest.param(says(whole(200, b"[]")), FailureKind.PROVIDER_DOWN, id="no object"),
        pytest.param(says(whole(200, b"<html>", "text/html")), FailureKind.EDGE_HTML, id="HTML"),
        pytest.param(says(whole(200, b"\x1f\x8b", content_encoding="gzip")), FailureKind.PROVIDER_DOWN, id="gzip"),
        pytest.param(says(whole(401, {"error": {"code": 401}})), FailureKind.BAD_KEY, id="401"),
        pytest.param(
            then_closes(head(200, "application/json", content_length="9"), b"{"), FailureKind.UNREACHABLE, id="cut"
        ),
        pytest.param(then_closes(), FailureKind.UNREACHABLE, id="closed"),
    ],
)
async def test_an_account_that_cannot_be_read(script: Script, kind: FailureKind) -> None:
    async with serving(script) as (client, _):
        for ask in (client.key, client.models):
            with pytest.raises(UpstreamFailure) as failed:
                await ask()
            assert failed.value.kind is kind


@pytest.mark.virtual
async def test_an_account_that_does_not_answer() -> None:
    async with serving(then_waits()) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.key()
        assert failed.value.kind is FailureKind.TIMEOUT


async def test_a_catalogue_without_end() -> None:
    async def script(peer: Peer) -> None:
        with suppress(ConnectionError):
            await peer.send(head(200, "application/json", transfer_encoding="chunked"))
            while True:
                await peer.send(piece(b" " * 2**20))

    async with serving(script) as (client, _):
        with pytest.raises(UpstreamFailure) as failed:
            await client.models()
        assert failed.value.kind is FailureKind.ENDLESS


async def test_the_models() -> None:
    entries = [
        {
            "id": "acme/small:free",
            "name": "Acme: Small",
            "context_length": 8192,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0", "completion": "0.000", "request": "0", "web_search": "0.01"},
            "expiration_date": "2026-09-22",
        },
        {"id": "acme/large", "pricing": {"prompt": "0.000003", "completion": "0.000015"}, "expiration_date": None},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "acme/silent", "pricing": {"prompt": "0"}},
        {"id": "acme/odd", "pricing": {"prompt": "0", "completion": "0", "image": "?"}, "context_length": None},
        {"name": "no id"},
        None,
    ]
    async with serving(says(whole(200, {"data": entries}))) as (client, upstream):
        small, large, auto, silent, odd = await client.models()
    assert upstream.requests[0].path == "/api/v1/models"
    assert (small.name, small.context_length, small.expires_at) == ("Acme: Small", 8192, Instant(1_790_035_200.0))
    assert (small.input_modalities, small.output_modalities) == (("text", "image"), ("text",))
    assert (large.name, large.prompt_price, large.completion_price) == ("acme/large", Decimal("3e-6"), Decimal("15e-6"))
    assert [model.costs_nothing for model in (small, large, auto, silent, odd)] == [True, False, False, False, False]


# --- nothing is left behind ------------------------------------------------------------------------------


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


async def test_only_the_answer_that_says_done_is_done() -> None:
    """Control of the fault table: the same server, unharmed."""
    async with serving(says(CHUNKED, piece(HELLO), piece(DONE), LAST)) as (client, _):
        assert await outcome(client) == ("Hello", None)
