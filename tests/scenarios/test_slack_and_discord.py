"""One deployment on Discord and in Slack: a person who has linked both accounts has one share over both."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.adapter import DiscordAdapter
from bot.storage.posts import SqlPosts
from tests.fakes.discord.people import Person as OnDiscord
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.slack.person import Person as InSlack
from tests.fakes.slack.potluck import Installed, all_commands, in_slack
from tests.fakes.slack.world import words_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

FAIR: dict[str, Any] = {"fair_policy": "fair", "promise_units": "0", "pool_rpd": "20"}


class Both:
    """One deployment with both adapters, and somebody with an account on either side."""

    def __init__(self, there: Installed, discord: FakeDiscord) -> None:
        self.there, self.slack, self.discord = there, there.slack, discord
        self.channel = discord.world.channel(discord.world.guild())
        self.on_discord: OnDiscord = discord.person("Ann")
        self.in_slack: InSlack = there.slack.person("U1ANN")

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(120):
            while not condition():
                await asyncio.sleep(0.2)

    async def asks_on_discord(self) -> str:
        said = len(self.on_discord.reads(self.channel))
        self.on_discord.mention(self.channel, "what is rain?")
        await self.until(lambda: len(self.on_discord.reads(self.channel)) > said)
        await asyncio.sleep(20)
        return self.on_discord.reads(self.channel)[-1]

    async def asks_in_slack(self) -> str:
        said = await self.in_slack.asks("what is snow?")
        (answer,) = await self.slack.settled("C1", said.root)
        return answer.beside

    async def commands_on_discord(self, name: str, **options: Any) -> str:
        """What the command answers, with its numbers in plain digits."""
        said = len(self.on_discord.reads(self.channel))
        await self.on_discord.slash(self.channel, name, **options)
        await self.until(lambda: self.on_discord.reads(self.channel)[said:] and self.on_discord.reads(self.channel)[-1])
        return self.on_discord.reads(self.channel)[-1].replace("*", "").replace("\\", "")

    async def commands_in_slack(self, text: str) -> str:
        said = len(self.slack.responses)
        await self.in_slack.commands(text)
        await self.slack.until(lambda: len(self.slack.responses) > said)
        return " ".join(words_of(self.slack.responses[-1]["blocks"])).replace("*", "")

    async def used(self) -> tuple[int, int]:
        """What `quota` says is used today: on Discord, in Slack."""
        said = await self.commands_on_discord("quota"), await self.commands_in_slack("quota")
        found = [re.search(r"Used (\d+), left (\d+)", one) for one in said]
        assert found[0] is not None, said[0]
        assert found[1] is not None, said[1]
        return int(found[0][1]), int(found[1][1])


@asynccontextmanager
async def both(folder: Path, clock: VirtualClock) -> AsyncIterator[Both]:
    async with (
        FakeDiscord(clock) as discord,
        in_slack(folder, clock, registry=all_commands, **FAIR) as there,
    ):
        made = Both(there, discord)
        running = there.potluck.running
        adapter = DiscordAdapter(
            token=discord.token,
            conversations=running.conversations,
            store=SqlPosts(running.database, clock),
            clock=clock,
            registry=running.registry,
            api_url=discord.url,
            gateway_url=discord.gateway_url,
        )
        task = asyncio.create_task(adapter.run())
        await asyncio.wait_for(adapter.ready.wait(), 300)
        try:
            yield made
        finally:
            adapter.stopping()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_who_has_linked_discord_and_slack_has_one_share_over_both(tmp_path: Path, clock: VirtualClock) -> None:
    async with both(tmp_path, clock) as ann:
        await ann.asks_on_discord()
        await ann.asks_on_discord()
        await ann.asks_in_slack()
        assert await ann.used() == (2, 1), "the control: two persons"
        offered = await ann.commands_in_slack("link")
        code = re.search(r"the code `?([A-Z0-9-]{11})", offered)
        assert code is not None, offered
        shown = await ann.commands_on_discord("link", code=code[1])
        assert "slack:T1/U1ANN" in shown, "whose code it is"
        await ann.on_discord.press(ann.on_discord.sees(ann.channel)[-1], "That is me: make them one person")
        await ann.until(lambda: "one person now" in ann.on_discord.reads(ann.channel)[-1])
        assert await ann.used() == (3, 3)
        assert "4 of today" in await ann.asks_in_slack()
        await ann.asks_on_discord()
        assert await ann.used() == (5, 5)
        assert (await ann.there.potluck.counted())["taken"] == 5
        both_say = await ann.commands_on_discord("quota"), await ann.commands_in_slack("quota")
        left = [re.search(r"left (\d+), of which (\d+) for sure", one) for one in both_say]
        assert left[0] is not None
        assert left[1] is not None
        assert left[0][0] == left[1][0]


async def test_what_is_blocked_on_one_side_is_the_person_on_both(tmp_path: Path, clock: VirtualClock) -> None:
    """In the community that blocks them only: what another lays down is its own affair."""
    async with both(tmp_path, clock) as ann:
        offered = await ann.commands_on_discord("link")
        code = re.search(r"the code `?([A-Z0-9-]{11})", offered)
        assert code is not None, offered
        await ann.commands_in_slack(f"link {code[1]} yes")
        assert await ann.used() == (0, 0)
        boss = ann.slack.person("U0BOSS", is_owner=True)
        await boss.commands("admin quota block <@U1ANN|ann>")
        await ann.slack.until(lambda: "may ask nothing more" in str(ann.slack.responses[-1]))
        assert "<@U1ANN> may ask nothing more" in str(ann.slack.responses[-1]), "as they are known there"
        await ann.in_slack.asks("may I?")
        await ann.slack.until(lambda: ann.slack.whispers("U1ANN"))
        assert "An admin has switched it off for you" in ann.slack.whispers("U1ANN")[0].beside
        await ann.asks_on_discord()
        assert await ann.used() == (1, 1)
