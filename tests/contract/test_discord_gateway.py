"""The unmodified discord.py on the stand-in's gateway: beats, resumes, new sessions, shards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import discord
import pytest

from adapters.discord import endpoints, portal
from bot.clock import SystemClock
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.house import house
from tests.fakes.virtual import VirtualClock, VirtualLoop


async def test_it_beats_by_itself_and_is_acknowledged() -> None:
    """By the machine's clock: discord.py beats in a thread of its own."""
    async with FakeDiscord(SystemClock()) as server:
        server.gateway.heartbeat_interval = 50
        endpoints.point(server.url, server.gateway_url)
        async with discord.AutoShardedClient(intents=portal.intents(content=False)) as client:
            running = asyncio.create_task(client.start(server.token))
            async with asyncio.timeout(20):
                while server.gateway.beats < 4:
                    await asyncio.sleep(0.02)
            assert client.latency < 5
            await client.close()
            await running


@pytest.mark.virtual
async def test_asked_to_reconnect_it_resumes_and_misses_nothing(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        talks = ScriptedConversations(clock)
        await home.start(talks)
        home.discord.gateway.ask_to_reconnect()
        home.ann.mention(home.channel, "one")
        await home.until(lambda: home.discord.gateway.resumed == 1)
        home.ann.mention(home.channel, "two")
        await home.until(lambda: len(home.reads()) == 2)
        assert [message.text for message in talks.asked] == ["one", "two"]
        assert home.discord.gateway.identified == 1


@pytest.mark.virtual
async def test_two_shards_share_the_servers_and_one_has_the_direct_messages(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        home.discord.gateway.shards = 2
        await asyncio.sleep(0.002)  # another millisecond, and so the other shard
        guilds = [home.guild, home.discord.world.guild("Garden")]
        for _ in range(20):
            if len({(int(guild["id"]) >> 22) % 2 for guild in guilds}) == 2:
                break
            await asyncio.sleep(0.001)
            guilds[1] = home.discord.world.guild("Garden")
        channels = [home.channel, home.discord.world.channel(guilds[1])]
        talks = ScriptedConversations(clock)
        await home.start(talks)
        assert home.discord.gateway.identified == 2
        for channel in channels:
            home.ann.mention(channel, "hello")
        home.ann.say(home.ann.dm, "hello")
        await home.until(lambda: all(home.reads(channel) for channel in (*channels, home.ann.dm)))
        assert len(talks.asked) == 3
