"""What the account says of itself, over the day: limits are learnt, use by others is told once, midnight is watched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.clock import day_of, day_start
from bot.openrouter.account import EVERY, GAP, MIDNIGHT_EVERY, SOON
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


def drifts(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.__dict__["units"] for record in caplog.records if record.__dict__.get("action") == "drift"]


async def test_the_days_limit_is_learnt_as_it_is_told(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(rpd=70, faults=Faults(rules=(FaultRule(fault="key_upgraded", path="/key", first=2),)))
    async with deployment(tmp_path, clock, sandbox=sandbox) as potluck:
        assert potluck.running.scheduler.caps.rpd == 70
        await asyncio.sleep(EVERY + 1)
        assert potluck.running.scheduler.caps.rpd == 1000, "somebody bought credits"
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpd": "30"}) as potluck:
        assert potluck.running.scheduler.caps.rpd == 30, "what is set stands"


async def test_use_by_others_is_told_once_for_each_growth(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    rules = (FaultRule(fault="key_used_elsewhere", path="/key", first=3),)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=rules))) as potluck:
        await asyncio.sleep(EVERY * 6)
        assert drifts(caplog) == [10]
        assert potluck.running.scheduler.used == 10


async def test_refusals_ask_the_account_but_not_each_of_them(tmp_path: Path, clock: VirtualClock) -> None:
    """A storm of 429 is no storm of questions about the account."""
    rules = (
        FaultRule(fault="upstream_model"),
        FaultRule(fault="key_used_elsewhere", path="/key", first=2, last=4),
        FaultRule(fault="key_spent", path="/key", first=5),
    )
    sandbox = SandboxSettings(rpm=1000, rpd=1000, faults=Faults(rules=rules))
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "1000"}) as potluck:
        await asyncio.sleep(SOON)
        await potluck.ask("ann")
        await asyncio.sleep(GAP + 1)
        assert potluck.running.scheduler.drift >= 9, "the second look has come, before or after the second attempt"
        await asyncio.gather(*(potluck.ask(f"m{number}") for number in range(40)))
        await asyncio.sleep(EVERY / 2)
        assert potluck.running.scheduler.used < 1000, "the fifth look would have found the day spent"


async def test_the_day_begins_with_a_look(tmp_path: Path, clock: VirtualClock) -> None:
    midnight = day_start(day_of(clock.now()) + 1)
    rules = [FaultRule(fault="key_upgraded", path="/key", after=float(midnight))]
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=tuple(rules)))) as potluck:
        await asyncio.sleep(midnight - 60 - clock.now())
        assert potluck.running.scheduler.caps.rpd == 50
        await asyncio.sleep(70)
        assert potluck.running.scheduler.caps.rpd == 1000


async def test_the_new_day_starts_as_soon_as_the_account_shows_it(tmp_path: Path, clock: VirtualClock) -> None:
    """Its count may be yesterday's for a while, and what is sent then may count as yesterday's."""
    midnight = day_start(day_of(clock.now()) + 1)
    stale = FaultRule(fault="key_spent", path="/key", after=midnight - 10, until=midnight + 35)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(faults=Faults(rules=(stale,)))) as potluck:
        await potluck.ask("ann")
        await asyncio.sleep(midnight + 4 - clock.now())
        assert (await potluck.ask("ann")).error is None
        started = potluck.sandbox.log[-1].at - midnight
        assert 35 <= started <= 35 + MIDNIGHT_EVERY + GAP
