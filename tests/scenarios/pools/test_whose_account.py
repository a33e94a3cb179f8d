"""A pool is an account, whoever brings its key, however often it is replaced and over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.errors import LinkError
from bot.messages import Member
from bot.openrouter.sandbox import FaultRule
from bot.pools import IDLE, LOOK_EVERY
from bot.quota.terms import Block, MemberTerms, Terms
from bot.storage.keys import SqlKeys
from tests.fakes.linking import ADMIN, challenge_in, key_of
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock
from tests.scenarios.pools.linked import OURS, THEIRS, accounts, asking, link, link_again, potlucks, used

pytestmark = pytest.mark.virtual


async def test_a_key_of_everybodys_account_makes_no_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        shown = await potluck.running.community_keys.link_community(OURS, await key_of(potluck, ""), by=ADMIN)
        assert shown.account == "everybodys"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert (await potluck.running.conversations.pool()).used == 1, "counted once"
        assert len(potluck.running.pools.at_hand) == 1


async def test_two_communities_of_one_account_are_one_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        keys = potluck.running.community_keys
        mine = await key_of(potluck, "ours")
        other = await key_of(potluck, "ours ")
        assert mine != other
        assert (await keys.link_community(OURS, mine, by=ADMIN)).account == "own"
        second = await link_again(potluck, "ours")
        assert second.get_secret_value() != mine.get_secret_value()
        assert (await keys.link_community(THEIRS, second, by=ADMIN)).account == "another_communitys"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert await used(potluck) == {"web": 0, OURS: 1, THEIRS: 1}

        waiting = await asking(potluck, "a b", THEIRS)
        assert await keys.unlink_community(OURS, by=ADMIN)
        assert [(await one).error for one in waiting] == [None, None], "the other's members wait on"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert accounts(potluck) == ["ours"] * 3 + [""]
        await potluck.quiet()


async def test_where_openrouter_does_not_tell_each_key_is_an_account(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock, FaultRule(fault="key_empty", path="/key")) as potluck:
        keys = potluck.running.community_keys
        key = await key_of(potluck, "ours")
        assert (await keys.link_community(OURS, key, by=ADMIN)).account == "untold"
        assert (await keys.link_community(THEIRS, key, by=ADMIN)).account == "another_communitys", "it is the very same"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert await used(potluck) == {"web": 0, OURS: 1, THEIRS: 1}
        await keys.link_community(THEIRS, await link_again(potluck, "ours"), by=ADMIN)
        assert await used(potluck) == {"web": 0, OURS: 1, THEIRS: 0}, "that it is the same account cannot be known"


async def test_a_replaced_key_keeps_the_day_of_its_account_and_no_other(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        keys = potluck.running.community_keys
        first = await link(potluck, OURS, "ours")
        assert (await potluck.ask("ann", community=OURS)).error is None
        await keys.link_community(OURS, await link_again(potluck, "ours"), by=ADMIN)
        potluck.sandbox.revoke(first.get_secret_value())
        assert (await potluck.running.conversations.pool(OURS)).used == 1
        assert (await potluck.ask("ann", community=OURS)).error is None, "by the new key"

        await link(potluck, OURS, "theirs")
        ours = await potluck.running.conversations.pool(OURS)
        assert (ours.used, ours.rpd) == (0, 7), "another account, another day"
        assert (await potluck.ask("ann", community=OURS)).error is None
        await keys.unlink_community(OURS, by=ADMIN)
        await link(potluck, OURS, "ours")
        assert (await potluck.running.conversations.pool(OURS)).used == 2, "what it had is remembered"
        await potluck.quiet()


async def test_what_is_no_good_key_changes_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        keys = potluck.running.community_keys
        with pytest.raises(LinkError, match="key_refused"):
            await keys.link_community(OURS, SecretStr("sk-or-v1-" + "bad0cafe" * 8), by=ADMIN)
        with pytest.raises(LinkError, match="not_a_key"):
            await keys.link_community(OURS, SecretStr("hello"), by=ADMIN)
        assert await keys.community_key(OURS) is None
        key = await link(potluck, OURS, "ours")
        with pytest.raises(LinkError, match="key_refused"):
            await keys.link_community(OURS, SecretStr("sk-or-v1-" + "bad0cafe" * 8), by=ADMIN)
        shown = await keys.community_key(OURS)
        assert shown is not None
        assert (shown.last_four, shown.works, shown.account) == (key.get_secret_value()[-4:], True, "own")
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert accounts(potluck) == ["ours"]
        assert not await keys.unlink_community(THEIRS, by=ADMIN)


async def test_an_account_is_linked_by_its_code_too(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        keys = potluck.running.community_keys
        opened = await keys.start_link(OURS)
        code = potluck.sandbox.grant(challenge_in(opened.link), account="ours")
        with pytest.raises(LinkError, match="no_link"):
            await keys.finish_link(THEIRS, code, by=ADMIN)
        assert (await keys.finish_link(OURS, code, by=ADMIN)).account == "own"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert accounts(potluck) == ["ours"]


async def test_what_another_process_links_and_removes_holds_within_a_minute(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        kept = SqlKeys(potluck.running.database, potluck.clock, potluck.running.secret.vault())
        key = await link(potluck, OURS, "ours")
        pool = potluck.running.pools.id_of(OURS)
        await kept.put(THEIRS, key, pool=pool)
        await kept.remove(OURS)
        await asyncio.sleep(LOOK_EVERY + 1)
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert (await potluck.ask("ann", community=THEIRS)).error is None
        assert accounts(potluck) == ["", "ours"]


async def test_a_restart_takes_up_every_pool_where_it_stood(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        await link(potluck, OURS, "ours")
        await potluck.ask("ann", community=OURS)
        await potluck.ask("ann")
        blocked = Terms(members={"web:mallory": MemberTerms(block=Block())})
        await lay_down(potluck.running, blocked, OURS)
    async with potlucks(tmp_path, clock) as potluck:
        await key_of(potluck, "ours")  # the new sandbox has to learn of it, and gives the same
        assert len(potluck.running.pools.at_hand) == 1, "it is opened when it is asked for"
        assert (await potluck.running.conversations.pool(OURS)).used == 1
        assert (await potluck.running.conversations.share(Member("web", "ann"), OURS)).used == 1
        assert (await potluck.ask("mallory", community=OURS)).error == "member_blocked"
        assert (await potluck.ask("mallory")).error is None, "it is that community's rule"
        assert (await potluck.ask("ann", community=OURS)).error is None
        assert accounts(potluck) == ["", "ours"]


async def test_an_idle_pool_is_closed_and_opens_again_where_it_stood(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        await link(potluck, OURS, "ours")
        await potluck.ask("ann", community=OURS)
        assert len(potluck.running.pools.at_hand) == 2
        await asyncio.sleep(IDLE + 2 * LOOK_EVERY)
        assert len(potluck.running.pools.at_hand) == 1
        course = await potluck.running.day.course(Member("web", "ann"), OURS)
        assert (course.pool[-1][1], course.mine[-1][1]) == (1, 1), "of this pool, and not of everybody's"
        await potluck.running.pools.close_idle()
        both = await asyncio.gather(*(potluck.ask("ann", community=OURS) for _ in range(2)))
        assert [heard.error for heard in both] == [None, None]
        assert (await potluck.running.conversations.pool(OURS)).used == 3
        assert len(potluck.running.pools.at_hand) == 2, "opened once"
        (await potluck.running.pools.of(OURS)).scheduler.shut("guard")
        await asyncio.sleep(IDLE + 2 * LOOK_EVERY)
        assert (await potluck.ask("ann", community=OURS)).error == "pool_paused", "what is shut stays at hand, and shut"


async def test_a_pool_whose_key_was_revoked_is_closed_too_and_found_out_again(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potlucks(tmp_path, clock) as potluck:
        key = await link(potluck, OURS, "ours")
        potluck.sandbox.revoke(key.get_secret_value())
        await potluck.ask("ann", community=OURS)
        await asyncio.sleep(IDLE + 2 * LOOK_EVERY)
        assert len(potluck.running.pools.at_hand) == 1, "or it would be asked about for ever"
        shown = await potluck.running.community_keys.community_key(OURS)
        assert shown is not None
        assert not shown.works
        await asyncio.sleep(60)
        assert (await potluck.ask("ann", community=OURS)).error == "pool_paused"
        assert (await potluck.running.conversations.pool(OURS)).shut_for == "bad_key"
