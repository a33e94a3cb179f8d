"""What members see when the pool is short, first come, first served; the sandbox's log is the truth."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bot.messages import Failed, Queued, Started
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import deployment, most_in_any
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def test_one_member_asks_60_questions_of_a_50_a_day_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50, rpm=20)) as potluck:
        replies = await asyncio.gather(*(potluck.ask("ann", f"question {number}") for number in range(60)))
        refused = [reply for reply in replies if reply.error]
        assert len(refused) == 10
        for reply in refused:
            assert isinstance(reply.ending, Failed)
            assert reply.error == "pool_spent"
            assert not reply.started
            assert reply.ending.error.resets_at == 1_790_035_200.0, "the next 00:00 UTC"
            assert reply.ending.share.left_now == 0
        assert len(potluck.sandbox.log) == 50
        assert not [attempt for attempt in potluck.sandbox.log if attempt.status == 429]
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 50


@pytest.mark.parametrize("rpm", [20, 7])
async def test_30_members_at_once_wait_in_line_and_places_only_go_down(
    tmp_path: Path, clock: VirtualClock, rpm: int
) -> None:
    async with deployment(
        tmp_path, clock, sandbox=SandboxSettings(rpd=1000, rpm=rpm), env={"pool_rpm": str(rpm)}
    ) as potluck:
        replies = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(30)))
        sent = [attempt.at for attempt in potluck.sandbox.log]
        assert len(sent) == 30
        assert most_in_any(60, sent) == rpm, "all of the minute, and no more"
        assert not [attempt for attempt in potluck.sandbox.log if attempt.status != 200]
        waited = [reply for reply in replies if reply.places]
        assert len(waited) == 30 - rpm, "everyone else sees a place"
        for reply in waited:
            assert reply.places == sorted(reply.places, reverse=True)
            assert reply.places[0] <= 30 - rpm
        await potluck.quiet()


async def test_the_estimate_is_when_the_turn_comes(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=1000, rpm=5), env={"pool_rpm": "5"}) as potluck:

        async def ask(name: str) -> tuple[float, float]:
            began = clock.now()
            first, started = -1.0, -1.0
            async for event in potluck.running.conversations.reply(potluck.message(name)):
                if isinstance(event, Queued) and first < 0:
                    first = event.estimate or 0.0
                if isinstance(event, Started):
                    started = clock.now() - began
            return first, started

        told = await asyncio.gather(*(ask(f"m{number}") for number in range(23)))
        for estimate, started in told[5:]:
            assert estimate == pytest.approx(started, abs=1.5)


async def test_nobody_waits_longer_than_the_limit(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(
        tmp_path,
        clock,
        sandbox=SandboxSettings(rpd=1000),
        env={"pool_rpm": "2", "max_wait_seconds": "100"},
    ) as potluck:
        began = clock.now()
        replies = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(9)))
        errors = [reply.error for reply in replies]
        assert errors.count(None) == 4
        assert errors.count("wait_too_long") == 5
        assert clock.now() - began < 125
        await potluck.quiet()
        assert (await potluck.counted())["used"] == 4, "waiting costs nothing"


async def test_a_new_day_opens_the_pool_again(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=3)) as potluck:
        for _ in range(3):
            assert (await potluck.ask("ann")).error is None
        assert (await potluck.ask("ben")).error == "pool_spent"
        await asyncio.sleep(potluck.running.scheduler.resets_at - clock.now() + 5)
        assert (await potluck.running.conversations.pool()).used == 0
        assert (await potluck.ask("ben")).error is None
        await potluck.quiet()


async def test_the_day_survives_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(rpd=50)
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpd": "5"}) as potluck:
        for _ in range(4):
            await potluck.ask("ann")
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpd": "5"}) as potluck:
        assert (await potluck.running.conversations.pool()).used == 4
        assert (await potluck.running.conversations.pool()).minute_used == 4
        assert (await potluck.ask("ann")).error is None
        assert (await potluck.ask("ann")).error == "pool_spent"


async def test_units_used_elsewhere_shrink_the_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=10)) as potluck:
        await _use_elsewhere(potluck.running.upstream, 6)
        await potluck.running.account.look()
        replies = [await potluck.ask("ann") for _ in range(5)]
        assert [reply.error for reply in replies] == [None] * 4 + ["pool_spent"]
        assert not [attempt for attempt in potluck.sandbox.log if attempt.status == 429]


async def test_a_daily_refusal_of_the_account_ends_the_day_for_everyone_at_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=10), env={"pool_rpd": "50"}) as potluck:
        replies = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(60)))
        rejected = [attempt for attempt in potluck.sandbox.log if attempt.status == 429]
        assert [reply.error for reply in replies].count(None) == 10
        assert {reply.error for reply in replies} == {None, "pool_spent"}
        assert len(rejected) <= 10, "only what had been let through already"
        sent = len(potluck.sandbox.log)
        assert (await potluck.ask("late")).error == "pool_spent"
        assert len(potluck.sandbox.log) == sent, "no request after the account said no"
        await potluck.quiet()


async def _use_elsewhere(url: str, units: int) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer another-program"}) as session:
        for _ in range(units):
            body = {"model": "openrouter/free", "messages": [{"role": "user", "content": "x"}]}
            async with session.post(f"{url}/chat/completions", json=body) as answer:
                assert answer.status == 200
