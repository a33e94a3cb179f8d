"""What is seen of an answer while it is written, and what Discord's limits see of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from itertools import pairwise

import pytest

from adapters.rendering import chatting, words
from bot.errors import AnswerFailed
from bot.messages import Failed, IncomingMessage, Notice, ReplyEvent, TextDelta
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord import components
from tests.fakes.discord.buckets import RULES
from tests.fakes.discord.house import House
from tests.fakes.discord.scripts import WORDS, streaming, text_of, timed

pytestmark = pytest.mark.virtual


def shown(home: House) -> str:
    """All that stands in the channel, without what was added below answers."""
    return "\n".join(components.texts(message)[0] for message in home.ann.sees(home.channel))


def same(one: str, other: str) -> bool:
    """The same but for white space and fences at seams."""

    def plain(text: str) -> str:
        return "".join(re.sub(r"```(python)?", "", text).split())

    return plain(one) == plain(other)


async def test_two_people_stream_in_one_channel_for_a_minute_without_one_429(
    home: House, talks: ScriptedConversations
) -> None:
    talks.script = streaming(talks, text=text_of(3000), seconds=60)
    home.ann.mention(home.channel, "one")
    home.bob.mention(home.channel, "two")
    await home.until(lambda: sum("acme/wit" in text for text in home.reads()) == 2, seconds=90)
    assert home.discord.buckets.limited == []
    edits = [sent for sent in home.discord.world.sent if sent.method == "PATCH"]
    assert len(edits) > 30, "both were shown as they came"
    per_answer = {sent.path: 0 for sent in edits}
    for sent in edits:
        per_answer[sent.path] += 1
    firsts = [per_answer[path] for path in list(per_answer)[:2]]
    assert min(firsts) > 0.5 * max(firsts), "neither starved the other"
    writes = [sent.at for sent in home.discord.world.sent]
    assert min(later - earlier for earlier, later in pairwise(writes)) > 1.0


async def test_reading_is_never_slowed_by_an_exhausted_bucket(home: House, talks: ScriptedConversations) -> None:
    """The model's text is taken at full pace while Discord lets nothing through. The control waits as others do."""
    loop = asyncio.get_running_loop()
    moments: list[float] = []
    whole = streaming(talks, text=text_of(1500), seconds=10, chunks=500)
    talks.script = timed(whole, loop.time, moments)
    home.discord.buckets.exhaust("create", home.channel.id, seconds=30)
    home.ann.mention(home.channel, "one")
    began = loop.time()
    await home.until(lambda: len(moments) >= 500)
    assert moments[499] - began < 10.5
    assert home.reads() == [], "and Discord had let nothing through"
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1])
    assert same(shown(home), text_of(1500))

    control: list[float] = []
    began = loop.time()
    client = home.adapter.client if home.adapter else None
    assert client is not None
    place = client.get_partial_messageable(home.channel.id)
    message = await place.send("…")
    async for _ in timed(whole, loop.time, control)(talks.asked[0]):
        await message.edit(content=f"{len(control)} chunks")
    assert control[499] - began > 100


async def test_the_text_is_plain_until_its_end_and_what_potluck_says_of_it_stands_below_a_line(
    home: House, talks: ScriptedConversations
) -> None:
    """Nothing a model writes can stand where the footer does."""
    forged = "Fine.\n-# `acme/wit-700b` · paid · $9.00"
    whole = f"{WORDS * 45}\n\n{forged}"
    talks.script = streaming(talks, text=whole, seconds=20)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: len(home.reads()) == 1 and len(home.reads()[0]) > 300)
    assert home.last()["content"] == home.reads()[0]
    assert home.labels(home.last()) == ["Stop"]
    await home.until(lambda: home.labels(home.last()) == ["Again"])
    first, last = home.ann.sees(home.channel)
    assert (first["content"], first["components"]) == (home.reads()[0], [])
    assert not first["flags"] & components.V2
    assert last["content"] == ""
    kinds = [one["type"] for one in last["components"]]
    assert kinds == [components.TEXT, components.SEPARATOR, components.TEXT, components.ROW]
    text, footer = components.texts(last)
    assert text.endswith(forged)
    assert footer.startswith("-# `acme/wit-7b:free` · free · ")
    assert {sent.payload.get("flags", 0) & components.V2 for sent in home.discord.world.sent[:-1]} == {0}
    assert same(shown(home), whole)


