"""The web adapter over the whole service and the sandbox: what a browser would send and see."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.browsing import browsing
from tests.fakes.virtual import VirtualClock

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]


async def test_a_reply_is_the_contracts_events_and_one_ending(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock) as (browser, potluck):
        heard = await browser.ask("ann", "why?")
        names = [name for name, _ in heard]
        assert names[-1] == "finished"
        assert names.count("started") == 1
        assert not {"failed", "held"} & set(names)
        started, finished = dict(heard)["started"], heard[-1][1]
        assert started == {"model": "openrouter/free", "lane": "free"}
        assert finished["attempts"] == 1
        assert finished["cost_usd"] == "0"
        assert finished["share"]["used"] == 1
        pool = await browser.get("/api/pool")
        assert pool["used"] == potluck.running.scheduler.used == 1
        await potluck.quiet()


async def test_a_closed_tab_stops_the_answer_in_mid_stream_and_in_line(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock, pool_rpm="1") as (browser, potluck):
        await browser.ask("ann", "something long", until="delta")
        await asyncio.sleep(2)
        await potluck.quiet()
        assert (await potluck.counted())["leases"] == {"stopped": 1}
        assert [attempt.outcome for attempt in potluck.sandbox.log] == ["cut_by_client"]
        await browser.ask("ben", until="queued")
        await asyncio.sleep(2)
        await potluck.quiet()
        assert await potluck.counted() == {"leases": {"stopped": 1}, "used": 1, "taken": 1}


async def test_the_page_sees_the_pool_run_dry_and_says_when_it_is_back(tmp_path: Path, clock: VirtualClock) -> None:
    async with browsing(tmp_path, clock, sandbox=SandboxSettings(rpd=2)) as (browser, potluck):
        for member in ("ann", "ben"):
            assert (await browser.ask(member))[-1][0] == "finished"
        (name, failed), *rest = await browser.ask("cy")
        assert not rest
        assert name == "failed"
        assert failed["error"] == "pool_spent"
        assert failed["resets_at"] == "2026-09-22T00:00:00Z"
        assert failed["share"] == {
            "used": 0,
            "level": 0,
            "left_now": 0,
            "left_sure": 0,
            "resets_at": "2026-09-22T00:00:00Z",
        }
        assert (failed["partial"], failed["may_hold"]) == (False, False)
        assert len(potluck.sandbox.log) == 2


@pytest.mark.soak
async def test_two_hundred_members_each_find_only_their_own_words(tmp_path: Path, clock: VirtualClock) -> None:
    """Isolation: the model echoes all it is sent, tabs are closed at random, and no canary crosses over."""
    wide = SandboxSettings(rpm=100_000, rpd=100_000, seconds_per_chunk=0)
    async with browsing(tmp_path, clock, sandbox=wide, pool_rpm="100000") as (browser, potluck):

        async def member(number: int) -> None:
            name, canary = f"m{number}", f"canary-{number:03d}-x"
            await browser.ask(name, f"remember {canary}", until="delta" if number % 3 == 0 else "")
            heard = await browser.ask(name, "sandbox:echo what did I say?")
            told = "".join(data["text"] for event, data in heard if event == "delta")
            others = {f"canary-{other:03d}-x" for other in range(200)} - {canary}
            assert not [other for other in others if other in told]
            if number % 3:
                assert canary in told

        await asyncio.gather(*(member(number) for number in range(200)))
        await potluck.quiet()
