"""Who is let in: hosts, origins, the token and the login; and the policy every answer carries."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.web.security import HEADERS
from adapters.web.server import WebAdapter
from bot.clock import SystemClock
from bot.messages import TicketId
from bot.ports import Readiness
from tests.contract.web.site import ASK, FINISHED, TOKEN, Site, script, serving
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.virtual import VirtualClock

EVERYWHERE = [
    ("GET", "/"),
    ("GET", "/privacy"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/static/favicon.svg"),
    ("GET", "/static/none"),
    ("GET", "/none"),
    ("DELETE", "/api/chat"),
    ("POST", "/api/chat"),
    ("GET", "/api/pool"),
    ("GET", "/api/share?member=ann"),
    ("GET", "/api/tickets/none/events"),
]


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_every_answer_carries_the_policy(method: str, path: str, token: str | None) -> None:
    async with (
        serving(token=token) as site,
        site.client.request(method, site.url + path, allow_redirects=False) as answer,
    ):
        for name, value in HEADERS.items():
            assert answer.headers.getall(name) == [value]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")


async def test_a_stream_carries_the_policy(site: Site) -> None:
    async with site.client.post(f"{site.url}/api/chat", json=ASK) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST:80", "127.0.0.1", "127.8.8.8:99", "[::1]:8080"]
)
async def test_a_loopback_host_is_let_in(site: Site, host: str) -> None:
    assert (await site.ask({"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "10.0.0.1",
        "a@127.0.0.1",
        "0.0.0.0",
        "[::",
        "[]",
        "",
    ],
)
async def test_a_rebound_host_is_turned_away(site: Site, host: str) -> None:
    for method, path in EVERYWHERE:
        async with site.client.request(method, site.url + path, headers={"Host": host}) as answer:
            assert answer.status in (400, 421), path
    assert (await site.ask({"Host": host}))[0] in (400, 421)
    assert not site.conversations.asked


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        "file://",
        "http://[",
        "",
        "http://a@{host}",
    ],
)
async def test_another_origin_is_turned_away(site: Site, origin: str) -> None:
    origin = origin.replace("{host}", site.url.removeprefix("http://"))
    status, body = await site.ask({"Origin": origin})
    assert (status, body["error"]) == (403, "wrong_origin")
    for path in ("/api/stop", "/api/forget"):
        where = {"member": "ann", "conversation": "c1"}
        assert (await site.refused("POST", path, json=where, headers={"Origin": origin}))[0] == 403
    assert not site.conversations.asked
    assert not site.conversations.forgotten


async def test_our_own_origin_and_none_are_let_in(site: Site) -> None:
    assert (await site.ask({"Origin": site.url}))[0] == 200
    assert (await site.ask())[0] == 200


async def test_without_a_token_an_authorization_header_is_ignored(site: Site) -> None:
    assert (await site.ask({"Authorization": "Bearer anything"}))[0] == 200
    assert (await site.ask({"Authorization": "Basic !!"}))[0] == 200


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é", "' OR 1=1 --"],
)
async def test_a_wrong_token_is_turned_away(guarded: Site, given: str) -> None:
    status, body = await guarded.ask({"Authorization": given})
    assert (status, set(body)) == (401, {"error", "message"})
    assert TOKEN not in json.dumps(body)
    assert not guarded.conversations.asked


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/chat"),
        ("POST", "/api/stop"),
        ("POST", "/api/forget"),
        ("GET", "/api/pool"),
        ("GET", "/api/pool/events"),
        ("GET", "/api/turns"),
        ("GET", "/api/share"),
        ("GET", "/api/tickets/t-1/events"),
        ("DELETE", "/api/tickets/t-1"),
        ("GET", "/metrics"),
        ("POST", "/"),
    ],
)
async def test_nothing_happens_without_a_token(guarded: Site, method: str, path: str) -> None:
    guarded.conversations.held[TicketId("t-1")] = lambda: script(FINISHED)(None)
    assert await guarded.refused(method, path, json=ASK) == (401, "token_needed")
    assert not guarded.conversations.asked
    assert not guarded.conversations.forgotten
    assert guarded.conversations.held


async def test_a_bearer_speaks_as_any_member_under_any_host(guarded: Site) -> None:
    for name in ("ann", "ben"):
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "chat.example", "Origin": "https://other.example"}
        assert (await guarded.ask(headers, member=name))[0] == 200
    assert [message.author.user for message in guarded.conversations.asked] == ["ann", "ben"]


async def test_probes_need_no_token_and_the_page_leads_to_the_login(guarded: Site) -> None:
    for path in ("/healthz", "/readyz", "/privacy", "/login"):
        async with guarded.client.get(guarded.url + path) as answer:
            assert answer.status == 200
    async with guarded.client.get(guarded.url + "/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def log_in(site: Site, token: str, **headers: str) -> int:
    async with site.client.post(f"{site.url}/login", data={"token": token}, headers=headers) as answer:
        assert TOKEN not in await answer.text()
        return answer.status


async def test_the_login_exchanges_the_token_for_a_cookie(guarded: Site) -> None:
    async with guarded.client.post(f"{guarded.url}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert (await guarded.ask())[0] == 200
    assert (await guarded.ask({"Origin": guarded.url}))[0] == 200
    assert (await guarded.ask({"Origin": "https://evil.example"}))[0] == 403
    assert (await guarded.ask({"Authorization": "Bearer wrong"}))[0] == 401
    assert len(guarded.conversations.asked) == 2


async def test_a_forged_cookie_is_nobody(guarded: Site) -> None:
    for cookie in ("potluck_session=", f"potluck_session={TOKEN}", "potluck_session=None"):
        assert (await guarded.ask({"Cookie": cookie}))[0] == 401


async def test_the_login_form_lets_the_browser_name_its_origin(guarded: Site) -> None:
    async with guarded.client.get(f"{guarded.url}/login") as answer:
        assert '<meta name="referrer" content="same-origin">' in await answer.text()
    assert await log_in(guarded, TOKEN, Origin=guarded.url) == 200


async def test_another_website_cannot_log_in(guarded: Site) -> None:
    assert await log_in(guarded, TOKEN, Origin="https://evil.example") == 403


@pytest.mark.virtual
async def test_the_login_takes_a_few_attempts_a_minute(clock: VirtualClock) -> None:
    async with serving(clock, token=TOKEN) as site:
        assert [await log_in(site, f"wrong {n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert await log_in(site, TOKEN) == 429
        await asyncio.sleep(61)
        assert await log_in(site, TOKEN) == 200


async def test_markup_in_a_request_comes_back_inert(site: Site) -> None:
    attack = "<script>alert(1)</script>"
    status, got = await site.ask(conversation=attack, text=attack)
    assert status == 200
    assert got[1] == ("delta", {"text": f"You said: {attack}"})  # data for textContent, never sent as HTML
    for path in (f"/{attack}", f"/?member={attack}", f"/api/share?member={attack}", f"/api/tickets/{attack}/events"):
        async with site.client.get(site.url + path) as answer:
            assert attack not in await answer.text()
    async with site.client.post(f"{site.url}/api/chat", json={**ASK, "member": attack}) as answer:
        assert attack not in await answer.text()
        assert answer.content_type == "application/json"


def test_a_page_for_others_needs_a_token() -> None:
    clock = SystemClock()
    with pytest.raises(ValueError, match="token"):
        WebAdapter(
            conversations=ScriptedConversations(clock),
            clock=clock,
            host="0.0.0.0",
            port=0,
            token=None,
            health=lambda: asyncio.sleep(0, Readiness(ready=True, parts={})),
            metrics=lambda: (b"", ""),
        )
