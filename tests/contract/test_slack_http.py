"""Slack over HTTP, on the page's server: what is not signed by Slack, now, touches nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from adapters.slack.http import BODY_MAX, PATH
from tests.fakes.databases import HOME, everything_in
from tests.fakes.pages import page_of
from tests.fakes.slack.oauth import CLIENT_ID, CLIENT_SECRET
from tests.fakes.slack.potluck import Installed, in_slack
from tests.fakes.slack.world import Json
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


@dataclass(kw_only=True)
class OverHttp:
    there: Installed
    url: str

    @property
    def untouched(self) -> bool:
        """Nothing came of it: no call to Slack but the one at the start, no question, no trace."""
        return [call.method for call in self.there.slack.api.calls] == ["auth.test"]


@asynccontextmanager
async def over_http(
    folder: Path, clock: VirtualClock, *, token: str | None = None, **more: str
) -> AsyncIterator[OverHttp]:
    settings = {"app_token": "", "signing_secret": "signing-secret", **more}

    async with (
        in_slack(folder, clock, settings=settings) as there,
        page_of(there.potluck, token=token, signed=there.adapter.routes()) as url,
    ):
        there.slack.delivery.endpoint = f"{url}{PATH}"
        try:
            yield OverHttp(there=there, url=url)
        finally:
            there.slack.delivery.endpoint = ""


def event(text: str = "hello") -> Json:
    message = {"type": "message", "channel_type": "im", "user": "U1ANN", "ts": "1.1", "channel": "D1", "text": text}
    return {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": message, "api_app_id": "A1"}


@pytest.mark.parametrize("token", [None, "open-sesame"])
async def test_a_signed_event_is_answered_whatever_guards_the_page(
    tmp_path: Path, clock: VirtualClock, token: str | None
) -> None:
    async with over_http(tmp_path, clock, token=token) as here:
        slack = here.there.slack
        said = await slack.person("U1ANN").asks("why is the sky blue?")
        await slack.settled("C1", said.root)
        assert "sky blue" in slack.answer("C1", said.root)
        assert not slack.delivery.unacked


async def test_slacks_question_whether_the_address_is_ours_is_answered(tmp_path: Path, clock: VirtualClock) -> None:
    async with over_http(tmp_path, clock) as here:
        challenge = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"})
        status, body = await here.there.slack.delivery.post(("application/json", challenge))
        assert status == 200
        assert "abc" in body
        status, _ = await here.there.slack.delivery.post(("application/json", challenge), signed={})
        assert status == 401


async def test_what_is_not_signed_by_slack_now_is_refused_and_touches_nothing(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with over_http(tmp_path, clock) as here:
        delivery, now = here.there.slack.delivery, clock.now()
        typed = delivery.body("events_api", event())
        right = delivery.signature(typed[1], now)
        stamp, signature = right["X-Slack-Request-Timestamp"], right["X-Slack-Signature"]
        wrong = {
            "unsigned": {},
            "no signature": {"X-Slack-Request-Timestamp": stamp},
            "no time": {"X-Slack-Signature": signature},
            "another body's": delivery.signature(typed[1] + " ", now),
            "another secret's": {**right, "X-Slack-Signature": "v0=" + "0" * 64},
            "in capitals": {**right, "X-Slack-Signature": signature.upper()},
            "replayed after 301 seconds": delivery.signature(typed[1], now - 301),
            "from 301 seconds ahead": delivery.signature(typed[1], now + 302),
            "signed now for a time that is no number": {**right, "X-Slack-Request-Timestamp": "soon"},
            "for another time than it says": {**right, "X-Slack-Request-Timestamp": str(int(now) - 1)},
            "of no letters": {**right, "X-Slack-Signature": "v0=\u00e9"},
        }
        for what, signed in wrong.items():
            status, _ = await delivery.post(typed, signed=signed)
            assert status == 401, what
        await asyncio.sleep(30)
        assert here.untouched


async def test_a_signed_request_is_taken_for_five_minutes_and_once(tmp_path: Path, clock: VirtualClock) -> None:
    async with over_http(tmp_path, clock) as here:
        slack = here.there.slack
        slack.person("U1ANN")
        slack.world.channel("D1", "T1", kind="im", members={"U1ANN"})
        typed = slack.delivery.body("events_api", event())
        signed = slack.delivery.signature(typed[1], clock.now() - 290)
        for _ in range(3):
            status, _ = await slack.delivery.post(typed, signed=signed)
            assert status == 200
        await asyncio.sleep(60)
        assert len(slack.thread("D1", "1.1")) == 1


@pytest.mark.parametrize("told", [True, False])
async def test_a_request_that_is_too_long_is_refused_unread(tmp_path: Path, clock: VirtualClock, told: bool) -> None:
    async with over_http(tmp_path, clock) as here:
        delivery = here.there.slack.delivery
        typed = delivery.body("events_api", event("x" * BODY_MAX))
        if told:
            status, _ = await delivery.post(typed)
        else:

            async def parts() -> AsyncIterator[bytes]:
                for start in range(0, len(typed[1]), 65_536):
                    yield typed[1][start : start + 65_536].encode()

            headers = {"Content-Type": typed[0], **delivery.signature(typed[1], clock.now())}
            async with (
                aiohttp.ClientSession() as session,
                session.post(delivery.endpoint, data=parts(), headers=headers) as answer,
            ):
                status = answer.status
        assert status == 413
        await asyncio.sleep(30)
        assert here.untouched


async def test_control_the_page_itself_is_guarded_as_before(tmp_path: Path, clock: VirtualClock) -> None:
    async with over_http(tmp_path, clock, token="open-sesame") as here, aiohttp.ClientSession() as session:
        async with session.get(f"{here.url}/api/pool") as answer:
            assert answer.status == 401
        async with session.post(f"{here.url}{PATH}/more") as answer:
            assert answer.status == 401


async def test_a_workspace_installs_potluck_uses_it_and_leaves(tmp_path: Path, clock: VirtualClock) -> None:
    many = {"bot_token": "", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    async with over_http(tmp_path, clock, **many) as here:
        slack, there = here.there.slack, here.there
        ann = slack.person("U1ANN")
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as browser, aiohttp.ClientSession() as stranger:
            async with browser.get(f"{here.url}/slack/install", allow_redirects=False) as answer:
                assert answer.status == 302
                page = answer.headers["Location"]
            assert page.startswith(f"{slack.base}/oauth/v2/authorize?")
            state = page.rpartition("state=")[2]
            code = slack.oauth.says_yes(slack.world.teams["T1"])
            back = f"{here.url}/slack/oauth_redirect"
            async with stranger.get(back, params={"code": code, "state": state}) as answer:
                assert answer.status == 400, "another browser than the one that began"
            async with browser.get(f"{here.url}/slack/install", allow_redirects=False) as answer:
                state = answer.headers["Location"].rpartition("state=")[2]
            for expected in (200, 400):  # good once
                async with browser.get(back, params={"code": code, "state": state}) as answer:
                    assert answer.status == expected
        said = await ann.asks("hello?")
        await slack.settled("C1", said.root)
        assert "xoxb-T1" not in everything_in(HOME.where(there.potluck.folder)), "tokens are sealed"
        await ann.event({"type": "app_uninstalled"})
        slack.world.teams["T1"].revoked = True
        await asyncio.sleep(5)
        calls = len(slack.api.calls)
        await ann.asks("still there?")
        await asyncio.sleep(30)
        assert len(slack.api.calls) == calls, "nothing is said where it was uninstalled"