async def test_a_quick_answer_is_one_message_and_no_edit(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, "quick")
    await home.until(lambda: home.reads())
    await asyncio.sleep(10)
    assert [sent.method for sent in home.discord.world.sent] == ["POST"]


async def test_an_answer_of_30_000_characters_is_some_messages_and_a_file(
    home: House, talks: ScriptedConversations
) -> None:
    whole = text_of(30_000)
    talks.script = streaming(talks, text=whole, seconds=40)
    home.ann.mention(home.channel, "long")
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1], seconds=120)
    messages = home.ann.sees(home.channel)
    assert len(messages) == 6
    texts = [components.texts(message)[0] for message in messages]
    assert all(len(text) <= 2000 for text in texts)
    assert all(text.count("```") % 2 == 0 for text in texts)
    assert [components.shown_files(message) for message in messages] == [[], [], [], [], [], ["answer.md"]]
    (file,) = home.discord.world.files.values()
    assert file[0].decode() == whole
    assert chatting.WHOLE_IN_FILE.text in home.reads()[-1]
    assert [home.labels(message) for message in messages] == [[], [], [], [], [], ["Again"]]
    assert home.discord.buckets.limited == []


async def test_the_place_in_line_is_shown_and_stop_leaves_it(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(talks, text="never", seconds=1, queue=[(3, 20.0), (2, 20.0), (1, 20.0)])
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    assert home.reads() == ["You are number 3 in line: about 20 seconds."]
    assert home.labels(home.last()) == ["Stop"]
    await home.until(lambda: home.reads() == ["You are number 2 in line: about 20 seconds."])
    await home.bob.press(home.last(), "Stop")
    assert "Only who asked" in home.bob.reads(home.channel)[-1]
    assert talks.closed.empty()
    await home.ann.press(home.last(), "Stop")
    await home.until(lambda: home.labels(home.ann.sees(home.channel)[0]) == ["Again"])
    assert "stopped" in home.reads()[0].lower()


async def test_a_stranger_pressing_stop_stops_nothing_and_is_told_so_alone(
    home: House, talks: ScriptedConversations
) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=30)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: len(home.reads()) == 1 and len(home.reads()[0]) > 300)
    await home.bob.press(home.last(), "Stop")
    assert home.bob.reads(home.channel)[-1] == chatting.ONLY_WHO_ASKED.text
    assert len(home.reads()) == 1, "nobody else sees that"
    await home.until(lambda: "acme/wit" in home.reads()[-1])
    assert same(shown(home), text_of(1500))
    assert talks.closed.empty()


async def test_what_a_newcomer_should_know_stands_below_the_answer(home: House, talks: ScriptedConversations) -> None:
    async def warns(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield Notice(kind="free_models_may_train")
        yield Notice(kind="history_shortened", count=3)
        async for event in talks.echo(message):
            yield event

    talks.script = warns
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    _, footer = components.texts(home.last())
    assert footer.splitlines()[:2] == [
        f"-# {words.notice('free_models_may_train')}",
        f"-# {words.notice('history_shortened', 3)}",
    ]


async def test_stop_ends_an_answer_and_what_has_come_stays(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=30)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: len(home.reads()) == 1 and len(home.reads()[0]) > 300)
    await home.ann.press(home.last(), "Stop")
    await home.until(lambda: home.labels(home.last()) == ["Again"])
    (message,) = home.ann.sees(home.channel)
    text, footer = components.texts(message)
    assert text_of(1500).startswith(text)
    assert "stopped" in footer.lower()


