"""A member links an account of their own over HTTP, and takes it away again; what is kept is sealed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.messages import Member
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.browsing import browsing
from tests.fakes.linking import challenge_in, key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

ANN, BEN = Member("web", "ann"), Member("web", "ben")
UNKNOWN = "sk-or-v1-" + "bad0" * 16
"""A key the sandbox refuses."""


async def test_by_a_code_the_key_is_kept_and_only_its_end_shown(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, potluck):
        ann = browser.member("ann")
        assert await ann.own_key() == (200, {"linked": False})
        told = await ann.link("anns")
        kept = await potluck.running.own_keys.client(ANN)
        assert kept is not None
        assert (await kept.key()).is_free_tier is not None
        assert told["linked"] is True
        assert told["works"] is True
        assert len(told["last_four"]) == 4
        assert await ann.own_key() == (200, told)
        assert await browser.member("ben").own_key() == (200, {"linked": False})


async def test_by_a_pasted_key(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, potluck):
        ann, key = browser.member("ann"), await key_of(potluck, "anns")
        status, told = await ann.own_key("POST", "/paste", key=f"  {key.get_secret_value()}\n")
        assert status == 200
        assert told["last_four"] == key.get_secret_value()[-4:]
        for pasted, fault in ((UNKNOWN, "key_refused"), ("hello", "not_a_key")):
            status, refused = await ann.own_key("POST", "/paste", key=pasted)
            assert (status, refused["error"]) == (400, fault)
            assert pasted not in refused["message"]
        assert await ann.own_key() == (200, told), "a key that is refused does not take the place of one that works"
        assert await ann.own_key("DELETE") == (200, {"removed": True})
        assert await ann.own_key() == (200, {"linked": False})
        assert await ann.own_key("DELETE") == (200, {"removed": False})


async def test_a_link_serves_once_for_ten_minutes_and_for_who_asked(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, _):
        ann, ben = browser.member("ann"), browser.member("ben")

        code = await ann.approve(await ann.start(), "anns")
        await ben.start()
        status, refused = await ben.own_key("POST", "/finish", code=code)
        assert (status, refused["error"]) == (400, "wrong_code"), "who has only the code can do nothing with it"
        assert await ben.own_key() == (200, {"linked": False})

        link = await ann.start()
        status, refused = await ann.own_key("POST", "/finish", code="two words")
        assert (status, refused["error"]) == (400, "not_a_code")
        code = await ann.approve(link, "anns")
        both = await asyncio.gather(*(ann.own_key("POST", "/finish", code=code) for _ in range(2)))
        assert sorted(status for status, _ in both) == [200, 400], "what is no code uses no link up; a code does"

        link = await ann.start()
        await asyncio.sleep(599)
        assert (await ann.own_key("POST", "/finish", code=await ann.approve(link, "anns")))[0] == 200, "the control"
        link = await ann.start()
        await asyncio.sleep(601)
        status, refused = await ann.own_key("POST", "/finish", code=await ann.approve(link, "anns"))
        assert (status, refused["error"]) == (400, "no_link")

        first = await ann.start()
        second = await ann.start()
        assert challenge_in(first) != challenge_in(second)
        status, refused = await ann.own_key("POST", "/finish", code=await ann.approve(first, "anns"))
        assert (status, refused["error"]) == (400, "wrong_code"), "a new link takes the place of the last"


async def test_a_removal_wins_over_a_link_that_is_being_finished(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, potluck):
        key, keys = await key_of(potluck, "anns"), potluck.running.own_keys
        linking = asyncio.create_task(keys.paste(ANN, key))
        await asyncio.sleep(0)
        assert not await keys.remove(ANN)
        await asyncio.wait([linking])
        assert linking.exception() is not None
        assert await browser.member("ann").own_key() == (200, {"linked": False})
        assert not keys.has(ANN)


async def test_a_restart_keeps_keys_and_forgets_links(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, _):
        told = await browser.member("ann").link("anns")
        await browser.member("ben").start()
    async with browsing(tmp_path, clock) as (browser, potluck):
        assert await browser.member("ann").own_key() == (200, told)
        assert potluck.running.own_keys.has(ANN)
        assert not potluck.running.own_keys.has(BEN)
        status, refused = await browser.member("ben").own_key("POST", "/finish", code="auth_code_0")
        assert (status, refused["error"]) == (400, "no_link")


@pytest.mark.parametrize(
    ("step", "fields"),
    [("/paste", {}), ("/paste", {"key": 7}), ("/finish", {"code": ""}), ("/finish", {"code": "x" * 1001})],
)
async def test_what_is_no_request_is_refused(
    tmp_path: Path, clock: VirtualClock, step: str, fields: dict[str, object]
) -> None:
    async with browsing(tmp_path, clock) as (browser, _):
        status, refused = await browser.member("ann").own_key("POST", step, **fields)
        assert (status, refused["error"]) == (400, "bad_request")


@pytest.mark.parametrize(("path", "fault"), [("/auth/keys", "unreachable"), ("/key", "unreachable")])
async def test_what_openrouter_cannot_say_just_now_keeps_nothing(
    tmp_path: Path, clock: VirtualClock, path: str, fault: str
) -> None:
    # The pool's own look at its key comes first.
    rule = FaultRule(fault="internal_error", path=path, first=1 if path == "/auth/keys" else 2, last=2)
    async with browsing(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=(rule,)))) as (browser, _):
        ann = browser.member("ann")
        status, refused = await ann.own_key("POST", "/finish", code=await ann.approve(await ann.start(), "anns"))
        assert (status, refused["error"]) == (503, fault)
        assert await ann.own_key() == (200, {"linked": False})
        await asyncio.sleep(60)
        if path == "/key":
            assert (await ann.link("anns"))["linked"], "and later it goes"
