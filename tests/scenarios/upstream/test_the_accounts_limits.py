"""What the account is short of stops everybody alike; what it does not say changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.clock import day_of, day_start
from bot.messages import Failed
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.upstream.parts import once

pytestmark = pytest.mark.virtual


async def test_the_daily_limit_ends_the_day_for_all_in_line_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    env = {"pool_rpm": "1"}
    rules = (FaultRule(fault="account_daily", at=(3,)),)
    sandbox = SandboxSettings(faults=Faults(rules=rules))
    async with deployment(tmp_path, clock, sandbox=sandbox, env=env) as potluck:
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(8)))
        errors = [heard.error for heard in all_heard]
        assert errors == [None, None, *["pool_spent"] * 6]
        told = {heard.ending.error.resets_at for heard in all_heard if isinstance(heard.ending, Failed)}
        assert told == {day_start(day_of(clock.now()) + 1)}
        assert (await potluck.ask("late")).error == "pool_spent"
        assert len(potluck.sandbox.log) == 3
        await potluck.quiet()
        # A new day, for everyone.
        await asyncio.sleep(day_start(day_of(clock.now()) + 1) + 300 - clock.now())
        assert (await potluck.ask("late")).error is None


async def test_the_minutes_limit_pauses_the_line_in_its_order(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("account_minute"), env={"pool_rpm": "1"}) as potluck:
        first = await potluck.ask("first")
        assert first.error == "upstream_busy"
        assert isinstance(first.ending, Failed)
        until = first.ending.error.resets_at
        assert until is not None
        all_heard = await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(4)))
        assert [heard.error for heard in all_heard] == [None] * 4
        assert [heard.places[0] for heard in all_heard] == [1, 2, 3, 4]
        pseudonym = potluck.running.secret.pseudonym()
        assert [attempt.user for attempt in potluck.sandbox.log[1:]] == [pseudonym(f"web:m{n}") for n in range(4)]
        assert all(attempt.at >= until for attempt in potluck.sandbox.log[1:])


async def test_a_limit_nobody_can_name_pauses_the_pool_for_a_minute(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=once("platform_unknown")) as potluck:
        assert (await potluck.ask("ann")).error == "upstream_busy"
        failed_at = clock.now()
        assert (await potluck.ask("ben")).error is None
        assert potluck.sandbox.log[1].at - failed_at >= 59


async def moved(potluck: Deployment) -> int:
    """Units the pool counts as gone."""
    return potluck.running.scheduler.used


@pytest.mark.parametrize("telling", ["key_2025", "key_nulls", "key_empty", "key_forgetful", "edge_html", "stall"])
async def test_what_the_account_does_not_say_changes_nothing(tmp_path: Path, clock: VirtualClock, telling: str) -> None:
    rules = (FaultRule(fault=telling, path="/key", first=2),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        await potluck.ask("ann")
        before = potluck.running.scheduler.caps
        await asyncio.sleep(1800)
        assert await moved(potluck) == 1
        assert potluck.running.scheduler.caps == before
        assert (await potluck.ask("ann")).error is None


async def test_use_by_other_programs_shrinks_what_is_left(tmp_path: Path, clock: VirtualClock) -> None:
    rules = (FaultRule(fault="key_used_elsewhere", path="/key", first=2),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        await potluck.ask("ann")
        await asyncio.sleep(400)
        assert potluck.running.scheduler.drift == 10
        assert await moved(potluck) == 11
        assert b'potluck_pool_elsewhere{pool="default"} 10.0' in potluck.running.metrics.page()[0]