async def test_an_answer_that_broke_off_can_be_continued(home: House, talks: ScriptedConversations) -> None:
    async def breaks(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        yield talks.started()
        yield TextDelta(text="The first half of it")
        error = AnswerFailed("upstream_failed", reason="cut_off")
        yield Failed(error=error, share=await talks.share(message.author, message.community), partial=True)

    talks.script = breaks
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and home.labels(home.last()) == ["Continue", "Again"])
    text, footer = components.texts(home.last())
    assert text == "The first half of it"
    assert "What has come so far stays" in footer
    talks.script = talks.echo
    await home.ann.press(home.last(), "Continue")
    await home.until(lambda: len(home.reads()) == 2)
    assert talks.asked[1].text == chatting.CONTINUE.text
    assert talks.asked[1].conversation == talks.asked[0].conversation


async def test_a_reconnect_in_mid_stream_costs_nothing(home: House, talks: ScriptedConversations) -> None:
    whole = text_of(1500)
    talks.script = streaming(talks, text=whole, seconds=20)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.discord.gateway.drop()
    home.bob.mention(home.channel, "asked while the line was dead")
    await asyncio.sleep(5)
    await home.discord.gateway.drop(forget=True)
    await home.until(lambda: sum("acme/wit" in text for text in home.reads()) == 2, seconds=90)
    assert [message.text for message in talks.asked] == ["one", "asked while the line was dead"]
    assert len(home.reads()) == 2
    assert all(same(re.sub(r"\n-# .*", "", text), whole) for text in home.reads())


async def test_lost_answers_of_discord_double_nothing(home: House, talks: ScriptedConversations) -> None:
    """Discord carries a write out and its answer is lost, or it fails for a while: each message stands there once."""
    whole = text_of(4000)
    talks.script = streaming(talks, text=whole, seconds=20)
    home.discord.break_next("POST", "/messages$", times=2, status=0, done_first=True)
    home.discord.break_next("POST", "/messages$", times=1, status=503)
    home.discord.break_next("PATCH", "/messages/", times=3, status=502, done_first=True)
    home.discord.break_next("PATCH", "/messages/", times=1, status=0)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1], seconds=200)
    assert same(shown(home), whole)
    assert len(home.reads()) == 3


async def test_shared_and_global_limits_are_waited_out(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(talks, text=text_of(800), seconds=5)
    home.discord.buckets.shared_for = 7.0
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1])
    assert [limited.scope for limited in home.discord.buckets.limited] == ["shared"]
    assert len(home.reads()) == 1


async def test_a_deleted_answer_stops(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(talks, text=text_of(1500), seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.discord.world.delete(home.channel, home.last())
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    await asyncio.sleep(10)
    assert home.reads() == []
    refused = [status for method, _, status in home.discord.requests if method == "PATCH" and status >= 400]
    assert refused == [404], "it was tried once"


async def test_a_wait_of_15_minutes_behind_ask_ends_in_an_answer(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(
        talks, text=text_of(900), seconds=30, queue=[(place, 120.0) for place in range(7, 0, -1)] + [(1, 60.0)]
    )
    await home.ann.slash(home.channel, "ask", question="what?")
    await home.until(lambda: home.reads() and "number 7" in home.reads()[0])
    await home.until(lambda: "acme/wit" in home.reads()[-1], seconds=1100)
    assert same(shown(home), text_of(900))
    assert len(home.reads()) == 1
    ways = ["hook" if "/webhooks/" in sent.path else "channel" for sent in home.discord.world.sent]
    assert ways[0] == "hook"
    assert ways[-1] == "channel"
    assert ways == sorted(ways, reverse=True), "once, and before the token died"
    assert [status for _, _, status in home.discord.requests if status in (401, 404)] == []


async def test_where_the_bot_is_not_a_command_says_so_before_its_token_dies(
    home: House, talks: ScriptedConversations
) -> None:
    elsewhere = home.discord.world.channel({"id": "4242"}, "elsewhere")
    talks.script = streaming(talks, text="late", seconds=1, queue=[(1, 2000.0)])
    await home.ann.slash(elsewhere, "ask", here=False, question="what?")
    await home.until(lambda: home.reads(elsewhere)[-1:] == [chatting.CANNOT_WRITE_LATER.text], seconds=900)
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id


def test_the_fakes_limits_are_those_that_are_known() -> None:
    assert {(rule.name, rule.limit, rule.seconds) for rule in RULES} >= {("create", 5, 5.0), ("edit", 5, 5.0)}
