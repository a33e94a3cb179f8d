"""A spent pool asks before anybody pays; who may pay can say once that it need not, and take that back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bot.clock import day_of
from bot.messages import Finished, Member
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

OLGA, ADA, BEN, CARA = (Member("web", name) for name in ("olga", "ada", "ben", "cara"))
ENV = {"owner_ids": OLGA.key}
RICH = SandboxSettings(credits=Decimal(1000), rpd=1000)
SUMMIT = "sandbox/summit-120b"


def lane(heard: Heard) -> str | None:
    """The lane that answered; None: nobody did."""
    return heard.ending.lane if isinstance(heard.ending, Finished) else None


class House:
    """People of one community, whose pool is spent."""

    def __init__(self, potluck: Deployment) -> None:
        registry, clock = potluck.running.registry, potluck.clock
        self.olga, self.ben, self.cara = (Person(registry, clock, one) for one in (OLGA, BEN, CARA))
        self.ada = Person(registry, clock, ADA, manages=True)
        self.potluck = potluck

    async def opened(self) -> House:
        """Ben may spend, and there is money; the pool has no unit left."""
        await self.olga.does("admin paid budget", usd="5", community="web")
        await self.ada.does("admin paid allow", who=BEN, models=SUMMIT)
        self.potluck.running.scheduler.spend_rest(day_of(self.potluck.clock.now()))
        return self


async def test_who_may_pay_says_it_once_and_an_admin_takes_it_back(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = await House(potluck).opened()
        assert "asked" in house.ben.read(await house.ben.does("model spent"))
        assert (await potluck.ask("ben")).error == "pool_spent", "the control: he is asked"
        said = await house.ben.does("model spent", then="pay")
        assert said.change is not None
        assert lane(await potluck.ask("ben")) == "paid"
        assert "go on for money" in house.ben.read(await house.ben.does("model spent"))
        assert "you go on for money" in house.ben.read(await house.ben.does("model show"))
        assert (await potluck.ask("cara")).error == "pool_spent", "nobody else's questions do"
        assert "goes on for money" in house.ada.read(await house.ada.does("admin audit list"))
        await house.ada.does("admin audit undo", number=said.change)
        assert (await potluck.ask("ben")).error == "pool_spent"
        assert not (await house.ben.run("admin audit undo", number=said.change)).ok


async def test_who_may_pay_for_nothing_cannot_switch_it_on(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = await House(potluck).opened()
        assert "Nobody has opened" in await house.cara.fails("model spent", then="pay")
        await house.cara.does("model spent", then="ask")
        assert "spent" not in house.cara.read(await house.cara.does("model show")), "it is nothing to her"
        await potluck.running.own_keys.paste(BEN, await key_of(potluck, "bens"))
        assert "your own OpenRouter account" in await house.ben.fails("model spent", then="pay")


async def test_the_switch_is_no_right_and_takes_nothing_over_a_budget(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = await House(potluck).opened()
        await house.olga.does("admin paid spent", member=CARA, then="pay")
        assert (await potluck.ask("cara")).error == "pool_spent", "it gives her no right"
        await house.ben.does("model spent", then="pay")
        await house.ada.does("admin paid budget", usd="0", of=BEN.key, per="day")
        assert (await potluck.ask("ben")).error == "pool_spent"
        assert potluck.sandbox.billed() == 0


async def test_in_a_pool_that_others_share_an_admin_can_only_switch_it_off(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = await House(potluck).opened()
        assert "other communities" in await house.ada.fails("admin paid spent", member=BEN, then="pay")
        before = house.olga.read(await house.olga.does("admin paid list"))
        await house.olga.does("admin paid spent", member=BEN, then="pay")
        assert house.olga.read(await house.olga.does("admin paid list")).count("ben") == before.count("ben") + 1
        assert house.ada.read(await house.ada.does("admin paid list")) == before, "what is elsewhere is not hers to see"
        assert lane(await potluck.ask("ben")) == "paid"
        await house.ada.does("admin paid spent", member=BEN, then="ask")
        assert (await potluck.ask("ben")).error == "pool_spent"
        await potluck.running.community_keys.link_community(
            house.ada.caller.community, await key_of(potluck, "ours"), by=ADMIN
        )
        await house.ada.does("admin paid spent", member=BEN, then="pay")
        assert (await house.ada.run("admin paid spent", member=BEN, then="perhaps")).ok is False


async def test_it_outlives_a_restart_and_goes_with_who_deletes_everything(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = await House(potluck).opened()
        await house.ben.does("model spent", then="pay")
    async with deployment(tmp_path, clock, sandbox=RICH, env=ENV) as potluck:
        house = House(potluck)
        assert "go on for money" in house.ben.read(await house.ben.does("model spent"))
        await potluck.running.belongings.erase(BEN, house.ben.caller.community)
        assert "asked" in house.ben.read(await house.ben.does("model spent"))
