"""What befalls people, channels and Slack itself while an answer is on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.slack.inbound import Spot
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.databases import HOME, filled_up
from tests.fakes.slack.files import Stored
from tests.fakes.slack.potluck import Installed, in_slack
from tests.fakes.slack.web_api import Fault
from tests.fakes.slack.world import Message
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

SLOW = SandboxSettings(seconds_per_chunk=0.2)
"""A long answer takes a minute or two."""


def direct(there: Installed, user: str) -> list[Message]:
    """What a person was written directly, below nothing."""
    channel = there.slack.person(user).dm().id
    return [
        one
        for one in there.slack.world.messages.values()
        if (one.channel, one.thread) == (channel, None) and one.user == "UBOTT1"
    ]


def words(there: Installed, root: str) -> list[str]:
    """What stands in a thread, over all its messages."""
    return "\n".join(one.shown for one in there.slack.thread("C1", root)).split()


async def whole(there: Installed, root: str) -> str:
    """The answer as the core has it."""
    (turn,) = await there.potluck.running.conversations.turns(Spot(team="T1", channel="C1", root=root).conversation)
    return turn.answer if turn.whole else ""


@pytest.mark.parametrize("minutes", [2, 20])
async def test_while_slack_is_away_an_answer_waits_and_is_there_once_when_it_is_back(
    tmp_path: Path, clock: VirtualClock, minutes: int
) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("something long, please")
        await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        slack.api.away = True
        await asyncio.sleep(minutes * 60)
        slack.api.away = False
        await asyncio.sleep(600)
        text = await whole(there, said.root)
        assert text
        assert words(there, said.root) == text.split()


CLOSED: dict[str, Callable[[Installed], object]] = {
    "Potluck was taken out of the channel": lambda there: there.slack.world.channels["C1"].members.discard("UBOTT1"),
    "the channel was archived": lambda there: setattr(there.slack.world.channels["C1"], "archived", True),
    "the channel was deleted": lambda there: there.slack.world.channels.pop("C1"),
}


@pytest.mark.parametrize("what", CLOSED)
async def test_where_nothing_can_be_written_any_more_who_asked_has_the_answer_directly(
    tmp_path: Path, clock: VirtualClock, what: str
) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        ann.dm()
        said = await ann.asks("something long, please")
        await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        CLOSED[what](there)
        await asyncio.sleep(400)
        why, answer = direct(there, ann.id)
        assert "<#C1>" in why.beside
        assert answer.shown == await whole(there, said.root)
        assert "1 of today" in answer.beside
        await there.potluck.quiet()


async def test_stop_in_mid_stream_ends_the_request_upstream_and_is_settled(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("something long, please")
        await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        await ann.presses_stop("C1", said.root, list(slack.streams.live("C1", said.root)))
        (answer,) = await slack.settled("C1", said.root)
        assert "Stopped." in answer.beside
        assert [one.outcome for one in there.potluck.sandbox.log] == ["cut_by_client"]
        await there.potluck.quiet()
        assert (await there.potluck.counted())["taken"] == 1, "what was sent has been spent"


async def test_an_answer_that_was_deleted_while_it_grew_stands_whole_in_another_message(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("something long, please")
        await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        slack.thread("C1", said.root)[0].deleted = True
        await asyncio.sleep(300)
        assert words(there, said.root) == (await whole(there, said.root)).split()


async def test_a_question_deleted_while_it_is_in_line_takes_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, pool_rpm="1") as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        await slack.settled("C1", (await ann.asks("first")).root)
        said = await ben.asks("second")
        await slack.until(lambda: slack.thread("C1", said.root))
        await ben.deletes(said)
        await asyncio.sleep(120)
        assert (await there.potluck.counted())["taken"] == 1
        assert not slack.answer("C1", said.root)
        await there.potluck.quiet()


async def test_a_question_that_was_changed_is_answered_once_as_it_was_asked(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("why is the sky blue?")
        await ann.edits(said, f"{ann.bot} why is the sea blue?")
        await slack.settled("C1", said.root)
        await ann.edits(said, f"{ann.bot} why is the sand yellow?")
        await asyncio.sleep(30)
        (answer,) = slack.thread("C1", said.root)
        assert "sky blue" in answer.shown


async def test_a_token_revoked_in_mid_answer_harms_nothing_else(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.asks("something long, please")
        await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        slack.world.teams["T1"].revoked = True
        await ann.event({"type": "tokens_revoked", "tokens": {"bot": ["UBOTT1"]}})
        await asyncio.sleep(400)
        await there.potluck.quiet()
        assert (await there.potluck.counted())["leases"].get("open") is None
        calls = len(slack.api.calls)
        await ann.asks("anybody?")
        await asyncio.sleep(60)
        assert len(slack.api.calls) == calls, "nobody calls with a token that is none"


async def test_somebody_switched_off_while_their_question_is_in_line_is_answered_all_the_same(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, pool_rpm="1") as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        await slack.settled("C1", (await ann.asks("first")).root)
        said = await ben.asks("second")
        await slack.until(lambda: slack.thread("C1", said.root))
        slack.world.users["U2BEN"].deleted = True
        await slack.settled("C1", said.root)
        assert "second" in slack.answer("C1", said.root)


async def test_a_file_without_a_word_is_a_question(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        notes = slack.files.put("notes.txt", Stored(body=b"sandbox:echo The cellar is damp.", type="text/plain"))
        said = await ann.dms("", files=[notes])
        await slack.settled(ann.dm().id, said.root)
        assert slack.answer(ann.dm().id, said.root)


async def test_called_into_a_long_thread_potluck_knows_how_it_began_and_what_was_said_last(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        root = await ben.says("The frobnicator is broken.")
        for number in range(450):
            ben.writes(f"remark {number}", thread=root.root)
        await ann.asks("why could that be?", thread=root.root)
        await slack.until(lambda: slack.thread("C1", root.root))
        await slack.settled("C1", root.root)
        (turn,) = await there.potluck.running.conversations.turns(
            Spot(team="T1", channel="C1", root=root.root).conversation
        )
        assert "The frobnicator is broken." in turn.question
        assert "remark 449" in turn.question
        assert "remark 9\n" not in turn.question


async def test_a_database_that_takes_no_notes_keeps_no_answer_back(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        filled_up(HOME.where(tmp_path), ("slack_seen", "slack_threads", "posted_answers", "posts"))
        (answer,) = await slack.settled("C1", (await ann.asks("why is the sky blue?")).root)
        assert "sky blue" in answer.shown
        assert "1 of today" in answer.beside


METHODS = (
    "users.info",
    "agents.sessions.setStatus",
    "chat.startStream",
    "chat.appendStream",
    "chat.stopStream",
    "chat.postMessage",
)
FAULTS = {
    "asks to slow down": Fault(error="ratelimited", status=429, retry_after=5),
    "breaks": Fault(error="internal_error", status=500),
    "answers nothing": Fault(drop=True),
    "loses its answer": Fault(drop=True, after=True),
    "takes its time": Fault(seconds=15.0),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_slack_does_with_any_one_call_a_question_is_answered_once(
    tmp_path: Path, clock: VirtualClock, fault: str
) -> None:
    async with in_slack(tmp_path, clock, sandbox=SLOW) as there:
        slack = there.slack
        for number, method in enumerate(METHODS):
            slack.api.faults[method].append(FAULTS[fault])
            said = await slack.person(f"U{number}ANN").asks("something long" if "Stream" in method else "short")
            await asyncio.sleep(240)
            slack.api.faults[method].clear()
            text = await whole(there, said.root)
            assert text, method
            assert words(there, said.root) == text.split(), method
            assert slack.sessions.status("C1", said.root) in (None, "active"), method
        await there.potluck.quiet()
