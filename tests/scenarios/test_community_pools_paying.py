"""Money of a community's own account: it is spent by that account's rules alone, and asked after by its key."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.messages import CommunityId, Finished
from bot.openrouter.sandbox import SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity
from bot.routing.budget import Budget, pico
from bot.storage.tables import charges
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

OURS = CommunityId("web:ours")
SUMMIT = "sandbox/summit-120b"
RICH = SandboxSettings(credits=Decimal(1000), rpd=1000)


async def allowed(potluck: Deployment, community: CommunityId, dollars: str) -> PoolId:
    """Everyone in a community may spend so much of the account it has."""
    pool = await potluck.running.pools.of(community)
    await pool.access.add(allows=True, to=ToCommunity(community), reach=Reach())
    budget = Budget(account=pool.id, member=None, community=None, period="month", limit=pico(Decimal(dollars)))
    await potluck.running.money.set_budget(budget)
    return pool.id


async def states(potluck: Deployment) -> list[tuple[str, str]]:
    """Of every charge: the account, and what has become of it."""
    wanted = select(charges.c.account, charges.c.state).order_by(charges.c.id)
    rows = await potluck.running.database.read(lambda connection: connection.execute(wanted).all())
    return [(row.account, row.state) for row in rows]


async def cut(potluck: Deployment, community: str) -> None:
    """Ask for money, and stop it while it is being written."""
    message = potluck.message("ann", model=SUMMIT, community=community)
    asking = asyncio.create_task(potluck.hear(message, heard=(heard := Heard())))
    while not heard.text:
        await asyncio.sleep(0.05)
    potluck.running.conversations.stop(message.conversation, message.author)
    await asking


async def test_a_right_to_one_accounts_money_is_none_to_anothers(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await allowed(potluck, OURS, "5")  # of everybody's account, while it has none of its own
        assert (await potluck.ask("ann", model=SUMMIT, community=OURS)).error is None, "the control"
        everybodys = potluck.sandbox.billed()
        await potluck.running.community_keys.link_community(OURS, await key_of(potluck, "ours"), by=ADMIN)
        assert (await potluck.ask("ann", model=SUMMIT, community=OURS)).error == "model_not_allowed"
        account = await allowed(potluck, OURS, "5")
        heard = await potluck.ask("ann", model=SUMMIT, community=OURS)
        assert isinstance(heard.ending, Finished)
        assert heard.ending.usage.cost_usd == potluck.sandbox.billed("ours") > 0
        assert potluck.sandbox.billed() == everybodys
        assert await states(potluck) == [("default", "settled"), (account, "settled")]
        await potluck.quiet()


async def test_what_a_cut_answer_cost_is_asked_for_by_the_key_it_was_sent_by(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        key = await key_of(potluck, "ours")
        await potluck.running.community_keys.link_community(OURS, key, by=ADMIN)
        account = await allowed(potluck, OURS, "5")
        await cut(potluck, OURS)
        assert await states(potluck) == [(account, "unknown")]
        await asyncio.sleep(300)
        assert await states(potluck) == [(account, "settled")]

        await cut(potluck, OURS)
        await potluck.running.community_keys.unlink_community(OURS, by=ADMIN)
        await asyncio.sleep(3600)
        assert await states(potluck) == [(account, "settled"), (account, "unknown")], "nobody else's key is asked by"
        await potluck.running.community_keys.link_community(OURS, key, by=ADMIN)
        await asyncio.sleep(7200)
        assert await states(potluck) == [(account, "settled")] * 2
