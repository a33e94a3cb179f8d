"""Asking for money, from the message to the bill: the sandbox's own bill is what is believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bot.clock import DAY, day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, Failed, Finished, Member
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox, SandboxSettings
from bot.openrouter.sandbox.catalogue import MODELS
from bot.quota.ledger import PoolId
from bot.quota.terms import Block, MemberTerms, Terms
from bot.routing.access import Grantee, Reach, ToCommunity, ToMember
from bot.routing.budget import Budget, Period, pico, usd
from bot.routing.prices import Rates
from bot.storage.database import Database
from bot.storage.tables import charges, spending
from tests.fakes.databases import HOME, copied
from tests.fakes.deployment import Deployment, Heard, deployment, served
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock, VirtualLoop

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


@asynccontextmanager
async def running(folder: Path, clock: VirtualClock, sandbox: Sandbox, url: str) -> AsyncIterator[Deployment]:
    """A Potluck over a sandbox that outlives it."""
    async with served(folder, clock, url) as started:
        yield Deployment(started, sandbox, clock, folder)


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
        await lay_down(potluck.running, Terms(members={ANN.key: MemberTerms(block=Block())}))
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
        await asyncio.gather(*(potluck.ask(f"m{n}", LONG, model=SUMMIT) for n in range(200)))
        assert potluck.sandbox.billed() > 1


# --- what a cut answer costs -----------------------------------------------------------------------------


async def cut(potluck: Deployment, user: str = "ann") -> None:
    """Ask for money, and stop it while it is being written."""
    message = potluck.message(user, model=SUMMIT)
    asking = asyncio.create_task(potluck.hear(message, heard=(heard := Heard())))
    while not heard.text:
        await asyncio.sleep(0.05)
    potluck.running.conversations.stop(message.conversation, message.author)
    await asking
    assert heard.error == "stopped"


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


async def test_a_crash_in_the_middle_of_an_answer_is_settled_after_the_next_start(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    """The database as it stood while the answer was being written is what a killed process leaves."""
    sandbox = Sandbox(RICH, clock)
    url = await sandbox.start()
    left_behind = tmp_path / "left"
    left_behind.mkdir()
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


# --- when the pool is spent ------------------------------------------------------------------------------

SPENT = replace(RICH, rpd=1)


async def empty(potluck: Deployment) -> None:
    finished(await potluck.ask("zoe"))
    assert potluck.running.scheduler.room(Member("web", "zoe"), WEB) is False


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


# --- how many at once ------------------------------------------------------------------------------------


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
