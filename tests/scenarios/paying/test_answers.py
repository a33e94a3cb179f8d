"""Asking for money, from the message to the bill: the sandbox's own bill is what is believed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.paying.money import MEADOW, RICH, SUMMIT, allow, charged, finished, fund, spent

pytestmark = pytest.mark.virtual


async def test_a_paid_answer_is_billed_to_the_budget_and_takes_nothing_from_the_pool(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        heard = await potluck.ask("ann", model=SUMMIT)
        ending = finished(heard)
        assert (ending.lane, ending.model, ending.attempts, ending.share.used) == ("paid", SUMMIT, 0, 0)
        bill = potluck.sandbox.billed()
        assert bill > 0
        assert ending.usage.cost_usd == bill
        assert await spent(potluck.running.database) == (bill, Decimal(0))
        assert await charged(potluck) == {"settled": 1}
        assert potluck.sandbox.used_today == 0
        assert await potluck.counted() == {"leases": {"answered": 1}, "used": 0, "taken": 0}
        await potluck.quiet()


async def test_a_question_is_answered_once_also_for_money(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        message = potluck.message("ann", model=MEADOW)
        finished(await potluck.hear(message))
        again = Heard()
        await potluck.hear(message, heard=again)
        assert again.events == []
        assert len(potluck.sandbox.log) == 1


async def test_a_conversation_goes_on_over_both_lanes(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        for model in (None, MEADOW, None, MEADOW):
            finished(await potluck.ask("ann", conversation="c", model=model))
        prompts = [attempt.prompt_tokens for attempt in potluck.sandbox.log]
        assert prompts == sorted(prompts), "each has all before it"
        assert prompts[0] < prompts[-1]


async def test_a_member_has_one_paid_question_at_a_time(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "50")
        heard = await asyncio.gather(*(potluck.ask("ann", model=MEADOW) for _ in range(12)))
        assert [one.error for one in heard].count("line_full") == 2
        spans = sorted((one.at, one.ended_at) for one in potluck.sandbox.log)
        assert len(spans) == 10
        for before, after in pairwise(spans):
            assert before[1] is not None
            assert before[1] <= after[0] + 0.1


async def test_all_together_have_no_more_than_so_many(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "50")
        await asyncio.gather(*(potluck.ask(f"m{n}", model=MEADOW) for n in range(70)))
        log = potluck.sandbox.log
        assert len(log) == 70
        most = max(sum(other.at <= one.at < (other.ended_at or 0) for other in log) for one in log)
        assert 20 < most <= 33, "one may leave as another's end is being noted"
