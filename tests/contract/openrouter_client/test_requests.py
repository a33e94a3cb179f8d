"""What the client sends to OpenRouter, and that it sends it once."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.chat_model import ContentPart, ImagePart, ModelEnd, ModelMessage, TextPart
from bot.clock import SystemClock
from bot.errors import FailureKind, UpstreamFailure
from bot.openrouter.client import OpenRouter
from tests.contract.asking import (
    KEY,
    QUESTION,
    Sent,
    client_for,
    collect,
    outcome,
    serving,
)
from tests.fakes.upstream import (
    ANSWER,
    CHUNKED,
    LAST,
    Peer,
    Upstream,
    answers,
    head,
    piece,
    says,
    then_closes,
    then_resets,
    whole,
)


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


async def test_a_message_with_an_image_has_parts_and_carries_its_bytes() -> None:
    parts: list[ContentPart] = [TextPart("What is this?"), ImagePart(media_type="image/png", content=b"\x89PNG\xff")]
    asked = replace(QUESTION, messages=[ModelMessage(role="user", content=parts)])
    async with serving(answers) as (client, upstream), aclosing(client.stream(asked, on_sent=lambda: None)) as events:
        assert [event async for event in events]
    (request,) = upstream.requests
    assert json.loads(request.body)["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR/8="}},
            ],
        }
    ]


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


async def test_nothing_is_said_to_a_server_that_cannot_prove_who_it_is() -> None:
    async with Upstream(answers) as upstream:
        client = client_for(upstream.base_url.replace("http:", "HTTPS:"))
        sent = Sent()
        assert await outcome(client, sent) == ("", FailureKind.UNREACHABLE)
        await client.close()
    assert (sent.calls, upstream.requests) == (0, [])


@pytest.mark.parametrize("address", ["https://example.org/api/v1", "HTTPS://example.org", "http://example.org"])
def test_certificates_are_always_asked_for(address: str) -> None:
    context = client_for(address)._tls
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert bool(context.get_ca_certs()) is address.lower().startswith("https"), "and trusted where TLS is spoken"


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
