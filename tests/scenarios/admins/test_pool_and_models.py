"""What admins say of the pool, of money and of models holds at once, and outlasts a restart."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bot.messages import CommunityId
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import deployment
from tests.fakes.virtual import VirtualClock
from tests.scenarios.admins.admins import BEN, ENV, OLGA, SANDBOX, admin, owner

pytestmark = pytest.mark.virtual


async def test_a_pause_is_the_admins_own_and_outlasts_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**ENV, "fair_policy": "fcfs"}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        await owner(potluck).does("admin pool pause")
        assert (await potluck.ask("ben")).error == "pool_paused"
        await owner(potluck).does("admin pool limits", rpm="7", rpd="300")
        await owner(potluck).does("admin pool reserve", units="290", until="6h")
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        olga, scheduler = owner(potluck), potluck.running.scheduler
        assert (scheduler.caps.rpm, scheduler.caps.rpd) == (7, 300)
        assert (await potluck.ask("ben")).error == "pool_paused"
        scheduler.shut("guard")
        assert "stays shut" in olga.read(await olga.does("admin pool resume"))
        assert (await potluck.ask("ben")).error == "pool_paused", "what an admin did not shut no admin opens so"
        await olga.does("admin pool pause")
        scheduler.reopen()
        assert (await potluck.ask("ben")).error == "pool_paused", "and the other way round"
        await olga.does("admin pool resume")
        assert (await potluck.ask("ben")).error is None
        await olga.does("admin pool limits", lift="yes")
        assert (scheduler.caps.rpm, scheduler.caps.rpd) == (20, 20)
        assert "290" in olga.read(await olga.does("admin pool status"))
        await olga.does("admin pool reserve", units="0")
        assert "290" not in olga.read(await olga.does("admin pool status"))


async def test_the_accounts_cap_waits_while_an_admin_has_laid_down_another(tmp_path: Path, clock: VirtualClock) -> None:
    env = {"fair_policy": "fcfs", "owner_ids": OLGA.key}
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=env) as potluck:
        olga, scheduler = owner(potluck), potluck.running.scheduler
        assert scheduler.caps.rpd == 50
        await olga.does("admin pool limits", rpd="3")
        await potluck.running.account.look()
        assert scheduler.caps.rpd == 3
        for _ in range(3):
            assert (await potluck.ask("ben")).error is None
        assert (await potluck.ask("ben")).error == "pool_spent"
        await olga.does("admin pool limits", lift="yes")
        assert scheduler.caps.rpd == 50
        assert (await potluck.ask("ben")).error is None


async def test_who_may_spend_is_said_by_commands_and_holds_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    sandbox = SandboxSettings(credits=Decimal(1000), rpd=1000)
    env = {**ENV, "fair_policy": "fcfs"}
    dear = "sandbox/summit-120b"
    async with deployment(tmp_path, clock, sandbox=sandbox, env=env) as potluck:
        ada, olga = admin(potluck), owner(potluck)
        assert (await potluck.ask("ben", model=dear)).error == "model_not_allowed"
        allowed = (await ada.does("admin paid allow", who=BEN, models=dear)).change
        assert (await potluck.ask("ben", model=dear)).error == "budget_spent", "a right is no money"
        assert "first say" in await ada.fails("admin paid budget", usd="5", of="each")
        assert "for those who run Potluck" in await ada.fails("admin paid budget", usd="5")
        await olga.does("admin paid budget", usd="5", community="web")
        heard = await potluck.ask("ben", model=dear)
        assert heard.error is None
        assert "$5.00" in ada.read(await ada.does("admin paid list"))
        await ada.does("admin paid budget", usd="0", of="web:ben", per="day")
        assert (await potluck.ask("ben", model=dear)).error == "budget_spent"
        assert allowed is not None
        await ada.does("admin audit undo", number=allowed)
        assert (await potluck.ask("ben", model=dear)).error == "model_not_allowed"
        await olga.does("admin paid deny", who="everyone", community="web")
        (denial,) = potluck.running.access.rules
        assert "takes it back" in await ada.fails("admin paid forget", rule=str(denial.id))


async def test_a_community_has_a_chain_of_its_own(tmp_path: Path, clock: VirtualClock) -> None:
    harbor, lantern, meadow = (f"sandbox/{name}:free" for name in ("harbor-24b", "lantern-70b", "meadow-8b"))
    env = {**ENV, "fair_policy": "fcfs", "free_models": meadow}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        ada, shelf = admin(potluck), potluck.running.pools.default.shelf

        def asked(community: str = "web") -> tuple[str, ...]:
            return shelf.offer(CommunityId(community)).chain.models

        assert asked() == (meadow, "openrouter/free")
        made = await ada.does("admin models chain", models=f"{harbor}, {lantern} openrouter/free")
        assert f"{harbor}, {lantern}, openrouter/free" in ada.read(made)
        assert asked() == (harbor, lantern, "openrouter/free")
        assert asked("discord:9") == (meadow, "openrouter/free")
        await potluck.ask("ben")
        assert potluck.sandbox.log[-1].model_asked == harbor
        await ada.does("admin models default", model=meadow)
        assert asked() == (meadow, harbor, "openrouter/free"), "the default leads, and the router ends it"
        await ada.does("admin models hide", model=harbor)
        assert asked() == (meadow, lantern, "openrouter/free")
        for bad in (
            f"{harbor}",  # hidden
            f"{lantern} {lantern}",
            f"{lantern} {meadow} sandbox/prism-12b:free",
            f"openrouter/free {lantern}",
            f"{lantern} sandbox/summit-120b",
            f"{lantern} maker/none-such:free",
        ):
            await ada.fails("admin models chain", models=bad)
        assert asked() == (meadow, lantern, "openrouter/free"), "what is wrong in part changes nothing"
        await ada.does("admin models chain", models="openrouter/free")
        await ada.does("admin models default")
        assert asked() == ("openrouter/free",), "the router alone, whatever is set for all"
        await ada.does("admin models chain")
        assert asked() == (meadow, "openrouter/free")
        assert "admin models chain" in ada.read(await ada.run("admin audit list"))
        number = len(await potluck.running.office.history(None, limit=99))
        await ada.does("admin audit undo", number=str(number))
        assert asked() == ("openrouter/free",)


async def test_models_personas_and_channels(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**ENV, "fair_policy": "fcfs"}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        ada = admin(potluck)
        free = "sandbox/lantern-70b:free"
        await ada.does("admin models default", model=free)
        await potluck.ask("ben")
        assert potluck.sandbox.log[-1].model_asked == free
        await potluck.ask("ben", community="discord:9")
        assert potluck.sandbox.log[-1].model_asked == "openrouter/free"
        await ada.does("admin models hide", model=free)
        heard = await potluck.ask("ben", model=free)
        assert (heard.error, heard.notices.count("model_gone")) == (None, 1)
        await potluck.ask("ben")
        assert potluck.sandbox.log[-1].model_asked == "openrouter/free", "what is hidden is no default either"
        await ada.does("admin models hide", model=free, show="yes")
        assert (await potluck.ask("ben", model=free)).notices == []

        await ada.does("admin persona set", text="Speak as a heron.", channel="pond")
        assert "heron" in (await potluck.ask("ben", "sandbox:echo", channel="pond")).text
        assert "heron" not in (await potluck.ask("ben", "sandbox:echo", channel="meadow")).text
        await ada.does("admin persona clear", channel="pond")
        assert "heron" not in (await potluck.ask("ben", "sandbox:echo", channel="pond")).text

        await ada.does("admin channels deny", channel="all")
        await ada.does("admin channels allow", channel="pond")
        sent = len(potluck.sandbox.log)
        assert (await potluck.ask("ben", channel="meadow")).error == "channel_closed"
        assert len(potluck.sandbox.log) == sent
        assert (await potluck.ask("ben", channel="pond")).error is None
        assert (await potluck.ask("ben")).error is None, "in private there is no channel"
