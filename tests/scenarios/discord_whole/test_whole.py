"""Discord, the whole of Potluck and the sandbox behind it: from a mention to the database and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.rendering import chatting
from bot.messages import ConversationId
from bot.ports import Turn
from bot.storage.posts import SqlPosts
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.discord.house import House
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.files import png
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

PICTURE = ("a.png", png(640, 480), "image/png")
SEEN = "I was shown a PNG of 640 × 480 pixels."


@asynccontextmanager
async def potluck(folder: Path, clock: VirtualClock, **env: str) -> AsyncIterator[tuple[House, Deployment]]:
    async with FakeDiscord(clock) as discord, deployment(folder, clock, env=env) as whole:
        home = House(discord, whole.running.database, clock)
        await home.start(whole.running.conversations, registry=whole.running.registry)
        try:
            yield home, whole
        finally:
            await home.stop()


async def test_a_mention_takes_one_unit_and_shows_the_answer_once(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as (home, whole):
        home.ann.mention(home.channel, "how do I bake bread?")
        await home.until(lambda: home.reads() and "1 of today's 50 used" in home.reads()[-1])
        assert len(home.reads()) == 1
        await whole.quiet()
        counted = await whole.counted()
        assert (counted["used"], counted["taken"]) == (1, 1)


async def test_a_pasted_key_reaches_nobody(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as (home, whole):
        home.ann.mention(home.channel, f"my key is sk-or-v1-{'0123456789abcdef' * 4}")
        await home.until(lambda: home.reads())
        assert "key" in home.reads()[0]
        assert home.labels(home.last()) == []
        assert (await whole.counted())["used"] == 0


async def test_a_question_in_line_keeps_its_message_over_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    """One request a minute: the second question waits, Potluck is stopped in order, and started again."""
    async with FakeDiscord(clock) as discord:
        async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as whole:
            home = House(discord, whole.running.database, clock)
            await home.start(whole.running.conversations)
            home.ann.mention(home.channel, "one")
            await home.until(lambda: len(home.reads()) == 1)
            home.bob.mention(home.channel, "two")
            await home.until(lambda: "You are next in line" in home.reads()[-1])
            waiting = home.last()["id"]
            assert home.adapter is not None
            home.adapter.stopping()
            await whole.running.conversations.close()
            await home.stop()
        assert home.reads()[-1] == chatting.RESTARTING_IN_LINE.text
        async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as whole:
            home.store = SqlPosts(whole.running.database, clock)
            await home.start(whole.running.conversations)
            await home.until(
                lambda: "2 of today's" in home.reads()[-1] or "1 of today's" in home.reads()[-1], seconds=120
            )
            assert [message["id"] for message in home.ann.sees(home.channel)][-1] == waiting
            assert len(home.reads()) == 2
            await home.stop()
            await whole.quiet()
            assert (await whole.counted())["used"] == 2


async def test_again_asks_with_the_same_picture(tmp_path: Path, clock: VirtualClock) -> None:
    """In a conversation of its own the model is shown it once; asked again, the earlier turn's goes along, too."""
    async with potluck(tmp_path, clock) as (home, whole):
        home.ann.mention(home.channel, "What is this?", files=[PICTURE])
        await home.until(lambda: home.reads() and SEEN in home.reads()[0] and "1 of today's" in home.reads()[0])
        await home.ann.press(home.last(), "Again")
        await home.until(lambda: len(home.reads()) == 2 and "2 of today's" in home.reads()[1])
        turns = await whole.running.conversations.turns(ConversationId(f"discord:{home.channel.id}/{_asked(home)}"))
        assert [[file.name for file in turn.files] for turn in turns] == [["a.png"], ["a.png"]]


def _asked(home: House) -> str:
    return str(home.ann.sees(home.channel)[0]["message_reference"]["message_id"])


async def test_a_picture_in_line_is_looked_at_after_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with FakeDiscord(clock) as discord:
        async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as whole:
            home = House(discord, whole.running.database, clock)
            await home.start(whole.running.conversations)
            home.ann.mention(home.channel, "one")
            await home.until(lambda: len(home.reads()) == 1)
            home.bob.mention(home.channel, "What is this?", files=[PICTURE])
            await home.until(lambda: "You are next in line" in home.reads()[-1])
            assert home.adapter is not None
            home.adapter.stopping()
            await whole.running.conversations.close()
            await home.stop()
        discord.world.files.clear()
        async with deployment(tmp_path, clock, env={"pool_rpm": "1"}) as whole:
            home.store = SqlPosts(whole.running.database, clock)
            await home.start(whole.running.conversations)
            await home.until(lambda: SEEN in home.reads()[-1], seconds=120)
            await home.stop()


async def test_what_admins_lay_down_for_a_channel_holds_there_and_in_its_threads(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(tmp_path, clock) as (home, _):
        other = home.discord.world.channel(home.guild, "other")
        home.discord.world.tell("CHANNEL_CREATE", home.discord.world.channel_payload(other))
        thread = home.discord.world.thread(home.channel)
        home.ann.user["_permissions"] = 1 << 5
        await home.ann.slash(home.channel, "admin channels deny")
        await home.until(lambda: home.reads() and home.reads()[-1])
        home.bob.mention(thread, "one")
        home.bob.mention(other, "two")
        await home.until(lambda: home.reads(other) and "1 of today's" in home.reads(other)[-1])
        assert "Questions are not answered in this channel." in home.reads(thread)[-1]


async def test_again_works_below_a_question_that_was_refused(tmp_path: Path, clock: VirtualClock) -> None:
    """Nothing was sent, so there is no turn that has it."""
    async with potluck(tmp_path, clock) as (home, whole):
        home.ann.user["_permissions"] = 1 << 5
        await home.ann.slash(home.channel, "admin channels deny")
        await home.until(lambda: home.reads() and home.reads()[-1])
        await home.bob.slash(home.channel, "ask", question="What is bread?")
        await home.until(lambda: "Questions are not answered in this channel." in home.reads()[-1])
        refused = home.last()
        await home.ann.slash(home.channel, "admin channels allow")
        await home.until(lambda: "are answered in" in home.reads()[-1])
        await home.bob.press(refused, "Again")
        await home.until(lambda: "1 of today's" in home.reads()[-1])
        assert [turn.question for turn in await _turns(home, whole)] == ["What is bread?"]


async def _turns(home: House, whole: Deployment) -> list[Turn]:
    kept = await home.store.find("discord", home.last()["id"])
    assert kept is not None
    return await whole.running.conversations.turns(kept.conversation)
