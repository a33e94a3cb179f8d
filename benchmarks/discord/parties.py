"""Who is measured: Potluck's adapter, and the strategy of popular bots, written anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeAlias

import discord

from adapters.discord import endpoints, portal
from benchmarks.discord.streams import Stream
from bot.messages import IncomingMessage, ReplyEvent, TextDelta
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House

LONGEST = 2000
EDIT_EVERY = 1.0

Party: TypeAlias = Callable[[House, list[Stream]], AbstractAsyncContextManager[None]]
"""Moves into a house and answers its questions with the streams, in order."""


@asynccontextmanager
async def potluck(home: House, streams: list[Stream]) -> AsyncIterator[None]:
    talks, left = ScriptedConversations(home.clock), list(streams)

    async def script(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        stream = left.pop(0)
        yield talks.started()
        async for chunk in stream.read():
            yield TextDelta(text=chunk)
        yield talks.finished(message.author)

    talks.script = script
    await home.start(talks)
    yield
    await home.stop()


class AwaitedEdits(discord.Client):
    """Reads the model's stream and edits in the same loop, once a second over all answers together."""

    def __init__(self, streams: list[Stream]) -> None:
        super().__init__(intents=portal.intents(content=False))
        self._streams = list(streams)
        self._last_edit = 0.0
        self.up = asyncio.Event()

    async def on_ready(self) -> None:
        self.up.set()

    async def on_message(self, message: discord.Message) -> None:
        if message.author == self.user:
            return
        text, shown = "", [await message.reply("…")]
        async for chunk in self._streams.pop(0).read():
            text += chunk
            now = asyncio.get_running_loop().time()
            full = len(text) > LONGEST * len(shown)
            if full or now - self._last_edit >= EDIT_EVERY:
                self._last_edit = now
                await self._show(text, shown, done=False)
        await self._show(text, shown, done=True)

    async def _show(self, text: str, shown: list[discord.Message], *, done: bool) -> None:
        pieces = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
        mark = "" if done else " ⏳"
        await shown[-1].edit(content=(pieces[len(shown) - 1] + mark)[:LONGEST])
        for piece in pieces[len(shown) :]:
            shown.append(await shown[-1].reply(piece))


@asynccontextmanager
async def awaited_edits(home: House, streams: list[Stream]) -> AsyncIterator[None]:
    endpoints.point(home.discord.url, home.discord.gateway_url)
    async with AwaitedEdits(streams) as client:
        running = asyncio.create_task(client.start(home.discord.token))
        await client.up.wait()
        yield
        await client.close()
        with suppress(asyncio.CancelledError):
            await running


PARTIES: dict[str, Party] = {"Potluck": potluck, "an edit awaited in the read loop": awaited_edits}


async def run(party: Party, home: House, streams: list[Stream]) -> None:
    """Let the channel ask, and wait until every answer stands there to its end."""
    async with party(home, streams):
        for number in range(len(streams)):
            (home.ann, home.bob)[number % 2].mention(home.channel, f"question {number}")
        wanted = sum(len("".join(stream.text.split())) for stream in streams)
        await home.until(lambda: _visible(home) >= wanted, seconds=600)
        await asyncio.sleep(5)


def _visible(home: House) -> int:
    """Characters of answers in the channel: what was added below and around them is not counted."""
    texts = (text.split("\n-#")[0].replace("⏳", "") for text in home.reads())
    return sum(len("".join(text.split())) for text in texts)
