"""Slack over its socket: whatever becomes of a connection, what people write arrives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.slack.settings import SlackError
from adapters.slack.socket import LOOK_EVERY
from tests.fakes.slack.potluck import in_slack
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_slack_may_ask_for_another_socket_at_any_time(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack = there.slack
        for number in range(3):
            await slack.delivery.refresh()
            said = await slack.person("U1ANN").asks(f"number {number}")
            await slack.settled("C1", said.root)
        assert slack.delivery.connections == 4
        assert not slack.delivery.unacked


async def test_what_was_written_while_the_network_was_gone_is_answered_when_it_is_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack = there.slack
        await slack.delivery.drop()
        said = await slack.person("U1ANN").asks("can you hear me?")
        assert slack.delivery.unacked
        await slack.settled("C1", said.root)
        await asyncio.sleep(400)
        assert len(slack.thread("C1", said.root)) == 1


async def test_a_socket_that_only_looks_alive_is_given_up(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, watching = there.slack, asyncio.create_task(there.adapter.run())
        await asyncio.sleep(2 * LOOK_EVERY + 1)
        assert slack.delivery.connections == 1, "control: one that is alive stays"
        slack.delivery.mute = True
        async with asyncio.timeout(4 * LOOK_EVERY):
            while slack.delivery.connections == 1:
                await asyncio.sleep(1)
        slack.delivery.mute = False
        await asyncio.sleep(LOOK_EVERY)
        said = await slack.person("U1ANN").asks("and now?")
        await slack.settled("C1", said.root)
        watching.cancel()
        await asyncio.wait([watching])


async def test_what_nobody_listens_to_is_acknowledged_all_the_same(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        ann = there.slack.person("U1ANN")
        for event in ({"type": "reaction_added", "user": ann.id}, {"type": "something_of_2027"}):
            assert await ann.event(event) is not None
        assert await ann.commands("anything", name="/other") is not None


async def test_an_event_that_comes_an_hour_late_is_answered_and_only_once(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        late = ann.writes(f"{ann.bot} was this lost?")
        await asyncio.sleep(3600)
        later = await ann.asks("and this?")
        await slack.settled("C1", later.root)
        await ann.send(late, attempt=3)
        await slack.settled("C1", late.root)
        await ann.send(late, attempt=3)
        await asyncio.sleep(60)
        assert len(slack.thread("C1", late.root)) == 1


@pytest.mark.parametrize(("wrong", "named"), [("bot_token", "SLACK_BOT_TOKEN"), ("app_token", "SLACK_APP_TOKEN")])
async def test_a_token_slack_does_not_accept_ends_the_start_and_is_named(
    tmp_path: Path, clock: VirtualClock, wrong: str, named: str
) -> None:
    with pytest.raises(SlackError, match=named) as caught:
        async with in_slack(tmp_path, clock, settings={wrong: "xoxb-wrong"}):
            pass
    assert "xoxb-wrong" not in str(caught.value)
