"""What a person sees in Slack when they ask something."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.slack.inbound import Spot
from tests.fakes.slack.potluck import Installed, in_slack, slack_server
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def shares(there: Installed) -> dict[str, int]:
    """What each member has taken, by the database."""
    rows = await there.potluck.rows("SELECT member, sum(taken) FROM member_days GROUP BY member")
    return {member: int(taken) for member, taken in rows}


async def quiet(there: Installed, *, seconds: float = 30.0) -> None:
    """Long enough for anything that would still come to have come."""
    await asyncio.sleep(seconds)
    await there.potluck.quiet()


async def test_a_mention_is_answered_once_in_its_thread(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        ann = there.slack.person("U1ANN")
        said = await ann.asks("why is the sky blue?")
        (answer,) = await there.slack.settled("C1", said.root)
        assert "why is the sky blue" in answer.shown
        assert "1 of today" in answer.beside
        assert there.slack.sessions.statuses["C1", said.root] == ["processing", "active"]
        await quiet(there)
        assert len(there.slack.thread("C1", said.root)) == 1
        assert await shares(there) == {"slack:T1/U1ANN": 1}
        assert not there.slack.limits.refused
        assert not there.slack.delivery.unacked


async def test_a_direct_message_is_answered_below_it_without_being_called_by_name(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        ann = there.slack.person("U1ANN")
        first = await ann.dms("what is rain?")
        await there.slack.settled(ann.dm().id, first.root)
        second = await ann.dms("and snow?", thread=first.root)
        await there.slack.until(lambda: len(there.slack.thread(ann.dm().id, first.root)) == 2)
        await there.slack.settled(ann.dm().id, first.root)
        assert second.root == first.root
        assert "question 2 of this conversation" in there.slack.answer(ann.dm().id, first.root)


async def test_two_events_and_three_retries_of_one_mention_are_one_answer_also_across_a_restart(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann = slack.person("U1ANN")
        async with in_slack(tmp_path, clock, slack=slack) as there:
            said = ann.writes(f"{ann.bot} why is the sky blue?")
            said.events.reverse()  # the one without files comes first
            await ann.send(said)
            await ann.send(said, attempt=1)
            await slack.settled("C1", said.root)
            await ann.send(said, attempt=2)
            await quiet(there)
            assert len(slack.thread("C1", said.root)) == 1
        async with in_slack(tmp_path, clock, slack=slack) as there:
            await ann.send(said, attempt=3)
            later = ann.writes(f"{ann.bot} is anybody there?")
            await ann.send(later)
            await slack.settled("C1", later.root)
            await quiet(there)
            assert len(slack.thread("C1", said.root)) == 1
            assert len(slack.thread("C1", later.root)) == 1
            assert await shares(there) == {"slack:T1/U1ANN": 2}


async def test_a_question_that_waits_in_line_when_potluck_is_restarted_is_answered_after_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with slack_server(clock) as slack:
        ann, ben = slack.person("U1ANN"), slack.person("U2BEN")
        async with in_slack(tmp_path, clock, slack=slack, pool_rpm="1"):
            first = await ann.asks("first")
            await slack.settled("C1", first.root)
            waiting = await ben.asks("second")
            await slack.until(lambda: slack.thread("C1", waiting.root))
        async with in_slack(tmp_path, clock, slack=slack, pool_rpm="1") as there:
            await slack.until(lambda: "second" in slack.answer("C1", waiting.root))
            await slack.settled("C1", waiting.root)
            await quiet(there)
            assert slack.answer("C1", waiting.root).count("Here comes") <= 1
            assert (await shares(there))["slack:T1/U2BEN"] == 1


async def test_threads_potluck_was_called_into_are_answered_until_somebody_mutes_them(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        elsewhere = await ann.says("nobody asked you")
        said = await ann.asks("what is rain?")
        (answer,) = await slack.settled("C1", said.root)
        await ann.says("and snow?", thread=said.root)
        await slack.until(lambda: len(slack.thread("C1", said.root)) == 2)
        await ann.says("<@U2BEN> what do you think?", thread=said.root)
        await ann.presses("mute", answer)
        await slack.until(lambda: slack.whispers(ann.id))
        await ann.says("and hail?", thread=said.root)
        await quiet(there)
        assert len(slack.thread("C1", said.root)) == 2
        assert not slack.thread("C1", elsewhere.root)
        await ann.asks("and fog?", thread=said.root)
        await slack.until(lambda: len(slack.thread("C1", said.root)) == 3)


async def test_when_called_into_a_thread_potluck_knows_what_was_said_before(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        ann, ben = there.slack.person("U1ANN"), there.slack.person("U2BEN")
        root = await ben.says("The frobnicator is broken.")
        await ann.asks("why could that be?", thread=root.root)
        await there.slack.settled("C1", root.root)
        (sent,) = await there.potluck.running.conversations.turns(
            Spot(team="T1", channel="C1", root=root.root).conversation
        )
        assert "The frobnicator is broken." in sent.question
        assert len(there.slack.api.of("conversations.replies")) == 1


async def test_bots_and_joins_and_edits_are_not_answered(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack = there.slack
        ann, robot = slack.person("U1ANN"), slack.person("U9ROBOT", is_bot=True)
        gone = slack.person("U8GONE", deleted=True)
        dm = ann.dm().id
        for said in (
            await ann.says("changed", channel=dm, subtype="message_changed", hidden=True),
            await ann.says("joined", channel=dm, subtype="channel_join"),
            await ann.says("beep", channel=dm, bot_id="B2"),
            await robot.asks("are you a bot too?"),
            await gone.asks("hello from beyond"),
        ):
            await quiet(there)
            assert not slack.thread(said.channel, said.root)
        assert await shares(there) == {}
        assert not slack.delivery.unacked


async def test_whoever_has_had_their_share_is_told_alone_and_may_let_the_question_wait(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, fair_policy="fair", promise_units="0", pool_rpd="6") as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        for _ in range(8):
            said = await ann.asks("one more")
            await slack.until(lambda: slack.thread("C1", said.root) or slack.whispers(ann.id))  # noqa: B023
            if slack.whispers(ann.id):
                break
        (alert,) = slack.whispers(ann.id)
        assert [block["type"] for block in alert.blocks] == ["alert", "context", "actions"]
        assert "<!date^" in alert.beside
        assert not slack.thread("C1", said.root)
        await ann.presses("hold", alert)
        await slack.until(lambda: slack.thread("C1", said.root))
        (kept,) = slack.thread("C1", said.root)
        assert "Your question is kept" in kept.beside
        assert slack.responses[-1] == {"delete_original": True}


async def test_a_workspace_without_agent_sessions_shows_the_older_status(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        slack.world.teams["T1"].agent = False
        slack.world.teams["T1"].streams = False
        for _ in range(2):
            said = await ann.asks("why is the sky blue?")
            await slack.until(lambda: slack.sessions.legacy.get(("C1", said.root), [])[-1:] == [""])  # noqa: B023
            assert "sky blue" in slack.answer("C1", said.root)
            assert slack.sessions.legacy["C1", said.root] == ["is thinking…", ""]
        # Asked once; the workspace is remembered.
        assert len(slack.api.of("agents.sessions.setStatus")) == 1
        assert len(slack.api.of("chat.startStream")) <= 1
