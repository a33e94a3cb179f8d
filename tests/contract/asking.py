"""One question, put to the real client over a real socket, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from bot.chat_model import ChatRequest, ModelEnd, ModelEvent, ModelMessage, ModelText
from bot.clock import Clock, SystemClock
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from tests.fakes.upstream import Script, Upstream, delta, event, piece

KEY = "sk-or-v1-0123456789abcdef"
QUESTION = ChatRequest(
    model=ModelId("acme/small:free"),
    messages=[ModelMessage(role="system", content="Be kind."), ModelMessage(role="user", content="Hi \ud800 \u2615")],
    user="member-hash",
    session="conversation-hash",
    attempt="lease-1",
)
HELLO = event(delta("Hello"))
COMMENT = piece(b": OPENROUTER PROCESSING\n\n")


def client_for(base_url: str, *, clock: Clock | None = None, **options: Any) -> OpenRouter:
    return OpenRouter(base_url=base_url, api_key=KEY, clock=clock or SystemClock(), **options)


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


async def ending(client: OpenRouter, sent: Callable[[], None] = lambda: None) -> tuple[str, ModelEnd | UpstreamFailure]:
    """The text that came, and the one thing the stream ended in: an end or a failure, and nothing after it."""
    events: list[ModelEvent] = []
    try:
        async with aclosing(client.stream(QUESTION, on_sent=sent)) as stream:
            async for item in stream:
                events.append(item)
    except UpstreamFailure as failure:
        assert not any(isinstance(item, ModelEnd) for item in events)
        return text_of(events), failure
    (end,) = (item for item in events if isinstance(item, ModelEnd))
    assert events[-1] is end
    return text_of(events), end


async def outcome(client: OpenRouter, sent: Callable[[], None] = lambda: None) -> tuple[str, FailureKind | None]:
    """The text that came, and how it failed; None: it did not."""
    text, end = await ending(client, sent)
    return text, end.kind if isinstance(end, UpstreamFailure) else None


def text_of(events: list[ModelEvent]) -> str:
    return "".join(item.text for item in events if isinstance(item, ModelText))


async def steps(count: int) -> None:
    """So many turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)
