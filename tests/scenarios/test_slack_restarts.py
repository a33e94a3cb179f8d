"""What becomes of answers in Slack when Potluck is killed or restarted, and of those that wait for room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.unfinished import CUT_OFF
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.databases import copied
from tests.fakes.slack.files import Stored
from tests.fakes.slack.potluck import Installed, in_slack, slack_server
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.web_api import Fault
from tests.fakes.slack.world import Message
from tests.fakes.virtual import VirtualClock

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]

SLOW = SandboxSettings(seconds_per_chunk=0.2)
"""A long answer takes a minute or two."""


@asynccontextmanager
async def until_killed(folder: Path, clock: VirtualClock, slack: FakeSlack, **more: Any) -> AsyncIterator[Installed]:
    """Potluck that is killed at the end of the block: what it keeps stays as it is at that moment, in
    `folder / "left"`, and of what it does after it nothing reaches Slack."""
    async with in_slack(folder, clock, slack=slack, **more) as there:
        yield there
        copied(folder, folder / "left")
        slack.world.teams["T1"].bot_token += "-again"


async def settled(there: Installed, root: str, *, seconds: float = 400) -> list[Message]:
    """What stands in a thread once nothing more happens there."""
    await asyncio.sleep(seconds)
    await there.potluck.quiet()
    return there.slack.thread("C1", root)


async def test_killed_in_mid_stream_what_was_shown_stays_and_a_word_says_what_happened(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with until_killed(tmp_path / "1", clock, slack, sandbox=SLOW):
            said = await ann.asks("something long, please")
            await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        shown = slack.answer("C1", said.root)
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, sandbox=SLOW) as there:
            (answer,) = await settled(there, said.root)
            assert answer.shown == shown
            assert answer.beside == CUT_OFF.text
            assert answer.stream == "over"
            assert slack.sessions.status("C1", said.root) == "active", "nothing seems under way any more"
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, sandbox=SLOW) as there:
            assert [one.beside for one in await settled(there, said.root)] == [CUT_OFF.text], "and it is said once"


async def test_killed_in_mid_stream_for_longer_than_slack_lets_a_message_grow(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with until_killed(tmp_path / "1", clock, slack, sandbox=SLOW):
            said = await ann.asks("something long, please")
            await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
        shown = slack.answer("C1", said.root)
        await asyncio.sleep(600)
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, sandbox=SLOW) as there:
            answer, word = await settled(there, said.root)
            assert answer.shown == shown
            assert word.beside == CUT_OFF.text


async def test_killed_between_the_end_of_an_answer_and_its_showing_all_of_it_is_there_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with until_killed(tmp_path / "1", clock, slack, sandbox=SLOW) as there:
            said = await ann.asks("something long, please")
            await slack.until(lambda: len(slack.answer("C1", said.root)) > 200)
            slack.api.faults["chat.appendStream"].append(Fault(seconds=200.0))
            conversation = f"slack:T1/C1/{said.root}"

            async def ended() -> str:
                (turn,) = await there.potluck.running.conversations.turns(conversation)  # type: ignore[arg-type]
                return turn.answer if turn.ended else ""

            while not (whole := await ended()):
                await asyncio.sleep(5)
        assert len(slack.answer("C1", said.root)) < len(whole), "the control: not all of it had been shown"
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, sandbox=SLOW) as again:
            (answer,) = await settled(again, said.root)
            assert answer.shown == whole
            assert CUT_OFF.text not in answer.beside


async def test_an_answer_shown_in_two_messages_and_rewritten_after_a_kill_is_not_there_one_and_a_half_times(
    tmp_path: Path, clock: VirtualClock
) -> None:
    slow = SandboxSettings(seconds_per_chunk=0.9)
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with until_killed(tmp_path / "1", clock, slack, sandbox=slow) as there:
            said = await ann.asks("something long, please")
            slack.api.faults["chat.stopStream"] += [Fault(), Fault(seconds=100.0)]
            await slack.until(lambda: len(slack.api.of("chat.stopStream")) == 2, seconds=900)
            (turn,) = await there.potluck.running.conversations.turns(f"slack:T1/C1/{said.root}")  # type: ignore[arg-type]
            assert turn.whole
        assert len(slack.thread("C1", said.root)) == 2, "the control: it had been cut"
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, sandbox=slow) as again:
            (answer,) = await settled(again, said.root)
            assert answer.shown == turn.answer


async def test_killed_while_it_waits_in_line_a_question_is_answered_once_and_its_old_place_is_gone(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann, ben = slack.person("U1ANN"), slack.person("U2BEN")
        async with until_killed(tmp_path / "1", clock, slack, pool_rpm="1"):
            first = await ann.asks("first")
            await slack.settled("C1", first.root)
            waiting = await ben.asks("second")
            await slack.until(lambda: slack.thread("C1", waiting.root))
            await asyncio.sleep(5)
        (place,) = slack.thread("C1", waiting.root)
        assert "next in line" in place.task_titles[-1], "the control: it stood in line"
        async with in_slack(tmp_path / "1" / "left", clock, slack=slack, pool_rpm="1") as there:
            (answer,) = await settled(there, waiting.root)
            assert "second" in answer.shown
            assert place.deleted
            assert (await there.potluck.counted())["taken"] == 2


async def test_threads_potluck_was_called_into_are_known_after_a_restart_and_muted_ones_stay_muted(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with in_slack(tmp_path, clock, slack=slack):
            engaged, muted = await ann.asks("what is rain?"), await ann.asks("what is snow?")
            for said in (engaged, muted):
                await slack.settled("C1", said.root)
            await ann.asks("mute", thread=muted.root)
            await slack.until(lambda: slack.whispers(ann.id))
        async with in_slack(tmp_path, clock, slack=slack) as there:
            await ann.says("and hail?", thread=muted.root)
            await ann.says("and fog?", thread=engaged.root)
            assert len(await settled(there, engaged.root, seconds=30)) == 2
            assert "question 2 of this conversation" in slack.answer("C1", engaged.root)
            assert len(slack.thread("C1", muted.root)) == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_question_that_waits_for_room_is_answered_later_in_its_thread_also_after_a_restart(
    tmp_path: Path, clock: VirtualClock, restarted: bool
) -> None:
    env: dict[str, Any] = {"fair_policy": "fair", "promise_units": "0", "pool_rpd": "6"}
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with in_slack(tmp_path, clock, slack=slack, **env) as there:
            for _ in range(8):
                said = await ann.asks("one more")
                await slack.until(lambda: slack.thread("C1", said.root) or slack.whispers(ann.id))  # noqa: B023
                if slack.whispers(ann.id):
                    break
            await ann.presses("hold", slack.whispers(ann.id)[0])
            await slack.until(lambda: slack.thread("C1", said.root))
            if not restarted:
                await answered_later(there, said.root)
        if restarted:
            async with in_slack(tmp_path, clock, slack=slack, **env) as there:
                await answered_later(there, said.root)


async def answered_later(there: Installed, root: str) -> None:
    slack = there.slack
    await slack.until(lambda: "one more" in slack.answer("C1", root), seconds=12 * 3600)
    await asyncio.sleep(120)
    kept, answer = slack.thread("C1", root)
    assert "Your question is kept" in kept.beside
    assert "<@U1ANN>" in answer.beside, "who asked is told"
    assert slack.sessions.status("C1", root) in (None, "active")


async def test_a_question_that_waits_for_room_can_be_dropped_by_who_asked_it_alone(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, fair_policy="fair", promise_units="0", pool_rpd="6") as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        for _ in range(8):
            said = await ann.asks("one more")
            await slack.until(lambda: slack.thread("C1", said.root) or slack.whispers(ann.id))  # noqa: B023
            if slack.whispers(ann.id):
                break
        await ann.presses("hold", slack.whispers(ann.id)[0])
        await slack.until(lambda: slack.thread("C1", said.root))
        (kept,) = slack.thread("C1", said.root)
        await ben.presses("drop", kept)
        await ann.presses("drop", kept)
        await slack.until(lambda: len(slack.responses) == 3)
        assert "Only who asked it" in str(slack.responses[1])
        assert "Dropped." in str(slack.responses[2])
        await asyncio.sleep(2 * 3600)
        assert "one more" not in slack.answer("C1", said.root)


@pytest.mark.parametrize("killed", [False, True])
async def test_a_question_with_a_file_that_waited_in_line_over_a_restart_is_answered_with_the_file(
    tmp_path: Path, clock: VirtualClock, killed: bool
) -> None:
    how = until_killed if killed else in_slack
    async with slack_server(clock) as slack:
        ann, ben = slack.person("U1ANN"), slack.person("U2BEN")
        notes = slack.files.put("notes.txt", Stored(body=b"The cellar is damp.", type="text/plain"))
        async with how(tmp_path / "1", clock, slack=slack, pool_rpm="1"):
            await slack.settled("C1", (await ann.asks("first")).root)
            waiting = await ben.asks("sandbox:echo what do the notes say?", files=[notes])
            await slack.until(lambda: slack.thread("C1", waiting.root))
            await asyncio.sleep(5)
        folder = tmp_path / "1" / "left" if killed else tmp_path / "1"
        async with in_slack(folder, clock, slack=slack, pool_rpm="1") as there:
            (answer,) = await settled(there, waiting.root)
            assert "The cellar is damp." in answer.shown
