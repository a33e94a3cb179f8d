"""What is spent stops at the budget, however many ask at once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from bot.clock import day_of, day_start
from bot.messages import Finished
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.paying.money import MEADOW, RICH, SUMMIT, allow, finished, fund, nothing_was_sent, refusal, spent

pytestmark = pytest.mark.virtual


@pytest.mark.usefixtures("kind")
async def test_without_a_budget_nothing_is_spent_and_a_spent_one_says_when_there_is_a_new_one(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        error = refusal(await potluck.ask("ann", model=SUMMIT))
        assert (error.code, error.resets_at) == ("budget_spent", None)
        await fund(potluck, "0.001", "day")
        error = refusal(await potluck.ask("ann", model=SUMMIT))
        assert (error.code, error.resets_at) == ("budget_spent", day_start(day_of(clock.now()) + 1))
        nothing_was_sent(potluck)
        finished(await potluck.ask("ann", model=MEADOW))


LONG = "word " * 4800
"""A question that costs enough for two hundred of them to pass a dollar."""


async def ask_until_answered(potluck: Deployment, user: str, tries: int) -> list[Heard]:
    """Ask, and again each time the budget does not do."""
    heard = [await potluck.ask(user, LONG, model=SUMMIT)]
    while len(heard) < tries and heard[-1].error == "budget_spent":
        await asyncio.sleep(6)
        heard.append(await potluck.ask(user, LONG, model=SUMMIT))
    return heard


async def test_two_hundred_at_once_stop_at_the_budget(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "1.00")
        # All of them at once, and again; a few go on until it is used up.
        tries = (24 if number < 60 else 2 for number in range(200))
        rounds = await asyncio.gather(*(ask_until_answered(potluck, f"m{n}", most) for n, most in enumerate(tries)))
        last = [heard[-1] for heard in rounds]
        bill = potluck.sandbox.billed()
        assert Decimal("0.80") < bill <= 1, "it was used, and not passed"
        answered = [one for one in last if isinstance(one.ending, Finished)]
        assert len(answered) == len(potluck.sandbox.log)
        assert {refusal(one).code for one in last if one not in answered} == {"budget_spent"}
        assert await spent(potluck.running.database) == (bill, Decimal(0))
        assert sum(finished(one).usage.cost_usd for one in answered) == bill
        await potluck.quiet()


async def test_control_with_more_they_pass_it(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "1000")
        await asyncio.gather(*(potluck.ask(f"m{n}", LONG, model=SUMMIT) for n in range(100)))
        assert potluck.sandbox.billed() > 1
