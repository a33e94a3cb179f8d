"""What is seen when Discord, the network or people get in the way of an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest

from adapters.rendering import chatting
from bot.errors import Stopped
from bot.messages import Failed, Held, IncomingMessage, Queued, ReplyEvent, TextDelta, TicketId
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord import components
from tests.fakes.discord.house import House
from tests.fakes.discord.places import SEND_MESSAGES, VIEW_CHANNEL
from tests.fakes.discord.scripts import WORDS, streaming
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def waiting(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
    yield Queued(place=2, estimate=600.0)
    await asyncio.sleep(600)


async def test_an_answer_is_shown_although_discord_was_down_for_ten_minutes_at_its_end(
    home: House, talks: ScriptedConversations
) -> None:
    talks.script = streaming(talks, text=WORDS * 10, seconds=5)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    outage = home.discord.faults
    home.discord.break_next("PATCH", "/messages/", times=10_000, status=503)
    await asyncio.sleep(600)
    assert home.labels(home.last()) != ["Again"]
    outage.clear()
    await home.until(lambda: home.labels(home.last()) == ["Again"], seconds=120)
    assert components.texts(home.last())[0] == (WORDS * 10).rstrip()
    assert len(home.reads()) == 1


async def test_what_discord_would_not_take_in_hours_is_shown_after_the_next_start(
    home: House, talks: ScriptedConversations
) -> None:
    talks.script = streaming(talks, text=WORDS * 10, seconds=5)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.discord.break_next("PATCH", "/messages/", times=10_000, status=503)
    await asyncio.sleep(2 * 3600)
    (kept,) = await home.store.unfinished("discord")
    assert kept.stage == "started"


async def test_hours_in_line_and_the_answer_after_them_are_shown_without_one_429(
    home: House, talks: ScriptedConversations
) -> None:
    """Discord takes edits of a message that is over an hour old much more rarely."""
    places = [(12, 3600.0), *((place, 8.0) for place in range(11, 0, -1))]
    talks.script = streaming(talks, text=WORDS * 25, seconds=60, queue=places)
    home.ann.mention(home.channel, "one")
    await asyncio.sleep(3600)
    await home.until(lambda: home.reads() and home.labels(home.last()) == ["Again"], seconds=300)
    assert home.discord.buckets.limited == []
    assert len(home.reads()) == 1
    assert len(home.discord.world.sent) > 15


async def test_a_thread_that_is_archived_in_mid_answer_is_opened_again(
    home: House, talks: ScriptedConversations
) -> None:
    thread = home.discord.world.thread(home.channel)
    talks.script = streaming(talks, text=WORDS * 10, seconds=20)
    home.ann.mention(thread, "one")
    await home.until(lambda: home.reads(thread))
    home.discord.world.archive(thread)
    await home.until(lambda: home.labels(home.last(thread)) == ["Again"])
    assert not thread.archived


async def test_a_thread_that_slept_is_the_same_conversation_when_somebody_wakes_it(
    home: House, talks: ScriptedConversations
) -> None:
    thread = home.discord.world.thread(home.channel)
    home.ann.mention(thread, "one")
    await home.until(lambda: home.reads(thread))
    home.discord.world.archive(thread)
    home.ann.mention(thread, "two")
    await home.until(lambda: len(home.reads(thread)) == 2)
    assert talks.asked[0].conversation == talks.asked[1].conversation == f"discord:{thread.id}"


async def test_a_thread_that_is_locked_in_mid_answer_is_left_alone_and_who_asked_is_told(
    home: House, talks: ScriptedConversations
) -> None:
    thread = home.discord.world.thread(home.channel)
    talks.script = streaming(talks, text=WORDS * 10, seconds=20)
    home.ann.mention(thread, "one")
    await home.until(lambda: home.reads(thread))
    home.discord.world.archive(thread, locked=True)
    await home.until(lambda: home.reads(home.ann.dm) == [chatting.CANNOT_WRITE_HERE.text])
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    home.ann.mention(thread, "two")
    await asyncio.sleep(10)
    assert len(talks.asked) == 1
    assert home.adapter is not None
    assert home.adapter.state == "ok", "what it tells in private is known as its own"


@pytest.mark.parametrize("how", ["closed", "kicked", "deleted"])
async def test_a_channel_that_goes_in_mid_answer_is_tried_once_and_who_asked_is_told(
    home: House, talks: ScriptedConversations, how: str
) -> None:
    talks.script = streaming(talks, text="word " * 300, seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    world = home.discord.world
    if how == "closed":
        home.channel.denied = SEND_MESSAGES | VIEW_CHANNEL
    elif how == "kicked":
        world.leave(home.guild)
    else:
        del world.channels[home.channel.id]
        world.tell("CHANNEL_DELETE", world.channel_payload(home.channel))
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    await asyncio.sleep(60)
    refused = [status for method, _, status in home.discord.requests if method == "PATCH" and status >= 400]
    assert refused == [404 if how == "deleted" else 403]
    assert home.reads(home.ann.dm) == ([] if how == "deleted" else [chatting.CANNOT_WRITE_HERE.text])


async def test_a_question_from_where_nothing_may_be_written_is_answered_so_in_private(
    home: House, talks: ScriptedConversations
) -> None:
    closed = home.discord.world.channel(home.guild, "closed", denied=SEND_MESSAGES)
    home.discord.world.tell("CHANNEL_CREATE", home.discord.world.channel_payload(closed))
    home.ann.mention(closed, "one")
    home.ann.mention(closed, "two")
    await home.until(lambda: home.reads(home.ann.dm))
    await asyncio.sleep(10)
    assert home.reads(home.ann.dm) == [chatting.CANNOT_WRITE_HERE.text]
    assert talks.asked == []
    assert home.discord.buckets.invalid == []


async def test_a_question_that_is_deleted_in_line_leaves_it_and_nothing_stays(
    home: House, talks: ScriptedConversations
) -> None:
    talks.script = waiting
    asked = home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.discord.world.delete(home.channel, asked)
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    await home.until(lambda: home.reads() == [])
    assert await home.store.unfinished("discord") == []


async def test_an_answer_goes_on_whose_question_is_deleted_or_edited(home: House, talks: ScriptedConversations) -> None:
    """It is sent and spent. An edit asks nothing new."""
    talks.script = streaming(talks, text=WORDS * 10, seconds=20)
    asked = home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.discord.world.edit(asked, {"content": asked["content"] + " and two"})
    home.discord.world.delete(home.channel, asked)
    await home.until(lambda: home.labels(home.last()) == ["Again"])
    assert [message.text for message in talks.asked] == ["one"]


async def test_again_pressed_twice_is_asked_once(home: House, talks: ScriptedConversations) -> None:
    """And once more when that is over."""
    from tests.scenarios.discord_talk.test_talking import turn_of

    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and home.labels(home.last()) == ["Again"])
    talks.kept[talks.asked[0].conversation] = [turn_of(talks)]
    answer = home.last()
    talks.script = streaming(talks, text=WORDS, seconds=10)
    await asyncio.gather(*(home.ann.press(answer, "Again") for _ in range(3)))
    assert chatting.BEING_ASKED.text in home.reads()
    await home.until(lambda: home.labels(home.last()) == ["Again"])
    assert len(talks.asked) == 2
    await asyncio.sleep(1)
    await home.ann.press(answer, "Again")
    await home.until(lambda: len(talks.asked) == 3)


@pytest.mark.parametrize("status", [0, 502])
async def test_an_acknowledgement_whose_answer_is_lost_is_no_other_program(
    home: House, talks: ScriptedConversations, status: int
) -> None:
    home.discord.break_next("POST", "/callback", status=status, done_first=True)
    await home.ann.slash(home.channel, "ask", question="what is it?")
    await home.until(lambda: home.reads()[-1:] and home.reads()[-1].startswith("You said: what is it?"))
    assert home.adapter is not None
    assert home.adapter.state == "ok"


async def test_a_command_another_program_acknowledged_is_not_asked_here(
    home: House, talks: ScriptedConversations
) -> None:
    asking = asyncio.create_task(home.ann.slash(home.channel, "ask", question="what is it?"))
    await asyncio.sleep(0)
    for interaction in home.discord.interactions._open.values():
        interaction.kind = 5
    await asking
    await home.until(lambda: home.adapter and home.adapter.state == "another program uses this token")
    assert talks.asked == []


async def test_pieces_of_a_commands_answer_are_never_doubled(home: House, talks: ScriptedConversations) -> None:
    """What Discord made when it was acknowledged is edited; further pieces are messages with a nonce."""
    whole = WORDS * 80
    talks.script = streaming(talks, text=whole, seconds=20)
    home.discord.break_next("POST", "/messages$", times=2, status=0, done_first=True)
    home.discord.break_next("PATCH", "/messages/@original", times=2, status=502, done_first=True)
    await home.ann.slash(home.channel, "ask", question="what is it?")
    await home.until(lambda: home.reads()[-1:] and "acme/wit" in home.reads()[-1], seconds=200)
    assert len(home.reads()) == 3
    assert " ".join(components.texts(one)[0] for one in home.ann.sees(home.channel)).split() == whole.split()
    hooks = [path for method, path, _ in home.discord.requests if method == "POST" and path.startswith("/webhooks/")]
    assert hooks == []


async def test_where_the_bot_is_not_a_long_answer_is_one_message_and_a_file(
    home: House, talks: ScriptedConversations
) -> None:
    elsewhere = home.discord.world.channel({"id": "4242"}, "elsewhere")
    talks.script = streaming(talks, text=WORDS * 80, seconds=20)
    await home.ann.slash(elsewhere, "ask", here=False, question="what?")
    await home.until(lambda: home.reads(elsewhere) and "acme/wit" in home.reads(elsewhere)[-1])
    (message,) = home.ann.sees(elsewhere)
    assert components.shown_files(message) == ["answer.md"]
    assert 2000 < len(components.texts(message)[0]) <= 3000
    assert not talks.asked[0].hold, "what is held is answered when nothing can be written there any more"


async def test_presence_comes_back_after_lines_that_broke(
    home: House, talks: ScriptedConversations, clock: VirtualClock
) -> None:
    gateway = home.discord.gateway
    await home.until(lambda: gateway.presences)
    await gateway.drop(forget=True)
    await home.until(lambda: len(gateway.presences) == 2)
    await gateway.drop()
    home.ann.say(home.ann.dm, "hello")
    await home.until(lambda: len(gateway.presences) == 3)
    assert gateway.presences[-1][1]["activities"][0]["state"] == "49 of 50 left today"


@pytest.mark.parametrize("at", [0, 10])
async def test_an_answer_the_servers_rules_do_not_take_says_so(
    home: House, talks: ScriptedConversations, at: int
) -> None:
    home.discord.world.blocked = "forbidden word"
    talks.script = streaming(talks, text=WORDS * at + "forbidden word " + WORDS * 5, seconds=20)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and chatting.NOT_TAKEN.text in home.reads()[-1])
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    (said,) = home.reads()
    assert said.startswith(WORDS.strip()) == bool(at), "what stood there stays"


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_command_that_was_held_is_answered_to_the_one_who_asked_by_name(
    home: House, talks: ScriptedConversations, deleted: bool
) -> None:
    """There is no message to reply to. A held question whose message is deleted is dropped instead."""
    room = asyncio.Event()

    async def held(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield Held(ticket=TicketId("t1"), estimate_at=None)

    async def later() -> AsyncGenerator[ReplyEvent]:
        await room.wait()
        if deleted:
            yield Failed(error=Stopped(), share=await talks.share(talks.asked[0].author, talks.asked[0].community))
            return
        yield talks.started()
        yield TextDelta(text=WORDS * 50)
        yield talks.finished(talks.asked[0].author)

    talks.script, talks.held[TicketId("t1")] = held, later
    if deleted:
        asked = home.ann.mention(home.channel, "one")
    else:
        await home.ann.slash(home.channel, "ask", question="one")
    await home.until(lambda: home.reads() and home.labels(home.last()) == ["Never mind"])
    await asyncio.sleep(1)
    if deleted:
        home.discord.world.delete(home.channel, asked)
        await asyncio.sleep(1)
        assert talks.given_up == ["t1"]
    room.set()
    await home.until(lambda: home.reads()[0] == (chatting.GIVEN_UP if deleted else chatting.ANSWERED_BELOW).text)
    named = [] if deleted else [f"user:{home.ann.id}"]
    assert [who for who, _ in home.discord.world.pings] == named
    assert len(home.reads()) == (1 if deleted else 3)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 60))])
async def test_whatever_fails_every_answer_stands_there_once_and_whole(
    home: House, talks: ScriptedConversations, seed: int
) -> None:
    """Answers of many lengths in three places, while lines drop, requests fail or are carried out unheard."""
    choose = random.Random(seed)
    wholes = {f"question {number}": WORDS * choose.choice([1, 10, 40, 100]) for number in range(9)}

    async def script(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        whole = streaming(talks, text=wholes[message.text], seconds=choose.uniform(1, 40), chunks=60)
        async for event in whole(message):
            yield event

    talks.script = script
    places = [home.channel, home.discord.world.thread(home.channel), home.ann.dm]
    for number, text in enumerate(wholes):
        where = places[number % 3]
        if number % 4 == 3 and where is not home.ann.dm:
            await home.bob.slash(where, "ask", question=text)
        else:
            home.ann.mention(where, text)
        for _ in range(3):
            method, path = choose.choice([("POST", "/messages$"), ("PATCH", "/messages/"), ("PATCH", "@original")])
            times, status = choose.randint(1, 3), choose.choice([0, 500, 502, 503])
            home.discord.break_next(method, path, times=times, status=status, done_first=choose.random() < 0.5)
        if choose.random() < 0.4:
            await asyncio.sleep(1)
            await home.discord.gateway.drop(forget=choose.random() < 0.5)
            # What is said to nobody is not asked: a new session is not told what the last one missed.
            await home.until(lambda: any(session.socket for session in home.discord.gateway.sessions.values()))
        if choose.random() < 0.3:
            home.discord.buckets.shared_for = choose.uniform(1, 10)
        await asyncio.sleep(choose.uniform(0, 8))
    await asyncio.sleep(600)
    shown = [message for where in places for message in home.ann.sees(where)]
    pieces = [components.texts(message)[0] for message in shown]
    answers, parts = [], list[str]()
    for message, text in zip(shown, pieces, strict=True):
        assert len(text) <= 2000
        parts.append(text)
        if home.labels(message) == ["Again"]:
            answers.append(" ".join(parts).split())
            parts = []
    assert parts == []
    assert len(talks.asked) == len(wholes), "each was asked once"
    assert sum(map(len, answers)) == sum(len(whole.split()) for whole in wholes.values())
    assert home.discord.world.pings == []
    assert all(sent.payload["allowed_mentions"]["parse"] == [] for sent in home.discord.world.sent)
