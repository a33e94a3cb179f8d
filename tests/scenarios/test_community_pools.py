"""A community with an account of its own is a pool of its own: neither takes anything from the other, or stops it."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from bot.errors import LinkError
from bot.messages import CommunityId, Finished, Held, Member, TicketId
from bot.openrouter import linking
from bot.openrouter.sandbox import AccountSettings, FaultRule, Faults, SandboxSettings
from bot.pools import IDLE, LOOK_EVERY
from bot.quota.terms import Block, MemberTerms, Terms
from bot.storage.keys import SqlKeys
from bot.storage.tables import own_keys
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, challenge_in, key_of
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

OURS = CommunityId("web:ours")
THEIRS = CommunityId("web:theirs")
ACCOUNTS: Mapping[str, AccountSettings] = {
    "ours": AccountSettings(rpd=3),
    "theirs": AccountSettings(rpd=7),
    "poor": AccountSettings(rpd=1),
}


@asynccontextmanager
async def potlucks(
    folder: Path, clock: VirtualClock, *rules: FaultRule, rpd: int = 20, **env: str
) -> AsyncIterator[Deployment]:
    """A Potluck that shares an account of 20 a day, in a world with other accounts."""
    sandbox = SandboxSettings(rpd=rpd, accounts=ACCOUNTS, faults=Faults(rules=rules))
    async with deployment(folder, clock, sandbox=sandbox, env=env) as potluck:
        yield potluck


async def link(potluck: Deployment, community: CommunityId, account: str) -> SecretStr:
    key = await key_of(potluck, account)
    await potluck.running.community_keys.link_community(community, key, by=ADMIN)
    return key


def accounts(potluck: Deployment) -> list[str]:
    """Whose each request was, as the sandbox has it."""
    return [attempt.account for attempt in potluck.sandbox.log]


async def used(potluck: Deployment) -> dict[str, int]:
    """Of each pool, by what the community's members are shown."""
    told = potluck.running.conversations
    return {name: (await told.pool(CommunityId(name))).used for name in ("web", OURS, THEIRS)}


async def until_waiting(potluck: Deployment, community: CommunityId | None, number: int) -> None:
    async with asyncio.timeout(60):
        while (await potluck.running.conversations.pool(community)).waiting != number:
            await asyncio.sleep(0.1)


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


# --- linking, replacing, removing while it runs ----------------------------------------------------------


async def asking(potluck: Deployment, users: str, community: CommunityId) -> list[asyncio.Task[Heard]]:
    return [asyncio.create_task(potluck.ask(user, community=community)) for user in users.split()]


async def test_who_waits_while_a_key_is_linked_goes_on_in_the_new_pool(tmp_path: Path, clock: VirtualClock) -> None:
    async with potlucks(tmp_path, clock, pool_rpm="2") as potluck:
        first = await asking(potluck, "a b c d", OURS)
        others = await asking(potluck, "e", THEIRS)
        await until_waiting(potluck, None, 3)
        await asyncio.sleep(2)  # a place is told to who waits longer than a moment
        await link(potluck, OURS, "ours")
        heard = [await one for one in first]
        assert [one.error for one in heard] == [None] * 4
        assert sorted(accounts(potluck)) == ["", "", "ours", "ours"], "nobody else was waiting for those"
        assert [one.places[-1] > 0 for one in heard[2:]] == [True, True]
        assert (await others[0]).error is None
        assert accounts(potluck)[-1] == "", "who is of another community waits on where they were"
        assert await used(potluck) == {"web": 3, OURS: 2, THEIRS: 3}
        assert (await potluck.counted())["used"] == 5
        await potluck.quiet()


