"""What is seen when Potluck stops, in order or not, and starts again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.rendering import chatting
from bot.clock import Instant
from bot.errors import Stopped
from bot.messages import Failed, Held, IncomingMessage, ModelId, Queued, ReplyEvent, TextDelta, TicketId
from bot.ports import Turn
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord import components
from tests.fakes.discord.house import House, house
from tests.fakes.discord.scripts import streaming, text_of
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]


async def waiting(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
    yield Queued(place=2, estimate=600.0)
    await asyncio.sleep(600)


async def test_a_restart_in_mid_line_asks_again_by_itself(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    """In order: the line says so. The same message then shows the answer."""
    talks.script = waiting
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    assert home.adapter is not None
    home.adapter.stopping()
    talks.stop(talks.asked[0].conversation, talks.asked[0].author)
    await home.until(lambda: home.reads() == [chatting.RESTARTING_IN_LINE.text])
    await home.stop()
    again = ScriptedConversations(clock)
    await home.start(again)
    await home.until(lambda: "acme/wit" in home.reads()[0])
    assert home.reads()[0].startswith("You said: one")
    assert len(home.reads()) == 1
    assert replace(again.asked[0], received_at=Instant(0)) == replace(talks.asked[0], received_at=Instant(0))
    await asyncio.sleep(1)
    assert await home.store.unfinished("discord") == []


async def test_a_kill_in_mid_line_asks_again_by_itself(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    talks.script = waiting
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.kill()
    await home.start(ScriptedConversations(clock))
    await home.until(lambda: "You said: one" in home.reads()[0])
    assert len(home.reads()) == 1


async def test_a_kill_in_mid_answer_says_that_it_was_cut_off(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and len(home.reads()[0]) > 200)
    shown = home.reads()[0]
    await home.kill()
    await home.start(ScriptedConversations(clock))
    await home.until(lambda: chatting.CUT_OFF_BY_RESTART.text in home.reads()[0])
    assert home.reads()[0].startswith(shown)
    text, footer = components.texts(home.last())
    assert text_of(1500).startswith(text)
    assert footer == chatting.CUT_OFF_BY_RESTART.text
    assert home.labels(home.last()) == ["Again"]


async def test_an_answer_that_was_whole_but_not_shown_is_shown_once_after_a_restart(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    whole = text_of(2500)
    talks.script = streaming(talks, text=whole, seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and len(home.reads()[0]) > 200)
    await home.kill()
    question, again = talks.asked[0], ScriptedConversations(clock)
    again.kept[question.conversation] = [
        Turn(
            message=question.id,
            author=question.author,
            author_name="Ann",
            question="one",
            answer=whole,
            whole=True,
            ended=True,
            model=ModelId("acme/wit-7b:free"),
            asked_at=question.received_at,
        )
    ]
    await home.start(again)
    await home.until(lambda: "acme/wit" in home.reads()[-1])
    assert len(home.reads()) == 2
    assert "".join("".join(home.reads()).split("\n-#")[0].split()).replace("```python", "").replace(
        "```", ""
    ) == "".join(whole.split()).replace("```python", "").replace("```", "")
    assert again.asked == []


async def test_a_stop_in_mid_answer_shows_what_came_and_why_it_ends(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and len(home.reads()[0]) > 200)
    assert home.adapter is not None
    home.adapter.stopping()
    talks.stop(talks.asked[0].conversation, talks.asked[0].author)
    began = clock.monotonic()
    await home.stop()
    assert clock.monotonic() - began < 10
    (message,) = home.ann.sees(home.channel)
    said, account = components.texts(message)[-1].split("\n-# ")
    assert said == chatting.CUT_OFF_BY_RESTART.text
    assert "1 of today's 50 used" in account, "what was sent is spent, and that is said"
    assert await home.store.unfinished("discord") == []


async def test_a_stop_is_over_within_ten_seconds_though_discord_hangs(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.discord.break_next("PATCH", "/messages/", times=100, status=0, done_first=True, seconds=1000)
    began = clock.monotonic()
    await home.stop()
    assert clock.monotonic() - began <= 10


async def test_buttons_work_after_a_restart(home: House, talks: ScriptedConversations, clock: VirtualClock) -> None:
    talks.script = waiting
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.kill()
    again = ScriptedConversations(clock, waiting)
    await home.start(again)
    await home.until(lambda: again.asked and home.labels(home.last()) == ["Stop"])
    await home.bob.press(home.last(), "Stop")
    assert chatting.ONLY_WHO_ASKED.text in home.bob.reads(home.channel)
    await home.ann.press(home.ann.sees(home.channel)[0], "Stop")
    await home.until(lambda: home.labels(home.ann.sees(home.channel)[0]) == ["Again"])


@pytest.mark.parametrize("restart", [False, True])
async def test_a_held_question_is_answered_later_as_a_reply_that_tells_who_asked(
    home: House, talks: ScriptedConversations, clock: VirtualClock, restart: bool
) -> None:
    room = asyncio.Event()

    async def held(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield Held(ticket=TicketId("t1"), estimate_at=Instant(clock.now() + 7200))

    async def later() -> AsyncGenerator[ReplyEvent]:
        yield Queued(place=1, estimate=1.0)
        await room.wait()
        yield talks.started()
        yield TextDelta(text="There was room.")
        yield talks.finished(talks.asked[0].author)

    talks.script, talks.held[TicketId("t1")] = held, later
    asked = home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    assert "<t:" in home.reads()[0]
    assert home.labels(home.last()) == ["Never mind"]
    if restart:
        await home.stop()
        other = ScriptedConversations(clock)
        other.held = talks.held
        await home.start(other)
    await asyncio.sleep(7200)
    assert len(home.reads()) == 1
    room.set()
    await home.until(lambda: len(home.reads()) == 2 and home.reads()[0] == chatting.ANSWERED_BELOW.text)
    assert home.reads()[1].startswith("There was room.")
    assert home.last()["message_reference"]["message_id"] == asked["id"]
    assert [who for who, _ in home.discord.world.pings] == [f"user:{home.ann.id}"]


async def test_a_held_question_that_is_dropped_says_so(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    dropped = asyncio.Event()

    async def held(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield Held(ticket=TicketId("t1"), estimate_at=None)

    async def later() -> AsyncGenerator[ReplyEvent]:
        await dropped.wait()
        yield Failed(error=Stopped(), share=await talks.share(talks.asked[0].author, talks.asked[0].community))

    talks.script, talks.held[TicketId("t1")] = held, later
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.ann.press(home.last(), "Never mind")
    assert talks.given_up == ["t1"]
    dropped.set()
    await home.until(lambda: home.reads() == [chatting.GIVEN_UP.text])


@pytest.mark.parametrize("times", [20, pytest.param(300, marks=pytest.mark.soak)])
async def test_restarts_are_one_command_sync(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop, times: int
) -> None:
    async with house(tmp_path, clock, loop) as home:
        for _ in range(times):
            await home.start(ScriptedConversations(clock))
            await home.stop()
        assert home.discord.gateway.identified == times
        assert home.discord.world.command_syncs == 1


async def test_commands_that_cannot_be_registered_keep_nobody_from_asking(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        home.discord.break_next("PUT", "/commands$", times=1, status=400)
        await home.start(ScriptedConversations(clock))
        home.ann.mention(home.channel, "one")
        await home.until(lambda: home.reads())
        await home.stop()
        await home.start(ScriptedConversations(clock))
        assert home.discord.world.command_syncs == 1


async def test_changed_commands_are_registered(home: House, talks: ScriptedConversations) -> None:
    from adapters.discord.commands import sync_if_changed

    assert home.adapter is not None
    assert home.adapter.client is not None
    tree = home.adapter.client.tree
    assert not await sync_if_changed(tree, home.store)
    tree.remove_command("mute")
    assert await sync_if_changed(tree, home.store)
    assert [command["name"] for command in home.discord.world.commands] == ["ask", "Ask about this"]
    assert not await sync_if_changed(tree, home.store)
