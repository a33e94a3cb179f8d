"""Asking for money, from the message to the bill: the sandbox's own bill is what is believed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bot.clock import day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, Failed, Finished, Member
from bot.openrouter.sandbox import SandboxSettings
from bot.quota.ledger import PoolId
from bot.quota.terms import Block, MemberTerms, Terms
from bot.routing.access import Grantee, Reach, ToCommunity, ToMember
from bot.routing.budget import Budget, Period, pico, usd
from bot.routing.prices import Rates
from bot.storage.database import Database
from bot.storage.tables import charges, spending
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

POOL, WEB = PoolId("default"), CommunityId("web")
ANN = Member("web", "ann")
MEADOW, SUMMIT, AUTO = "sandbox/meadow-8b", "sandbox/summit-120b", "openrouter/auto"
RICH = SandboxSettings(credits=Decimal(1000), rpd=1000)
EVERYONE = ToCommunity(WEB)
EVERY_MODEL = Reach()
MODERATE = Reach(ceiling=Rates.per_million(Decimal(1), Decimal(5)))


async def allow(potluck: Deployment, to: Grantee = EVERYONE, reach: Reach = EVERY_MODEL) -> None:
    await potluck.running.access.add(allows=True, to=to, reach=reach)


async def fund(potluck: Deployment, dollars: str, period: Period = "month") -> None:
    limit = pico(Decimal(dollars))
    await potluck.running.money.set_budget(
        Budget(account=POOL, member=None, community=None, period=period, limit=limit)
    )


async def charged(potluck: Deployment) -> dict[str, int]:
    """How many charges there are in each state."""

    def unit(connection: Connection) -> list[str]:
        return list(connection.scalars(select(charges.c.state)))

    states = await potluck.running.database.read(unit)
    return {state: states.count(state) for state in states}


async def spent(database: Database) -> tuple[Decimal, Decimal]:
    """US dollars spent and set aside, by the counter of everything."""

    def unit(connection: Connection) -> tuple[int, int]:
        row = connection.execute(
            select(spending.c.spent, spending.c.held).where(
                spending.c.member == "", spending.c.community == "", spending.c.period == "ever"
            )
        ).one_or_none()
        return (0, 0) if row is None else (row.spent, row.held)

    gone, held = await database.read(unit)
    return usd(gone), usd(held)  # type: ignore[arg-type]


def refusal(heard: Heard) -> Refused:
    assert isinstance(heard.ending, Failed), heard.events
    assert isinstance(heard.ending.error, Refused), heard.ending
    return heard.ending.error


def finished(heard: Heard) -> Finished:
    assert isinstance(heard.ending, Finished), heard.events
    return heard.ending


def nothing_was_sent(potluck: Deployment) -> None:
    assert potluck.sandbox.log == []
    assert potluck.sandbox.billed() == 0


# --- an answer -------------------------------------------------------------------------------------------


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


# --- who may not -----------------------------------------------------------------------------------------


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
        await potluck.running.conversations.lay_down(Terms(members={ANN.key: MemberTerms(block=Block())}))
        assert refusal(await potluck.ask("ann", model=MEADOW)).code == "member_blocked"
        potluck.running.scheduler.shut("admin")
        assert refusal(await potluck.ask("ben", model=MEADOW)).code == "pool_paused"
        nothing_was_sent(potluck)
        potluck.running.scheduler.reopen()
        potluck.running.scheduler.shut("no_free_models")
        finished(await potluck.ask("ben", model=MEADOW))


# --- budgets ---------------------------------------------------------------------------------------------


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


LONG = "word " * 1600
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
        rounds = await asyncio.gather(*(ask_until_answered(potluck, f"m{n}", 24) for n in range(200)))
        last = [heard[-1] for heard in rounds]
        bill = potluck.sandbox.billed()
        assert Decimal("0.90") < bill <= 1, "all but what one more question could have cost"
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
        await asyncio.gather(*(potluck.ask(f"m{n}", LONG, model=SUMMIT) for n in range(200)))
        assert potluck.sandbox.billed() > 1