async def test_who_waits_while_the_key_is_removed_goes_on_in_everybodys_line(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potlucks(tmp_path, clock, pool_rpm="2") as potluck:
        await link(potluck, OURS, "ours")
        waiting = await asking(potluck, "a b c", OURS)
        await until_waiting(potluck, OURS, 1)
        ours = await potluck.running.pools.of(OURS)
        assert await potluck.running.community_keys.unlink_community(OURS, by=ADMIN)
        assert ours.scheduler.waiting == 0
        assert [(await one).error for one in waiting] == [None] * 3, "what was under way ends where it began"
        assert accounts(potluck) == ["ours", "ours", ""]
        assert await used(potluck) == {"web": 1, OURS: 1, THEIRS: 1}
        assert (await potluck.counted())["used"] == 3
        assert (await potluck.ask("a", community=OURS)).error is None
        assert accounts(potluck)[-1] == ""
        await asyncio.sleep(LOOK_EVERY + 1)
        assert len(potluck.running.pools.at_hand) == 1, "it is closed once all has ended"
        await potluck.quiet()


async def test_who_waits_can_be_stopped_after_the_move_and_at_the_same_moment(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potlucks(tmp_path, clock, pool_rpm="1") as potluck:
        await link(potluck, OURS, "ours")
        waiting = await asking(potluck, "a b", OURS)
        more = potluck.message("c", community=OURS)
        late = asyncio.create_task(potluck.hear(more))
        await until_waiting(potluck, OURS, 2)
        moving = asyncio.create_task(potluck.running.community_keys.unlink_community(OURS, by=ADMIN))
        while potluck.running.pools.now(OURS).own:
            await asyncio.sleep(0)
        assert potluck.running.conversations.stop(more.conversation, more.author)
        assert (await late).error == "stopped"
        assert await moving
        assert [(await one).error for one in waiting] == [None, None]
        await potluck.quiet()


async def test_held_questions_go_where_the_community_goes(tmp_path: Path, clock: VirtualClock) -> None:
    """One goes to everybody's pool as its own is no more, one to its own as there is one now."""
    async with potlucks(tmp_path, clock, fair_policy="fair", promise_units="0", rpd=10) as potluck:
        keys = potluck.running.community_keys
        await link(potluck, OURS, "theirs")
        first = await held(potluck, "ann", OURS)
        second = await held(potluck, "ben", CommunityId("web"))
        before = accounts(potluck)
        await keys.unlink_community(OURS, by=ADMIN)
        assert isinstance((await followed(potluck, first)).ending, Finished)
        assert accounts(potluck)[len(before) :] == [""]
        await link(potluck, CommunityId("web"), "ours")
        assert isinstance((await followed(potluck, second)).ending, Finished)
        assert accounts(potluck)[len(before) :] == ["", "ours"]
        await potluck.quiet()
    async with potlucks(tmp_path, clock, fair_policy="fair", promise_units="0", rpd=10) as potluck:
        await key_of(potluck, "theirs")
        await key_of(potluck, "ours")
        ours = await potluck.running.conversations.share(Member("web", "ben"), CommunityId("web"))
        everybodys = await potluck.running.conversations.share(Member("web", "ann"), OURS)
        assert (ours.used, everybodys.used) == (1, 1), "the day of each pool can be told again from its events"


async def held(potluck: Deployment, user: str, community: CommunityId) -> TicketId:
    """Ask until the share is taken, and have the next question wait for more."""
    while (heard := await potluck.ask(user, community=community)).error is None:
        pass
    assert heard.error == "daily_share_spent"
    heard = await potluck.ask(user, community=community, hold=True)
    assert isinstance(heard.ending, Held)
    return heard.ending.ticket


async def followed(potluck: Deployment, ticket: TicketId) -> Heard:
    heard = Heard()
    async for event in potluck.running.conversations.follow(ticket):
        heard.events.append(event)
    return heard


# --- whose account it is ---------------------------------------------------------------------------------


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


async def link_again(potluck: Deployment, account: str) -> SecretStr:
    """Another key of the account."""
    verifier = linking.verifier(b"another key of the same account!!")
    code = potluck.sandbox.grant(linking.challenge(verifier), account=account)
    return await potluck.running.pools.default.client.exchange_code(code, verifier)


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


# --- linking ---------------------------------------------------------------------------------------------


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


# --- over time -------------------------------------------------------------------------------------------


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
