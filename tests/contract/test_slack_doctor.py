"""What the doctor says of Slack."""

from __future__ import annotations

import pytest

from adapters.slack.examine import findings
from adapters.slack.manifest import SCOPES
from adapters.slack.settings import SlackSettings
from bot.doctor.finding import Finding
from tests.fakes.slack.potluck import slack_server
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def look(clock: VirtualClock, *, scopes: tuple[str, ...] = SCOPES, **more: str) -> dict[str, Finding]:
    async with slack_server(clock) as slack:
        team = slack.world.teams["T1"]
        team.scopes = scopes
        reach = {"bot_token": team.bot_token, "app_token": slack.world.app_token} | more
        return {
            one.check: one async for one in findings(SlackSettings(api_url=slack.api_url, **reach), clock.monotonic)
        }


async def test_all_is_well(clock: VirtualClock) -> None:
    found = await look(clock)
    assert {one.level for one in found.values()} == {"ok"}
    assert "Acme" in found["SLACK_BOT_TOKEN"].found


async def test_a_wrong_token_is_named_and_not_shown(clock: VirtualClock) -> None:
    found = await look(clock, bot_token="xoxb-wrong", app_token="xapp-wrong")
    assert [one.level for one in found.values()] == ["failure", "failure"]
    assert not any("wrong" in f"{one.found}{one.fix}" for one in found.values())


async def test_a_scope_too_few_is_named_with_what_to_do(clock: VirtualClock) -> None:
    found = await look(clock, scopes=tuple(set(SCOPES) - {"files:read"}))
    assert found["Slack scopes"].level == "warning"
    assert "files:read" in found["Slack scopes"].found
    assert "potluck slack manifest" in found["Slack scopes"].fix


async def test_a_slack_that_cannot_be_reached_is_said_and_no_fault_of_the_token(clock: VirtualClock) -> None:
    nowhere = SlackSettings(api_url="http://127.0.0.1:9/api/", bot_token="xoxb-x", app_token="xapp-x")
    found = [one async for one in findings(nowhere, clock.monotonic)]
    assert [one.level for one in found] == ["failure", "failure"]
    assert all("cannot be reached" in one.found for one in found)
