"""Who manages a community changes what holds there while people wait: at once, on the record, and back again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.messages import Finished, Held, Member, Queued
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

FAIR = {"fair_policy": "fair", "promise_units": "0", "owner_ids": "web:olga"}
BEN, CARA, DAN = Member("web", "ben"), Member("web", "cara"), Member("web", "dan")


def admin(potluck: Deployment, **more: str) -> Person:
    return Person(potluck.running.registry, potluck.clock, Member("web", "ada"), manages=True, **more)  # type: ignore[arg-type]


async def spent(potluck: Deployment, user: str) -> None:
    """Ask until the share is taken."""
    while (await potluck.ask(user)).error is None:
        pass


async def test_a_day_of_an_admins(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**FAIR, "pool_rpm": "1"}
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=120), env=env) as potluck:
        ada, scheduler = admin(potluck), potluck.running.scheduler
        await spent(potluck, "ben")
        # Three more today: what ben holds goes at once.
        heard = await potluck.hear(replace(potluck.message("ben", "later then"), hold=True))
        assert isinstance(heard.ending, Held)
        granted = await ada.does("admin quota grant", who=BEN, units="3")
        assert scheduler.share(BEN, ada.caller.community).left_now == 3
        began = clock.now()
        follow = Heard()
        async for event in potluck.running.conversations.follow(heard.ending.ticket):
            follow.events.append(event)
        assert isinstance(follow.ending, Finished)
        assert clock.now() - began < 200, "the minute's one start, and no five minutes until the next look"

        # Cara waits in front of dan. Blocked, she is out at once, and he moves up.
        cara, dan = Heard(), Heard()
        first = asyncio.create_task(potluck.ask("eve"))
        await asyncio.sleep(1)
        asking = [asyncio.create_task(potluck.hear(potluck.message("cara"), heard=cara))]
        await asyncio.sleep(1)
        asking.append(asyncio.create_task(potluck.hear(potluck.message("dan"), heard=dan)))
        await asyncio.sleep(1)
        assert dan.places[-1] == cara.places[-1] + 1
        before = dan.places[-1]
        blocked = await ada.does("admin quota block", member=CARA)
        await asyncio.sleep(0.1)
        assert cara.error == "member_blocked"
        assert dan.places[-1] == before - 1
        assert isinstance(dan.events[-1], Queued)
        await asyncio.gather(first, *asking)
        assert dan.error is None
        assert (await potluck.ask("cara")).error == "member_blocked"

        # Both are taken back, and the audit tells it all.
        assert blocked.change is not None
        assert granted.change is not None
        await ada.does("admin audit undo", number=blocked.change)
        await ada.does("admin audit undo", number=granted.change)
        assert scheduler.share(BEN, ada.caller.community).left_now == 0
        assert (await potluck.ask("ben")).error == "daily_share_spent"
        assert (await potluck.ask("cara")).error is None
        story = ada.read(await ada.does("admin audit list"))
        undone_block, undone_grant = blocked.change + 1, blocked.change + 2
        for told in (
            f"{granted.change} |",
            f"admin quota grant (taken back by {undone_grant})",
            f"admin quota block (taken back by {undone_block})",
            f"admin audit undo {blocked.change}",
            "ada",
            "web:cara",
        ):
            assert told in story, story
        await potluck.quiet()
