"""Providers' own keys in the account: what they answer is not counted against the pool, and is told apart."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bot.messages import Finished, Member
from bot.openrouter.sandbox import SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToMember
from bot.routing.budget import Budget, pico
from bot.storage.byok import SqlByok
from bot.storage.tables import leases
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.paying.money import charged, spent

pytestmark = pytest.mark.virtual

SUMMIT = "sandbox/summit-120b"
PROVIDER_KEYS = SandboxSettings(byok=True, credits=Decimal(100))
BUDGET = Budget(account=PoolId("default"), member=None, community=None, period="month", limit=pico(Decimal(5)))


async def kept(potluck: Deployment) -> list[tuple[str, str | None, str | None]]:
    """Lane, OpenRouter's charge and the provider's, of each lease."""

    def unit(connection: Connection) -> list[tuple[str, str | None, str | None]]:
        rows = connection.execute(select(leases.c.lane, leases.c.cost_usd, leases.c.upstream_usd).order_by(leases.c.id))
        return [(row.lane, row.cost_usd, row.upstream_usd) for row in rows]

    return await potluck.running.database.read(unit)


def counted(potluck: Deployment, name: str) -> float:
    """A metric by its name and labels, as Prometheus reads it."""
    lines = potluck.running.metrics.page()[0].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("policy", ["fcfs", "fair"])
async def test_what_a_providers_key_answers_takes_nothing_from_the_pool_nor_its_member(
    tmp_path: Path, clock: VirtualClock, policy: str
) -> None:
    async with deployment(tmp_path, clock, sandbox=PROVIDER_KEYS, env={"fair_policy": policy}) as potluck:
        for _ in range(3):
            heard = await potluck.ask("ann")
            assert isinstance(heard.ending, Finished)
            assert (heard.ending.lane, heard.ending.usage.upstream_usd) == ("free", Decimal(0))
        assert await potluck.counted() == {"leases": {"answered": 3}, "used": 0, "taken": 0}
        assert potluck.running.scheduler.used == 0
        assert await kept(potluck) == [("free", "0", "0")] * 3
        assert counted(potluck, 'potluck_byok_answers_total{lane="free"}') == 3
        await potluck.quiet()
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(), env={"fair_policy": policy}) as potluck:
        assert potluck.running.scheduler.used == 0, "so it is after a restart, too"
        await potluck.ask("ann")
        assert potluck.running.scheduler.used == 1, "control: without such a key it is counted"
        assert (await kept(potluck))[-1] == ("free", "0", None)
        await potluck.quiet()


async def test_the_accounts_count_has_the_last_word(tmp_path: Path, clock: VirtualClock) -> None:
    """Should OpenRouter count such answers after all, the pool shrinks by what it says."""
    async with deployment(tmp_path, clock, sandbox=PROVIDER_KEYS) as potluck:
        await potluck.ask("ann")
        potluck.running.scheduler.reported(used=1)
        await asyncio.sleep(1)  # the other processes are told first
        assert potluck.running.scheduler.used == 1


async def test_on_the_paid_lane_the_providers_charge_counts_against_the_budget(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=PROVIDER_KEYS) as potluck:
        await potluck.running.access.add(allows=True, to=ToMember(Member("web", "ann")), reach=Reach())
        await potluck.running.money.set_budget(BUDGET)
        heard = await potluck.ask("ann", model=SUMMIT)
        assert isinstance(heard.ending, Finished)
        at_provider = potluck.sandbox.log[0].upstream_cost
        assert at_provider > 0
        assert (heard.ending.usage.cost_usd, heard.ending.usage.upstream_usd) == (Decimal(0), at_provider)
        assert await spent(potluck.running.database) == (at_provider, Decimal(0))
        assert await charged(potluck) == {"settled": 1}, "the answer itself says what it cost: nobody need ask"
        ((lane, fee, upstream),) = await kept(potluck)
        assert (lane, Decimal(fee or 0), Decimal(upstream or 0)) == ("paid", Decimal(0), at_provider)
        assert counted(potluck, 'potluck_byok_usd_total{lane="paid"}') == pytest.approx(float(at_provider))


async def test_what_the_account_says_of_the_month_is_kept_and_shown(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=PROVIDER_KEYS) as potluck:
        assert potluck.running.account.byok_month == 0
        await potluck.running.access.add(allows=True, to=ToMember(Member("web", "ann")), reach=Reach())
        await potluck.running.money.set_budget(BUDGET)
        await potluck.ask("ann", model=SUMMIT)
        await potluck.running.account.look()
        at_provider = potluck.sandbox.log[0].upstream_cost
        book = SqlByok(potluck.running.database, clock, PoolId("default"))
        kept_month = await book.this_month()
        assert kept_month == pytest.approx(at_provider)
        assert counted(potluck, "potluck_byok_month_usd") == pytest.approx(float(at_provider))


@pytest.mark.parametrize(("rule", "by"), [({}, "August 2026"), ({"byok_free_usd": "7"}, "BYOK_FREE_USD")])
async def test_who_runs_it_sees_the_month_in_the_pools_state_with_the_date_of_the_rule(
    tmp_path: Path, clock: VirtualClock, rule: dict[str, str], by: str
) -> None:
    olga, ada = Member("web", "olga"), Member("web", "ada")
    async with deployment(tmp_path, clock, env={"owner_ids": olga.key, **rule}) as potluck:
        people = [Person(potluck.running.registry, clock, one, manages=True) for one in (olga, ada)]
        assert "list price" not in people[0].read(await people[0].does("admin pool status")), "nothing went by them"
        await SqlByok(potluck.running.database, clock, PoolId("sandbox")).note(Decimal("0.02"))
        await SqlByok(potluck.running.database, clock, PoolId("default")).note(Decimal(25_100))
        told = people[0].read(await people[0].does("admin pool status"))
        assert by in told
        assert "list price" in told
        assert "An estimate" in told
        assert "list price" not in people[1].read(await people[1].does("admin pool status")), "the account is not hers"
