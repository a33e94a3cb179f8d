"""`help`, `quota` and `pool` over a whole Potluck: what they say is so, and nobody sees what is not for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.answer import DayPicture, Line, Meter, Table
from bot.commands.saying import At, Code
from bot.messages import Member
from bot.openrouter.sandbox import SandboxSettings
from bot.quota.terms import Block, MemberTerms, Terms
from tests.fakes.calling import Calling, facts, on_the_page, said
from tests.fakes.deployment import deployment
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

FAIR = {"fair_policy": "fair", "pool_rpd": "20"}


async def test_quota_tells_the_share_and_its_picture_says_the_same(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        for _ in range(2):
            await potluck.ask("ann")
        await potluck.ask("ben")
        await potluck.quiet()
        answer = await call("quota", "ann")
        share = await potluck.running.conversations.share(Member("web", "ann"), on_the_page("ann").community)
        told = facts(answer)
        assert (told["Used today"], told["Left now"], told["Left for sure"]) == (2, share.left_now, share.left_sure)
        assert told["Starts afresh"] == At(share.resets_at)
        picture = next(part for part in answer.parts if isinstance(part, DayPicture))
        meter = next(part for part in answer.parts if isinstance(part, Meter))
        assert picture.pool[-1][1] == (await potluck.running.conversations.pool()).used == 3
        assert [count for _, count in picture.pool] == [1, 2, 3, 3]
        assert [count for _, count in picture.mine] == [1, 2, 2]
        assert (picture.alt.values["used"], picture.alt.values["mine"], picture.alt.values["of"]) == (3, 2, 20)
        assert (meter.used, meter.of) == (2, 2 + share.left_now)
        assert answer.private


async def test_quota_and_pool_work_while_spent_shut_and_blocked_and_cost_nothing(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env=FAIR, sandbox=SandboxSettings(rpd=2)) as potluck:
        call = Calling(potluck)
        while (await potluck.ask("ann")).error is None:
            pass
        await potluck.quiet()
        before = await potluck.running.conversations.pool()
        potluck.running.pools.default.scheduler.shut("admin")
        await lay_down(potluck.running, Terms(members={"web:ann": MemberTerms(block=Block())}))
        for name in ("quota", "pool", "help"):
            assert (await call(name, "ann")).ok, name
        assert "Who manages this community has blocked you from asking here." in said(await call("quota", "ann"))
        assert "The pool is paused by an admin, until it is resumed." in said(await call("pool", "ben"))
        assert replace(await potluck.running.conversations.pool(), shut_for=None) == before
        assert not (await call("ask", "ann", question="why?")).ok, "the control: this one is kept from her"


async def test_who_waits_is_told_the_place(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR | {"pool_rpm": "1"}) as potluck:
        call = Calling(potluck)
        assert "Place in line" not in facts(await call("quota", "ben"))
        await potluck.ask("ann")
        waiting = [asyncio.create_task(potluck.ask(user)) for user in ("ben", "cy")]
        await asyncio.sleep(5)
        assert [facts(await call("quota", user))["Place in line"].values["place"] for user in ("ben", "cy")] == [1, 2]  # type: ignore[union-attr]
        await asyncio.gather(*waiting)
        await potluck.quiet()


async def test_help_shows_what_the_caller_may_use_and_nothing_else(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        call = Calling(potluck)
        for caller in (on_the_page("ann"), on_the_page("ann", manages=True)):
            shown = {
                row[0].text
                for part in (await call("help", caller)).parts
                if isinstance(part, Table)
                for row in part.rows
                if isinstance(row[0], Code)
            }
            assert shown == {f"/{command.name}" for command in call.registry.usable(caller)}
        await lay_down(potluck.running, Terms(members={"web:ann": MemberTerms(block=Block())}))
        assert not any("/ask" in str(part) for part in (await call("help", "ann")).parts)
        one = await call("help", "ann", command="/Quota")
        assert isinstance(one.parts[0], Line)
        assert one.parts[0].said.values["command"] == Code("/quota")
        takes = await call("help", "ben", command="ask")
        table = next(part for part in takes.parts if isinstance(part, Table))
        assert [row[0] for row in table.rows] == [Code("question")]
        wrong = await call("help", "ann", command="nonsense")
        assert (wrong.ok, len(wrong.parts)) == (False, 1)
        offered = await call.registry.suggest(("help",), "command", "po", {}, on_the_page("ann"))
        assert [one.value for one in offered] == [
            "pool",
            "privacy export",
        ]
