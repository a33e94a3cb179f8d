"""A running page over scripted conversations, with a client that holds its answers to the contract's form."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from aiohttp import ClientSession, CookieJar

from adapters.web.server import WebAdapter
from bot.clock import Clock, Instant, SystemClock
from bot.messages import Finished, IncomingMessage, ModelId, ReplyEvent, Share, Usage
from bot.ports import Adapter, Readiness
from tests.fakes.conversations import ScriptedConversations

TOKEN = "correct horse battery staple"
ASK = {"member": "ann", "conversation": "c1", "text": "hello"}
ENDINGS = {"finished", "failed", "held"}
MIDNIGHT = Instant(1_790_035_200.0)
SHARE = Share(used=3, level=4.5, left_now=1, left_sure=0, resets_at=MIDNIGHT)
SHARE_JSON = {"used": 3, "level": 4.5, "left_now": 1, "left_sure": 0, "resets_at": "2026-09-22T00:00:00Z"}
FINISHED = Finished(
    model=ModelId("acme/wit-7b:free"), lane="free", attempts=1, share=SHARE, usage=Usage(cost_usd=Decimal("0.00012"))
)


class Site:
    """A running adapter with its conversations and a client."""

    def __init__(self, url: str, conversations: ScriptedConversations, client: ClientSession) -> None:
        self.url, self.conversations, self.client = url, conversations, client
        self.ready = True

    async def health(self) -> Readiness:
        return Readiness(ready=self.ready, parts={"database": "ok" if self.ready else "locked"})

    async def ask(self, headers: dict[str, str] | None = None, **fields: object) -> tuple[int, Any]:
        """Status and the events of a chat, or the JSON of a refusal."""
        async with self.client.post(f"{self.url}/api/chat", json={**ASK, **fields}, headers=headers) as answer:
            if answer.content_type == "text/event-stream":
                return answer.status, events(await answer.text())
            return answer.status, await answer.json()

    async def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Status and error name of a request that must be refused in the contract's form."""
        async with self.client.request(method, self.url + path, **options) as answer:
            body = await answer.json()
        assert set(body) == {"error", "message"}
        assert all(isinstance(value, str) and value for value in body.values())
        return answer.status, body["error"]


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, checked: every block is one event or a comment, the last one alone is an ending."""
    assert text.endswith("\n\n")
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        if not block.startswith(":"):
            match = re.fullmatch(r"event: (\w+)\ndata: (.*)", block)
            assert match, block
            found.append((match[1], json.loads(match[2])))
    assert [name in ENDINGS for name, _ in found] == [False] * (len(found) - 1) + [True]
    return found


@asynccontextmanager
async def serving(clock: Clock | None = None, *, token: str | None = None) -> AsyncIterator[Site]:
    clock = clock or SystemClock()
    conversations = ScriptedConversations(clock)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
        site = Site("", conversations, client)
        adapter = WebAdapter(
            conversations=conversations,
            clock=clock,
            host="127.0.0.1",
            port=0,
            token=token,
            health=lambda: site.health(),
            metrics=lambda: (b"up 1\n", "text/plain; version=0.0.4"),
        )
        satisfied: Adapter = adapter
        site.url = await adapter.start()
        running = asyncio.create_task(satisfied.run())
        await asyncio.sleep(0)
        try:
            yield site
        finally:
            running.cancel()
            await asyncio.wait([running])


def script(*replies: ReplyEvent) -> Any:
    async def play(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for reply in replies:
            yield reply

    return play


def waits(*first: ReplyEvent) -> Any:
    async def play(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for event in first:
            yield event
        await asyncio.Event().wait()

    return play
