"""Keys are linked, replaced and removed while members wait: nobody's question ends by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.messages import CommunityId, Finished, Member
from bot.pools import LOOK_EVERY
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock
from tests.scenarios.pools.linked import (
    OURS,
    THEIRS,
    accounts,
    asking,
    followed,
    held,
    link,
    potlucks,
    until_waiting,
    used,
)

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]


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
