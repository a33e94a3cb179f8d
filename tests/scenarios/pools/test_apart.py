"""A community with an account of its own is a pool of its own: neither takes anything from the other, or stops it."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from bot.messages import CommunityId, Member
from bot.openrouter.sandbox import FaultRule
from bot.pools import LOOK_EVERY
from bot.storage.tables import own_keys
from tests.fakes.virtual import VirtualClock
from tests.scenarios.pools.linked import OURS, THEIRS, accounts, link, potlucks, used

pytestmark = pytest.mark.virtual


async def test_three_pools_of_three_accounts_know_nothing_of_each_other(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        told = potluck.running.conversations
        await link(potluck, OURS, "ours")
        await link(potluck, THEIRS, "theirs")
        limits = {name: (await told.pool(CommunityId(name))).rpd for name in ("web", OURS, THEIRS)}
        assert limits == {"web": 20, OURS: 3, THEIRS: 7}, "each is learnt from its own account"
        assert [(await told.pool(CommunityId(name))).own for name in ("web", OURS)] == [False, True]

        assert [(await potluck.ask("ann", community=OURS)).error for _ in range(4)] == [None] * 3 + ["pool_spent"]
        assert await used(potluck) == {"web": 0, OURS: 3, THEIRS: 0}
        assert (await told.share(Member("web", "ann"), OURS)).used == 3
        assert (await told.share(Member("web", "ann"), THEIRS)).used == 0, "she has had nothing there"
        assert (await potluck.ask("ann", community=THEIRS)).error is None
        assert (await potluck.ask("ann")).error is None
        assert accounts(potluck) == ["ours"] * 3 + ["theirs", ""]
        assert await used(potluck) == {"web": 1, OURS: 3, THEIRS: 1}
        await potluck.quiet()


async def test_the_control_without_keys_they_share_one(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock, rpd=3) as potluck:
        assert [(await potluck.ask("ann", community=OURS)).error for _ in range(4)] == [None] * 3 + ["pool_spent"]
        assert (await potluck.ask("ann", community=THEIRS)).error == "pool_spent"
        assert (await potluck.ask("ann")).error == "pool_spent"
        assert accounts(potluck) == [""] * 3


@pytest.mark.parametrize("fault", ["class:account_daily", "class:account_minute", "class:platform_unknown"])
async def test_a_refusal_of_one_account_stops_its_pool_alone(tmp_path: Path, clock: VirtualClock, fault: str) -> None:
    async with potlucks(tmp_path, clock, FaultRule(fault=fault, account="ours")) as potluck:
        await link(potluck, OURS, "ours")
        before = await potluck.running.conversations.pool()
        assert (await potluck.ask("ann", community=OURS)).error is not None
        ours = await potluck.running.conversations.pool(OURS)
        assert ours.paused_until is not None or ours.used == ours.rpd, "the control: the pool has learnt"
        assert await potluck.running.conversations.pool() == before
        assert (await potluck.ask("ann")).error is None
        await potluck.quiet()


async def test_a_revoked_key_shuts_that_pool_and_says_so(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        key = await link(potluck, OURS, "ours")
        potluck.sandbox.revoke(key.get_secret_value())
        assert (await potluck.ask("ann", community=OURS)).error == "bad_key"
        await asyncio.sleep(60)
        heard = await potluck.ask("ann", community=OURS)
        assert (heard.error, heard.ending.shut_for) == ("pool_paused", "bad_key")  # type: ignore[union-attr]
        shown = await potluck.running.community_keys.community_key(OURS)
        assert shown is not None
        assert not shown.works
        assert (await potluck.running.conversations.pool()).shut_for is None
        assert (await potluck.ask("ann")).error is None
        assert accounts(potluck)[-1] == "", "and never silently by everybody's key"

        await link(potluck, OURS, "ours")
        assert (await potluck.ask("ann", community=OURS)).error is None, "a new key opens it at once"
        await potluck.quiet()


async def test_a_key_that_cannot_be_read_shuts_its_pool_alone(tmp_path: Path, clock: VirtualClock) -> None:
    before, now = (urlsafe_b64encode(bytes([number] * 32)).decode() for number in range(2))
    async with potlucks(tmp_path, clock, secret_key=before) as potluck:
        await link(potluck, OURS, "ours")
    async with potlucks(tmp_path, clock, secret_key=now) as potluck:
        assert (await potluck.ask("ann", community=OURS)).error == "pool_paused"
        assert (await potluck.ask("ann")).error is None
        assert accounts(potluck) == [""]
        await link(potluck, OURS, "ours")
        assert (await potluck.ask("ann", community=OURS)).error is None


async def test_metrics_tell_the_pools_apart(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        await link(potluck, OURS, "ours")
        await potluck.ask("ann", community=OURS)
        page = potluck.running.metrics.page()[0].decode()
        pool = potluck.running.pools.id_of(OURS)
        assert 'potluck_pool_day_used{pool="default"} 0.0' in page
        assert f'potluck_pool_day_used{{pool="{pool}"}} 1.0' in page
        assert OURS not in page, "no label says whose it is"


async def test_a_linked_community_that_says_nothing_costs_a_row(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        await asyncio.sleep(1)
        tasks = len(asyncio.all_tasks())
        vault = potluck.running.secret.vault()
        rows = [
            {"owner": f"community {number}", "sealed": sealed, "linked_at": number, "pool": f"account:{number}"}
            for number in range(3000)
            if (sealed := vault.seal(f"community {number}", SecretStr("sk-or-x")))
        ]
        await potluck.running.database.write(lambda core: core.execute(insert(own_keys), rows) and None)
    async with potlucks(tmp_path, clock) as potluck:
        assert len(potluck.running.pools.linked) == 3000
        assert len(potluck.running.pools.at_hand) == 1
        await asyncio.sleep(1)
        assert len(asyncio.all_tasks()) == tasks
        await asyncio.sleep(3 * LOOK_EVERY)
        assert potluck.running.pools.state() == "0 open, 0 of them shut, for 3000 communities"
        assert (await potluck.ask("ann", community="17")).error is None
        assert potluck.running.pools.state() == "1 open, 0 of them shut, for 3000 communities"
        assert len(asyncio.all_tasks()) == tasks + 2
