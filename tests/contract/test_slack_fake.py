"""The Slack of our own keeps Slack's rules: what would fail there fails here, seen through the unmodified SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack.potluck import slack_server
from tests.fakes.slack.server import FakeSlack
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


@asynccontextmanager
async def sdk(clock: VirtualClock) -> AsyncIterator[tuple[FakeSlack, AsyncWebClient]]:
    async with slack_server(clock) as slack:
        slack.person("U1ANN")
        yield slack, AsyncWebClient(token="xoxb-T1", base_url=slack.api_url, retry_handlers=[])


async def error(work: Coroutine[Any, Any, Any]) -> str:
    try:
        await work
    except SlackApiError as problem:
        return str(problem.response["error"])
    return ""


TO: dict[str, Any] = {"channel": "C1", "thread_ts": "1.1", "recipient_team_id": "T1", "recipient_user_id": "U1ANN"}
Calls = Callable[[AsyncWebClient], Coroutine[Any, Any, Any]]
WRONG: dict[str, tuple[str, Calls]] = {
    "no recipient": ("missing_recipient_team_id", lambda web: web.chat_startStream(channel="C1", thread_ts="1.1")),
    "a recipient of another team": (
        "team_not_found",
        lambda web: web.chat_startStream(**{**TO, "recipient_team_id": "T2"}),
    ),
    "text and markdown": (
        "markdown_text_conflict",
        lambda web: web.chat_postMessage(channel="C1", text="a", markdown_text="b"),
    ),
    "an update too long": (
        "msg_too_long",
        lambda web: web.chat_update(channel="C1", ts="1.1", text="x" * 4_001),
    ),
    "markdown too long": ("msg_too_long", lambda web: web.chat_postMessage(channel="C1", markdown_text="x" * 12_001)),
    "markdown too long in two blocks": (
        "msg_too_long",
        lambda web: web.chat_postMessage(
            channel="C1", text="x", blocks=[{"type": "markdown", "text": "x" * 6_001}] * 2
        ),
    ),
    "free text as a status": (
        "invalid_arguments",
        lambda web: web.agents_sessions_setStatus(channel_id="C1", thread_ts="1.1", status="thinking"),
    ),
    "an ephemeral to who is not there": (
        "user_not_in_channel",
        lambda web: web.chat_postEphemeral(channel="C1", user="U2", text="x"),
    ),
    "a channel it is not in": ("channel_not_found", lambda web: web.chat_postMessage(channel="C9", text="x")),
    "a method there is not": ("unknown_method", lambda web: web.api_call("chat.frobnicate")),
    "a modal for nobody": (
        "invalid_trigger_id",
        lambda web: web.views_open(trigger_id="1", view={"type": "modal", "title": {"text": "x"}, "blocks": []}),
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_slack_refuses_is_refused(clock: VirtualClock, what: str) -> None:
    wanted, work = WRONG[what]
    async with sdk(clock) as (_, web):
        if "update" in what:
            posted = await web.chat_postMessage(channel="C1", text="x")
            assert await error(web.chat_update(channel="C1", ts=posted["ts"], text="x" * 4_001)) == wanted
        else:
            assert await error(work(web)) == wanted


async def test_a_stream_takes_text_for_five_minutes_and_no_update_meanwhile(clock: VirtualClock) -> None:
    async with sdk(clock) as (slack, web):
        ts = (await web.chat_startStream(**TO))["ts"]
        assert await error(web.chat_appendStream(channel="C1", ts=ts, markdown_text="a")) == ""
        assert await error(web.chat_update(channel="C1", ts=ts, text="b")) == "streaming_state_conflict"
        await asyncio.sleep(300)
        for late in (
            web.chat_appendStream(channel="C1", ts=ts, markdown_text="b"),
            web.chat_stopStream(channel="C1", ts=ts),
        ):
            assert await error(late) == "message_not_in_streaming_state"
        assert await error(web.chat_update(channel="C1", ts=ts, markdown_text="ab")) == ""
        assert slack.answer("C1", "1.1") == "ab"


async def test_whoever_presses_stop_ends_the_stream(clock: VirtualClock) -> None:
    async with sdk(clock) as (slack, web):
        ts = (await web.chat_startStream(**TO))["ts"]
        await slack.person("U1ANN").presses_stop("C1", "1.1", [slack.world.messages["C1", ts]])
        assert await error(web.chat_appendStream(channel="C1", ts=ts, markdown_text="a")) == "stopped_by_user"


@pytest.mark.parametrize(("method", "most"), [("chat_startStream", 20), ("users_info", 100)])
async def test_a_call_too_many_in_a_minute_is_told_when_to_come_again(
    clock: VirtualClock, method: str, most: int
) -> None:
    async with sdk(clock) as (_, web):
        arguments: dict[str, Any] = TO if method == "chat_startStream" else {"user": "U1ANN"}
        for _ in range(most):
            await getattr(web, method)(**arguments)
        with pytest.raises(SlackApiError) as refused:
            await getattr(web, method)(**arguments)
        assert refused.value.response.headers["Retry-After"] == "60"
        await asyncio.sleep(60)
        await getattr(web, method)(**arguments)


async def test_an_event_nobody_takes_comes_again_three_times(clock: VirtualClock) -> None:
    async with sdk(clock) as (slack, web):
        app = AsyncApp(client=web, signing_secret="x")
        handler = AsyncSocketModeHandler(app, slack.world.app_token, web_client=web)
        await handler.client.connect()  # type: ignore[no-untyped-call]
        try:
            await slack.person("U1ANN").event({"type": "reaction_added", "user": "U1ANN"})
            await asyncio.sleep(400)
            assert slack.delivery.unacked == 4
        finally:
            await handler.client.close()  # type: ignore[no-untyped-call]
