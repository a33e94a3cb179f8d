"""When the pool is spent: who may is offered the price, and nobody is moved to it unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Finished, Member
from bot.openrouter.sandbox.catalogue import MODELS
from bot.routing.access import ToMember
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.paying.money import ANN, MEADOW, RICH, SPENT, allow, charged, empty, finished, fund, refusal

pytestmark = pytest.mark.virtual


async def test_who_may_is_offered_the_paid_lane_with_its_price_and_not_moved_there(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SPENT) as potluck:
        await allow(potluck, ToMember(ANN))
        await fund(potluck, "5")
        await empty(potluck)
        error = refusal(await potluck.ask("ann"))
        assert error.code == "pool_spent"
        assert error.offer is not None
        assert (error.offer.model, error.offer.most > 0) == (MEADOW, True), "the one that costs least"
        assert refusal(await potluck.ask("ben")).offer is None
        assert potluck.sandbox.billed() == 0
        # Saying yes is asking for that model.
        ending = finished(await potluck.ask("ann", model=error.offer.model))
        assert ending.lane == "paid"
        assert ending.usage.cost_usd <= error.offer.most


async def test_who_has_switched_it_on_goes_on_for_money_and_nobody_else(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SPENT) as potluck:
        await allow(potluck, ToMember(ANN))
        await fund(potluck, "5")
        for name in ("ann", "ben"):
            await potluck.running.access.pay_when_spent(Member("web", name), True)
        await empty(potluck)
        assert finished(await potluck.ask("ann")).lane == "paid"
        assert refusal(await potluck.ask("ben")).code == "pool_spent", "the habit is no right"
        await potluck.running.access.pay_when_spent(ANN, False)
        assert refusal(await potluck.ask("ann")).code == "pool_spent"
        assert await charged(potluck) == {"settled": 1}


async def test_the_habit_without_money_is_a_spent_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SPENT) as potluck:
        await allow(potluck, ToMember(ANN))
        await potluck.running.access.pay_when_spent(ANN, True)
        await empty(potluck)
        error = refusal(await potluck.ask("ann"))
        assert (error.code, error.offer) == ("pool_spent", None)
        assert potluck.sandbox.billed() == 0


FREE_WISHES = [one.id for one in MODELS if one.free] + [
    "sandbox/none:free",
    "sandbox/summit-120b:free:online",
    "sandbox/summit-120b:nitro",
    "sandbox/Summit-120b:free",
    "openrouter/free:online",
    "~sandbox/summit-120b",
    "",
]


@pytest.mark.parametrize("full", [True, False])
async def test_no_free_wish_ever_costs_anything(tmp_path: Path, clock: VirtualClock, full: bool) -> None:
    """With every right, every dollar and the habit, over a pool that has units and over one that has none."""
    sandbox = replace(RICH, rpm=1000, rpd=1000 if full else 1)
    async with deployment(tmp_path, clock, sandbox=sandbox, env={"pool_rpm": "1000"}) as potluck:
        await allow(potluck)
        await fund(potluck, "1000")
        await potluck.running.access.pay_when_spent(ANN, True)
        if not full:
            await empty(potluck)
        for wish in FREE_WISHES:
            heard = await potluck.ask("ann", model=wish)
            if isinstance(heard.ending, Finished):
                assert (heard.ending.lane, full) == ("free", True), wish
        if full:
            assert finished(await potluck.ask("ann")).lane == "free", "the habit waits until the pool is spent"
        assert potluck.sandbox.billed() == 0
        assert await charged(potluck) == {}
        assert {attempt.model_used for attempt in potluck.sandbox.log} <= {one.id for one in MODELS if one.free}
