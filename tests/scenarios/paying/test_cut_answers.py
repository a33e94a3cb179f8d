"""What an answer cost that was cut, refused or lost in a crash, as OpenRouter says of it later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.clock import DAY
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox
from tests.fakes.databases import HOME, copied
from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import VirtualClock, VirtualLoop
from tests.scenarios.paying.money import RICH, SUMMIT, allow, charged, cut, fund, running, spent

pytestmark = pytest.mark.virtual


async def test_a_cut_answer_is_settled_with_what_openrouter_says_later(tmp_path: Path, clock: VirtualClock) -> None:
    slow = replace(RICH, generation_delay_seconds=300.0)
    async with deployment(tmp_path, clock, sandbox=slow) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        await cut(potluck)
        bill = potluck.sandbox.billed()
        assert bill > 0
        gone, held = await spent(potluck.running.database)
        assert (gone, held > bill) == (Decimal(0), True), "held at what was set aside"
        await asyncio.sleep(280)
        assert await charged(potluck) == {"unknown": 1}
        assert await spent(potluck.running.database) == (Decimal(0), held)
        await asyncio.sleep(300)
        assert await charged(potluck) == {"settled": 1}
        assert await spent(potluck.running.database) == (bill, Decimal(0))


async def test_an_answer_that_breaks_off_by_itself_is_settled_so_too(tmp_path: Path, clock: VirtualClock) -> None:
    broken = replace(RICH, faults=Faults(rules=(FaultRule(fault="cut_off"),)))
    async with deployment(tmp_path, clock, sandbox=broken) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        heard = await potluck.ask("ann", model=SUMMIT)
        assert heard.error == "upstream_failed"
        assert await charged(potluck) == {"unknown": 1}
        await asyncio.sleep(600)
        assert await spent(potluck.running.database) == (potluck.sandbox.billed(), Decimal(0))


async def test_what_is_refused_upstream_costs_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    refusing = replace(RICH, faults=Faults(rules=(FaultRule(fault="upstream_model"),)))
    async with deployment(tmp_path, clock, sandbox=refusing) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        assert (await potluck.ask("ann", model=SUMMIT)).error == "upstream_busy"
        assert await spent(potluck.running.database) == (Decimal(0), Decimal(0))
        assert await charged(potluck) == {"settled": 1}


async def test_a_restart_in_between_changes_nothing(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> None:
    sandbox = Sandbox(replace(RICH, generation_delay_seconds=300.0), clock)
    url = await sandbox.start()
    try:
        async with running(tmp_path, clock, sandbox, url) as potluck:
            await allow(potluck)
            await fund(potluck, "5")
            await cut(potluck)
        bill = sandbox.billed()
        await asyncio.sleep(120)
        async with running(tmp_path, clock, sandbox, url) as potluck:
            gone, held = await spent(potluck.running.database)
            assert (gone, held > bill) == (Decimal(0), True)
            await asyncio.sleep(900)
            assert await charged(potluck) == {"settled": 1}
            assert await spent(potluck.running.database) == (bill, Decimal(0))
    finally:
        await sandbox.close()


@pytest.mark.usefixtures("kind")
async def test_a_crash_in_the_middle_of_an_answer_is_settled_after_the_next_start(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    """The database as it stood while the answer was being written is what a killed process leaves."""
    sandbox = Sandbox(RICH, clock)
    url = await sandbox.start()
    left_behind = tmp_path / "left"
    try:
        async with running(tmp_path, clock, sandbox, url) as potluck:
            await allow(potluck)
            await fund(potluck, "5")
            asking = asyncio.create_task(potluck.hear(potluck.message("ann", model=SUMMIT), heard=(heard := Heard())))
            while not heard.text:
                await asyncio.sleep(0.05)
            copied(tmp_path, left_behind)
            await asking
        bill = sandbox.billed()
        assert bill > 0
        async with running(left_behind, clock, sandbox, url) as potluck:
            await asyncio.sleep(600)
            assert (await potluck.counted())["leases"] == {"crashed" if HOME.server is None else "given_up": 1}
            assert await charged(potluck) == {"settled": 1}
            assert await spent(potluck.running.database) == (bill, Decimal(0))
            assert potluck.running.scheduler.used == 0
            await potluck.quiet()
    finally:
        await sandbox.close()


async def test_what_nobody_tells_for_a_day_counts_as_set_aside_and_the_operator_hears_of_it(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    never = replace(RICH, generation_delay_seconds=10 * DAY)
    async with deployment(tmp_path, clock, sandbox=never) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        await cut(potluck)
        _, held = await spent(potluck.running.database)
        await asyncio.sleep(DAY - 3700)
        assert await charged(potluck) == {"unknown": 1}
        await asyncio.sleep(2 * 3700)
        assert await charged(potluck) == {"given_up": 1}
        assert await spent(potluck.running.database) == (held, Decimal(0))
        assert [one for one in caplog.records if one.__dict__.get("action") == "cost_unknown"]
