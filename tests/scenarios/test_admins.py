"""Who manages a community changes what holds there while people wait: at once, on the record, and back again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Finished, Held, Member, Queued, TicketId
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

OLGA = Member("web", "olga")
ENV = {"fair_policy": "fair", "promise_units": "0", "owner_ids": OLGA.key, "pool_rpd": "20"}
SANDBOX = SandboxSettings(rpm=1000, rpd=1000)
BEN, CARA = Member("web", "ben"), Member("web", "cara")


def admin(potluck: Deployment, community: str = "web") -> Person:
    return Person(potluck.running.registry, potluck.clock, Member("web", "ada"), community=community, manages=True)


def owner(potluck: Deployment) -> Person:
    return Person(potluck.running.registry, potluck.clock, OLGA)


async def held_at_last(potluck: Deployment, user: str) -> TicketId:
    """Ask until the share is taken, and the question is held."""
    while True:
        ending = (await potluck.hear(replace(potluck.message(user), hold=True))).ending
        if isinstance(ending, Held):
            return ending.ticket
        assert isinstance(ending, Finished)


async def followed(potluck: Deployment, ticket: TicketId) -> Heard:
    heard = Heard()
    async for event in potluck.running.conversations.follow(ticket):
        heard.events.append(event)
    return heard


async def test_three_more_today_and_a_block_in_the_middle_of_the_line_and_both_taken_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada, olga, scheduler = admin(potluck), owner(potluck), potluck.running.scheduler
        here = ada.caller.community
        held = await held_at_last(potluck, "ben")
        began, refused = clock.now(), scheduler.share(BEN, here)
        granted = (await ada.does("admin quota grant", who=BEN, units="3")).change
        assert scheduler.share(BEN, here).left_now >= 3
        assert scheduler.share(BEN, here).level == pytest.approx(refused.level + 3, abs=1)
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
