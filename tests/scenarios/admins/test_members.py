"""Who manages a community gives its members more or holds them back: at once, on the record, and back again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.commands.command import Everyone, InRole
from bot.messages import Finished, Member, Queued
from tests.fakes.commanding import Person
from tests.fakes.deployment import Heard, deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.admins.admins import BEN, CARA, ENV, SANDBOX, admin, followed, held_at_last, owner

pytestmark = pytest.mark.virtual


async def test_three_more_today_and_a_block_in_the_middle_of_the_line_and_both_taken_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada, olga, scheduler = admin(potluck), owner(potluck), potluck.running.scheduler
        here = ada.caller.community
        held = await held_at_last(potluck, "ben")
        began, refused = clock.now(), scheduler.share(BEN, here)
        granted = (await ada.does("admin quota grant", who=BEN, units="3")).change
        share = scheduler.share(BEN, here)
        assert share.left_now + share.used - refused.used >= 3, "the question that waits may have gone by now"
        assert share.level == pytest.approx(refused.level + 3, abs=1)
        assert isinstance((await followed(potluck, held)).ending, Finished)
        assert clock.now() - began < 60, "it need not wait for the next look"
        assert scheduler.share(BEN, here).left_now >= 2, "they come on top of what was taken before"

        # A line: one start a minute. Cara waits in front of dan; blocked, she is out at once, and he moves up.
        await olga.does("admin pool limits", rpm="1", rpd="400")
        cara, dan = Heard(), Heard()
        asking = [asyncio.create_task(potluck.ask("eve"))]
        for name, heard in (("cara", cara), ("dan", dan)):
            await asyncio.sleep(1)
            asking.append(asyncio.create_task(potluck.hear(potluck.message(name), heard=heard)))
        await asyncio.sleep(1)
        before = dan.places[-1]
        assert before == cara.places[-1] + 1
        blocked = (await ada.does("admin quota block", member=CARA)).change
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert cara.error == "member_blocked"
        assert isinstance(dan.events[-1], Queued)
        assert dan.places[-1] == before - 1
        await asyncio.gather(*asking)
        assert dan.error is None
        assert (await potluck.ask("cara")).error == "member_blocked"

        # Both are taken back, and the audit tells it all.
        assert granted is not None
        assert blocked is not None
        await ada.does("admin audit undo", number=blocked)
        assert (await potluck.ask("cara")).error is None
        assert "Besides the share today: 3" in ada.read(await ada.does("admin quota show", who=BEN))
        undone = (await ada.does("admin audit undo", number=granted)).change
        assert "Besides the share today: 0" in ada.read(await ada.does("admin quota show", who=BEN))
        story = ada.read(await ada.does("admin audit list"))
        for told in (
            f"{granted} | 14:",
            f"admin quota grant (taken back by {undone})",
            f"admin quota block (taken back by {blocked + 1})",
            f"admin audit undo {blocked}",
            "| ada |",
            "| cara, web | – | blocked",
        ):
            assert told in story, story
        assert "admin pool limits" not in story, "what holds for the shared pool is for its owners"
        assert "admin pool limits" in olga.read(await olga.does("admin audit list", community="everywhere"))
        await potluck.quiet()


async def test_what_one_community_lays_down_is_nothing_to_another(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**ENV, "fair_policy": "fcfs"}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        ada, zoe, olga = admin(potluck), admin(potluck, "discord:9"), owner(potluck)
        await ada.does("admin quota weight", who=BEN, times="2")
        blocked = (await ada.does("admin quota block", member=BEN)).change
        await ada.does("admin channels deny", channel="c1")
        await ada.does("admin persona set", text="Be a heron.")
        assert (await potluck.ask("ben")).error == "member_blocked"
        assert (await potluck.ask("ben", community="discord:9")).error is None
        assert (await potluck.ask("ben", community="discord:9", channel="c1")).error is None
        assert "heron" not in (await potluck.ask("ben", "sandbox:echo", community="discord:9")).text
        assert (await potluck.ask("cara", channel="c1")).error == "channel_closed"
        assert "heron" in (await potluck.ask("cara", "sandbox:echo")).text
        # Nor can its admins see it, or take it back, or say that they are another's.
        assert blocked is not None
        assert "no change" in await zoe.fails("admin audit undo", number=blocked)
        for words in ("audit list", "quota show", "channels list", "persona list", "models list"):
            answer = await zoe.does(f"admin {words}")
            for secret in ("ben", "c1", "heron", "ada"):
                assert secret not in zoe.read(answer), words
        for command in potluck.running.registry.commands:
            if command.rank != "anyone":
                said = await zoe.fails(command.name, community="web")
                assert "those who" in said or "manage this community only" in said, (command.name, said)
                said = await zoe.fails(command.name, community="everywhere")
                assert "those who" in said or "manage this community only" in said, (command.name, said)
        for words, given in (("pool pause", {}), ("pool limits", {"rpd": "1"}), ("pool reserve", {"units": "0"})):
            assert "who runs Potluck" in await zoe.fails(f"admin {words}", **given)
        # Who runs Potluck sees and changes all of it.
        await olga.does("admin audit undo", number=blocked, community="web")
        assert (await potluck.ask("ben")).error is None
        assert "ben" in olga.read(await olga.does("admin audit list", community="everywhere"))


async def test_whom_an_admin_named_is_one_until_it_is_taken_back(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada, ben = admin(potluck), Person(potluck.running.registry, clock, BEN)
        await ben.fails("admin quota show")
        named = (await ada.does("admin admins add", member=BEN)).change
        await ben.does("admin quota show")
        await ben.fails("admin owner communities")
        assert "manage this community only" in await ben.fails("admin quota show", community="discord:9")
        assert named is not None
        await ben.does("admin quota grant", who=CARA, units="1")
        await ada.does("admin audit undo", number=named)
        await ben.fails("admin quota show")


async def test_what_a_role_is_given_its_members_have_when_they_ask_and_at_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada, scheduler = admin(potluck), potluck.running.scheduler
        here = ada.caller.community

        def counts(member: Member) -> tuple[float, int]:
            decision = scheduler.decision(member, here)
            assert decision is not None
            return decision.weight, decision.granted_left

        await ada.does("admin quota weight", who=InRole("helpers"), times="3")
        await potluck.ask("ben")
        await potluck.ask("cara", roles=["helpers"])
        assert (counts(BEN), counts(CARA)) == ((1, 0), (3, 0))
        await ada.does("admin quota grant", who=InRole("helpers"), units="5", when="every day")
        assert counts(CARA) == (3, 4), "at once, for whoever is known to have it; one is taken"
        await ada.does("admin quota weight", who=CARA, times="0.5")
        assert counts(CARA) == (0.5, 4), "by name, value by value, before what a role gives"
        await ada.does("admin quota reset", who=CARA)
        assert counts(CARA) == (3, 4)
        await potluck.ask("cara")
        assert counts(CARA) == (1, 0), "without the role, as the platform says now"
        await ada.does("admin quota set", who=Everyone(), weight="2")
        await potluck.ask("ben", standing="guest")
        assert (counts(BEN), counts(CARA)) == ((1, 0), (2, 0)), "everyone who is one of the community"
        await potluck.quiet()


async def test_who_has_yet_to_ask_is_meant_by_their_id_alone(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada = admin(potluck)
        assert "Nobody known here is called dora" in await ada.fails("admin quota block", member="dora")
        assert (await potluck.ask("dora")).error is None, "a slip in a name changes nothing"
        await ada.does("admin quota block", member="dora")
        await ada.does("admin quota block", member="web:ben")
        assert [(await potluck.ask(who)).error for who in ("dora", "ben")] == ["member_blocked"] * 2
