"""Whoever goes away stops their answer, and nobody who is slow or silent holds one up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from adapters.web.relay import HEARTBEAT
from adapters.web.server import WebAdapter
from bot.clock import SystemClock
from bot.messages import IncomingMessage, Queued, ReplyEvent, TextDelta
from tests.contract.web.site import ASK, FINISHED, Site, events, serving, waits
from tests.fakes.virtual import VirtualClock


@pytest.mark.parametrize("first", [(), (Queued(place=3, estimate=60),), (TextDelta(text="Once"),)], ids=repr)
async def test_a_client_that_goes_away_stops_its_answer(site: Site, first: tuple[ReplyEvent, ...]) -> None:
    site.conversations.script = waits(*first)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(site.url.rpartition(":")[2]))
    body = json.dumps(ASK).encode()
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    writer.write(head.encode() + b"\r\n\r\n" + body)
    if first:
        await reader.readuntil(b"data: ")
    else:
        await site.conversations.arrived.wait()
    assert site.conversations.closed.empty()
    writer.close()
    async with asyncio.timeout(2):
        assert await site.conversations.closed.get() == site.conversations.asked[0].id


async def test_an_answer_that_was_read_to_its_end_is_not_closed(site: Site) -> None:
    await site.ask()
    assert site.conversations.closed.empty()


async def test_a_slow_client_does_not_hold_up_the_reply(site: Site) -> None:
    read_whole = asyncio.Event()

    async def long(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for _ in range(400):
            yield TextDelta(text="word " * 4000)
            await asyncio.sleep(0)
        read_whole.set()
        yield FINISHED

    site.conversations.script = long
    async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
        async with asyncio.timeout(5):
            await read_whole.wait()
        assert len([name for name, _ in events(await answer.text()) if name == "delta"]) == 400


@pytest.mark.virtual
async def test_a_heartbeat_while_nothing_happens(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        site.conversations.script = waits(Queued(place=1, estimate=None))
        async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
            await answer.content.readuntil(b"\n\n")
            for _ in range(3):
                before = clock.monotonic()
                assert (await answer.content.readuntil(b"\n\n")).startswith(b":")
                assert clock.monotonic() - before == pytest.approx(HEARTBEAT, abs=0.1)


@pytest.mark.virtual
async def test_the_stream_opens_even_when_the_reply_is_slow_to_say_anything(clock: VirtualClock) -> None:
    async with serving(clock) as site:
        site.conversations.script = waits()
        async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
            assert answer.status == 200
            assert clock.monotonic() < HEARTBEAT


async def test_a_stopped_server_ends_every_answer_and_closes_within_seconds() -> None:
    async with serving() as site:
        site.conversations.script = waits(TextDelta(text="Once"))
        answer = await site.client.post(f"{site.url}/api/chat", json=ASK)
        feed = await site.client.get(f"{site.url}/api/pool/events")
        await answer.content.readuntil(b"Once")
        await feed.content.readuntil(b"\n\n")
        before = asyncio.get_running_loop().time()
        port = int(site.url.rpartition(":")[2])
    assert asyncio.get_running_loop().time() - before < 3
    assert b"event: failed" in await answer.read()
    assert site.conversations.closed.qsize() == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_taken_port_is_left_to_the_caller(site: Site) -> None:
    taken = WebAdapter(
        conversations=site.conversations,
        clock=SystemClock(),
        host="127.0.0.1",
        port=int(site.url.rpartition(":")[2]),
        token=None,
        health=site.health,
        metrics=lambda: (b"", "text/plain"),
    )
    with pytest.raises(OSError, match="in use"):
        await taken.start()
