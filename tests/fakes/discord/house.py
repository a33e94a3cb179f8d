"""Potluck on Discord, in virtual time: the adapter over a fake Discord, with whatever conversations it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.discord.adapter import DiscordAdapter
from bot.commands.registry import Registry
from bot.ports import Conversations
from bot.storage.database import Database
from bot.storage.posts import SqlPosts
from tests.fakes.databases import HOME, opened
from tests.fakes.discord import components
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import Channel, Payload
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.virtual import VirtualClock, VirtualLoop

SOON, STARTED = 60.0, 300.0


class House:
    """A server with a channel, two people, and Potluck, which can be stopped, killed and started again."""

    def __init__(self, discord: FakeDiscord, database: Database, clock: VirtualClock) -> None:
        self.discord, self.clock = discord, clock
        self.store = SqlPosts(database, clock)
        self.guild = discord.world.guild()
        self.channel = discord.world.channel(self.guild)
        self.ann, self.bob = discord.person("Ann"), discord.person("Bob")
        self.adapter: DiscordAdapter | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self, conversations: Conversations, *, registry: Registry | None = None) -> DiscordAdapter:
        return await self.start_with(self.discord.token, conversations, registry=registry)

    async def start_with(
        self, token: str, conversations: Conversations, *, registry: Registry | None = None
    ) -> DiscordAdapter:
        """Raises: what the adapter does, if it cannot start."""
        self.adapter = DiscordAdapter(
            token=token,
            conversations=conversations,
            store=self.store,
            clock=self.clock,
            registry=registry,
            api_url=self.discord.url,
            gateway_url=self.discord.gateway_url,
        )
        self._running = asyncio.create_task(self.adapter.run())
        ready = asyncio.create_task(self.adapter.ready.wait())
        await asyncio.wait({self._running, ready}, timeout=STARTED, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            running, self._running = self._running, None
            await running
        assert self.adapter.ready.is_set()
        return self.adapter

    async def stop(self) -> None:
        """In order, as on SIGTERM."""
        if self._running is None or self.adapter is None:
            return
        self.adapter.stopping()
        await self._end()

    async def kill(self) -> None:
        """As the machine does: nothing gets a last word."""
        assert self.adapter is not None
        assert self.adapter.client is not None
        await self.adapter.client.answers.finish(0)
        await self._end()

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def until(self, condition: Callable[[], object], *, seconds: float = SOON) -> None:
        """Wait, in virtual time, until something is so."""
        for _ in range(int(seconds / 0.1)):
            if condition():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {seconds} s; the channel reads {self.reads()}")

    def reads(self, channel: Channel | None = None) -> list[str]:
        return self.ann.reads(channel or self.channel)

    def last(self, channel: Channel | None = None) -> Payload:
        return self.ann.sees(channel or self.channel)[-1]

    def labels(self, message: Payload) -> list[str]:
        return [one["label"] for one in components.every(message["components"]) if one["type"] == components.BUTTON]

    def person(self, name: str) -> Person:
        return self.discord.person(name)


@asynccontextmanager
async def house(folder: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[House]:
    """A house nobody has moved into: `start` it."""
    async with opened(HOME.where(folder), clock, loop) as database, FakeDiscord(clock) as discord:
        made = House(discord, database, clock)
        try:
            yield made
        finally:
            await made.stop()
