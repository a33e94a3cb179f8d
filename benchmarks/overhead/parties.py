"""The parties: a bare call with aiohttp, a warm call with the OpenAI SDK, a whole Potluck. Each is asked the same."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import aiohttp

from bot.app import service
from bot.clock import SystemClock
from bot.messages import CommunityId, ConversationId, Failed, IncomingMessage, Member, MessageId, TextDelta
from bot.settings import Settings

Party: TypeAlias = Literal["bare", "openai", "potluck"]
PARTIES: tuple[Party, ...] = ("bare", "openai", "potluck") if find_spec("openai") else ("bare", "potluck")
"""Those that are installed: the OpenAI SDK comes with the extra `bench`."""

_MODEL = "openrouter/free"


class Ask(Protocol):
    """Asks and reads the whole answer."""

    async def __call__(self, text: str, *, who: str) -> str: ...


def party(name: Party, upstream: str) -> AbstractAsyncContextManager[Ask]:
    """One of them, ready to be asked."""
    return _PARTIES[name](upstream)


@asynccontextmanager
async def _bare(upstream: str) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=1000)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer bench"}, connector=connector) as session:

        async def ask(text: str, *, who: str) -> str:
            body = {"model": _MODEL, "messages": [{"role": "user", "content": text}], "stream": True, "user": who}
            answer = []
            async with session.post(f"{upstream}/chat/completions", json=body) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        answer.append(json.loads(line[6:])["choices"][0]["delta"]["content"])
            return "".join(answer)

        yield ask


@asynccontextmanager
async def _openai(upstream: str) -> AsyncIterator[Ask]:
    sdk: Any = importlib.import_module("openai")
    async with sdk.AsyncOpenAI(base_url=upstream, api_key="bench", max_retries=0) as client:

        async def ask(text: str, *, who: str) -> str:
            stream = await client.chat.completions.create(
                model=_MODEL, messages=[{"role": "user", "content": text}], stream=True, user=who
            )
            return "".join([chunk.choices[0].delta.content async for chunk in stream])

        yield ask


@asynccontextmanager
async def _potluck(upstream: str) -> AsyncIterator[Ask]:
    with tempfile.TemporaryDirectory() as folder:
        async with service(settings(Path(folder), upstream), clock := SystemClock()) as running:
            ids = count(1)

            async def ask(text: str, *, who: str) -> str:
                message = IncomingMessage(
                    id=MessageId(f"bench:{next(ids)}"),
                    conversation=ConversationId(f"bench/{who}"),
                    community=CommunityId("bench"),
                    author=Member("bench", who),
                    author_name=who,
                    place="a benchmark",
                    text=text,
                    received_at=clock.now(),
                )
                answer = []
                async for event in running.conversations.reply(message):
                    if isinstance(event, TextDelta):
                        answer.append(event.text)
                    elif isinstance(event, Failed):
                        raise event.error
                return "".join(answer)

            yield ask


def settings(folder: Path, upstream: str) -> Settings:
    """A Potluck whose pool is never the limit."""
    return Settings.model_validate(
        {
            "openrouter_api_key": "bench",
            "openrouter_base_url": upstream,
            "database_url": f"sqlite+aiosqlite:///{folder / 'potluck.db'}",
            "pool_rpm": 100_000,
            "pool_rpd": 10_000_000,
        }
    )


_PARTIES: dict[Party, Callable[[str], AbstractAsyncContextManager[Ask]]] = {
    "bare": _bare,
    "openai": _openai,
    "potluck": _potluck,
}
