"""Answers that grow in Slack, as people see them: none lost, none doubled, and no call too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from bot.messages import Finished, IncomingMessage, ModelId, Queued, ReplyEvent, Share, Started, TextDelta
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.slack.potluck import Installed, in_slack
from tests.fakes.slack.web_api import Fault
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


def words(count: int) -> str:
    """Numbered words in paragraphs: what is lost or doubled shows."""
    return " ".join(f"w{number}" + ("\n\n" if number % 40 == 39 else "") for number in range(count))


def same(shown: str, wanted: str) -> bool:
    """All of it is there once; the white space where a message ends is not."""
    return shown.split() == wanted.split()


class Writer:
    """Answers every question with a text of its own, in even pieces over so many seconds."""

    def __init__(self, clock: VirtualClock, *, text: str, seconds: float, pieces: int, line: Sequence[Queued] = ()):
        self.text, self._gap, self._pieces, self._line = text, seconds / pieces, pieces, line
        self.conversations = ScriptedConversations(clock, self.write)

    async def write(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for queued in self._line:
            yield queued
            await asyncio.sleep(10)
        yield Started(model=ModelId("acme/wit-7b:free"), lane="free")
        size = -(-len(self.text) // self._pieces)
        for start in range(0, len(self.text), size):
            await asyncio.sleep(self._gap)
            yield TextDelta(text=self.text[start : start + size])
        share = Share(used=1, level=50.0, left_now=49, left_sure=0, resets_at=message.received_at)
        yield Finished(model=ModelId("acme/wit-7b:free"), lane="free", attempts=1, share=share)


def text_of(there: Installed, channel: str, root: str) -> str:
    return "\n".join(one.shown for one in there.slack.thread(channel, root))


async def test_a_short_answer_is_one_message_and_no_stream(tmp_path: Path, clock: VirtualClock) -> None:
    writer = Writer(clock, text="Yes.", seconds=4, pieces=1)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        said = await there.slack.person("U1ANN").asks("is it?")
        (answer,) = await there.slack.settled("C1", said.root)
        assert (answer.shown, answer.stream) == ("Yes.", "")
        assert not there.slack.api.of("chat.startStream")


async def test_a_place_in_line_is_shown_and_gives_way_to_the_answer(tmp_path: Path, clock: VirtualClock) -> None:
    line = [Queued(place=3, estimate=30.0), Queued(place=2, estimate=20.0), Queued(place=1, estimate=None)]
    writer = Writer(clock, text=words(200), seconds=10, pieces=20, line=line)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        said = await there.slack.person("U1ANN").asks("and then?")
        (answer,) = await there.slack.settled("C1", said.root)
        assert answer.task_titles == [
            "You are number 3 in line: about 30 seconds.",
            "You are number 2 in line: about 20 seconds.",
            "You are next in line.",
            "Answered by acme/wit-7b:free",
        ]
        assert same(answer.shown, writer.text)


async def test_twenty_five_answers_at_once_come_whole_without_one_call_too_many(
    tmp_path: Path, clock: VirtualClock
) -> None:
    writer = Writer(clock, text=words(900), seconds=40, pieces=200)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        slack = there.slack
        people = [slack.person(f"U{number}X") for number in range(25)]
        asked = await asyncio.gather(*(person.asks("all of it, please") for person in people))
        for said in asked:
            await slack.settled("C1", said.root)
            assert same(text_of(there, "C1", said.root), writer.text)
        assert not slack.limits.refused
        assert sum(one.stream == "over" for one in slack.world.messages.values()) >= 15, "most of them grew"


async def test_an_answer_of_six_minutes_goes_on_in_a_second_message_before_slack_ends_the_first(
    tmp_path: Path, clock: VirtualClock
) -> None:
    writer = Writer(clock, text=words(1500), seconds=360, pieces=720)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        said = await there.slack.person("U1ANN").asks("take your time")
        messages = await there.slack.settled("C1", said.root)
        assert [one.stream for one in messages] == ["over", "over"]
        assert same(text_of(there, "C1", said.root), writer.text)
        assert "49 left" in messages[-1].beside
        assert not messages[0].beside
        assert not [call for call in there.slack.api.calls if call.error]


TABLE = "| no | word |\n|---|---|\n" + "".join(f"| {row} | t{row} |\n" for row in range(60))
CODE = "```python\n" + "".join(f"print('c{line}')  # a line of code\n" for line in range(300)) + "```\n"
LONG = "\n\n".join([words(900), TABLE, CODE, words(1200), CODE, TABLE])


@pytest.mark.parametrize("seconds", [0.5, 60.0, 330.0])
async def test_thirty_thousand_characters_with_tables_and_code_come_whole_in_messages_that_fit(
    tmp_path: Path, clock: VirtualClock, seconds: float
) -> None:
    assert len(LONG) > 30_000
    writer = Writer(clock, text=LONG, seconds=seconds, pieces=100)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        said = await there.slack.person("U1ANN").dms("everything")
        messages = await there.slack.settled(said.channel, said.root)
        assert len(messages) >= 3
        for message in messages:
            assert len(message.shown) <= 12_000
            assert message.shown.count("```") % 2 == 0, "no block of code is left open"
        shown = text_of(there, said.channel, said.root)
        marks = {"```", "```python"}
        assert [word for word in shown.split() if word not in marks] == [
            word for word in LONG.split() if word not in marks
        ]
        assert not there.slack.limits.refused


async def test_stop_in_mid_stream_keeps_what_was_shown_and_stops_the_answer(
    tmp_path: Path, clock: VirtualClock
) -> None:
    writer = Writer(clock, text=words(900), seconds=60, pieces=60)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("go on and on")
        await slack.until(lambda: "w50" in slack.answer("C1", said.root))
        await ann.presses_stop("C1", said.root, list(slack.streams.live("C1", said.root)))
        (answer,) = await slack.settled("C1", said.root)
        assert "Stopped." in answer.beside
        assert writer.text.startswith(answer.shown)
        await asyncio.sleep(30)
        assert slack.sessions.status("C1", said.root) == "active"
        assert len(slack.thread("C1", said.root)) == 1


async def test_stop_while_in_line_gives_the_place_back_and_nothing_is_taken(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, pool_rpm="1") as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        await slack.settled("C1", (await ann.asks("first")).root)
        said = await ben.asks("second")
        await slack.until(lambda: slack.thread("C1", said.root))
        await ben.presses_stop("C1", said.root, list(slack.streams.live("C1", said.root)))
        await slack.settled("C1", said.root)
        await asyncio.sleep(90)
        await there.potluck.quiet()
        assert (await there.potluck.counted())["taken"] == 1
        (shown,) = slack.thread("C1", said.root)
        assert "Stopped." in shown.beside
        assert not shown.shown


FAULTS = {
    "an append is refused: the stream had died": ("chat.appendStream", Fault(error="message_not_in_streaming_state")),
    "an append is lost on its way back": ("chat.appendStream", Fault(drop=True, after=True)),
    "an append is lost on its way there": ("chat.appendStream", Fault(drop=True)),
    "an append meets a fault of Slack's": ("chat.appendStream", Fault(error="fatal_error", status=503)),
    "a start is lost on its way back": ("chat.startStream", Fault(drop=True, after=True)),
    "a start is refused here": ("chat.startStream", Fault(error="channel_type_not_supported")),
    "a stop is lost on its way back": ("chat.stopStream", Fault(drop=True, after=True)),
    "a stop is lost on its way there": ("chat.stopStream", Fault(drop=True)),
    "a stop comes too late": ("chat.stopStream", Fault(error="message_not_in_streaming_state")),
    "a stop names somebody Slack does not find": ("chat.stopStream", Fault(error="user_not_found", after=True)),
    "Slack asks to slow down": ("chat.appendStream", Fault(error="ratelimited", status=429, retry_after=7)),
    "Slack asks to slow down at the end": ("chat.stopStream", Fault(error="ratelimited", status=429, retry_after=7)),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_befalls_a_stream_its_text_is_there_once(
    tmp_path: Path, clock: VirtualClock, fault: str
) -> None:
    writer = Writer(clock, text=words(600), seconds=30, pieces=60)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        method, what = FAULTS[fault]
        there.slack.api.faults[method].append(what)
        said = await there.slack.person("U1ANN").asks("once, please")
        await there.slack.settled("C1", said.root)
        await there.slack.until(
            lambda: "49 left" in " ".join(one.beside for one in there.slack.thread("C1", said.root))
        )
        assert same(text_of(there, "C1", said.root), writer.text)
        assert there.slack.sessions.status("C1", said.root) == "active"


async def test_a_message_whose_posting_nobody_confirmed_is_looked_for_and_not_posted_twice(
    tmp_path: Path, clock: VirtualClock
) -> None:
    writer = Writer(clock, text="Yes.", seconds=1, pieces=1)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        there.slack.api.faults["chat.postMessage"] += [Fault(drop=True, after=True)]
        said = await there.slack.person("U1ANN").asks("is it?")
        await asyncio.sleep(30)
        assert [one.shown for one in there.slack.thread("C1", said.root)] == ["Yes."]
        there.slack.api.faults["chat.postMessage"] += [Fault(drop=True)]
        said = await there.slack.person("U1ANN").asks("is it?")
        await asyncio.sleep(30)
        assert [one.shown for one in there.slack.thread("C1", said.root)] == ["Yes."]


async def test_the_model_is_read_at_its_own_pace_however_slow_slack_is(tmp_path: Path, clock: VirtualClock) -> None:
    writer = Writer(clock, text=words(600), seconds=10, pieces=100)
    async with in_slack(tmp_path, clock, conversations=writer.conversations) as there:
        there.slack.api.faults["chat.appendStream"] += [Fault(seconds=15.0)] * 3
        ended = asyncio.Event()
        write = writer.conversations.script

        async def watched(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
            async for event in write(message):
                yield event
            ended.set()

        writer.conversations.script = watched
        said = await there.slack.person("U1ANN").asks("hurry")
        async with asyncio.timeout(12):
            await ended.wait()
        await there.slack.settled("C1", said.root)
        assert same(text_of(there, "C1", said.root), writer.text)


async def test_nothing_in_an_answer_calls_anybody_or_unfolds_a_link(tmp_path: Path, clock: VirtualClock) -> None:
    hostile = "Come, <!channel> and <!here|all>, ask <@U2BEN> in <#C1>; see https://evil.example/?d=1 and 1 < 2 <"
    for pieces, seconds in ((len(hostile), 20.0), (1, 0.1)):
        writer = Writer(clock, text=hostile, seconds=seconds, pieces=pieces)
        async with in_slack(tmp_path / str(pieces), clock, conversations=writer.conversations) as there:
            said = await there.slack.person("U1ANN").asks("call everybody")
            (message,) = await there.slack.settled("C1", said.root)
            assert "channel>" in message.shown
            assert not any(sign in message.shown for sign in ("<!", "<@", "<#"))
            assert message.shown.replace("\u200b", "") == hostile
            if not message.stream:
                assert (message.sent["unfurl_links"], message.sent["unfurl_media"]) == (False, False)
