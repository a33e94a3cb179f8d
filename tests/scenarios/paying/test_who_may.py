"""Nobody spends anything without a right to it, and a denial beats every grant."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.messages import Member
from bot.quota.terms import Block, MemberTerms, Terms
from bot.routing.access import Reach, ToMember
from tests.fakes.deployment import deployment
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock
from tests.scenarios.paying.money import (
    ANN,
    AUTO,
    MEADOW,
    MODERATE,
    RICH,
    SUMMIT,
    allow,
    finished,
    fund,
    nothing_was_sent,
    refusal,
)

pytestmark = pytest.mark.virtual


async def test_nobody_may_by_default(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck, "5")
        error = refusal(await potluck.ask("ann", model=SUMMIT))
        assert (error.code, error.why) == ("model_not_allowed", "nobody")
        nothing_was_sent(potluck)
        # Control: a grant is what it took, and it holds at once.
        await allow(potluck, ToMember(ANN))
        finished(await potluck.ask("ann", model=SUMMIT))
        assert refusal(await potluck.ask("ben", model=SUMMIT)).why == "nobody"


@pytest.mark.parametrize("standing", ["guest", "stranger"])
async def test_a_wide_grant_is_not_for_guests(tmp_path: Path, clock: VirtualClock, standing: str) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        error = refusal(await potluck.ask("ann", model=SUMMIT, standing=standing))
        assert (error.code, error.why) == ("model_not_allowed", "wide")
        nothing_was_sent(potluck)


async def test_a_denial_beats_a_grant_and_is_gone_when_taken_back(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck, ToMember(ANN))
        await fund(potluck, "5")
        denial = await potluck.running.access.add(allows=False, to=ToMember(ANN), reach=Reach())
        assert refusal(await potluck.ask("ann", model=SUMMIT)).why == "denied"
        nothing_was_sent(potluck)
        await potluck.running.access.remove(denial.id)
        finished(await potluck.ask("ann", model=SUMMIT))


async def test_a_ceiling_and_a_router_without_one(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck, ToMember(ANN), MODERATE)
        await allow(potluck, ToMember(Member("web", "ben")))
        await fund(potluck, "5")
        assert refusal(await potluck.ask("ann", model=SUMMIT)).why == "price"
        assert refusal(await potluck.ask("ben", model=AUTO)).why == "needs_ceiling"
        nothing_was_sent(potluck)
        assert finished(await potluck.ask("ann", model=AUTO)).model == "sandbox/lantern-70b"
        assert potluck.sandbox.billed() > 0


@pytest.mark.parametrize(
    "model",
    ["sandbox/none", "sandbox/summit-120b:online", "SANDBOX/summit-120b", "@preset/x", "sandbox/gatekeeper-4b:free"],
)
async def test_what_is_not_on_the_list_is_not_to_be_had(tmp_path: Path, clock: VirtualClock, model: str) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        error = refusal(await potluck.ask("ann", model=model))
        assert (error.code, error.why) == ("model_not_allowed", "unknown")
        nothing_was_sent(potluck)


async def test_who_is_blocked_cannot_pay_either_nor_anyone_while_the_pool_is_shut(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allow(potluck)
        await fund(potluck, "5")
        await lay_down(potluck.running, Terms(members={ANN.key: MemberTerms(block=Block())}))
        assert refusal(await potluck.ask("ann", model=MEADOW)).code == "member_blocked"
        potluck.running.scheduler.shut("admin")
        assert refusal(await potluck.ask("ben", model=MEADOW)).code == "pool_paused"
        nothing_was_sent(potluck)
        potluck.running.scheduler.reopen()
        potluck.running.scheduler.shut("no_free_models")
        finished(await potluck.ask("ben", model=MEADOW))
