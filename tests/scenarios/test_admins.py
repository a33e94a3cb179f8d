"""Who manages a community changes what holds there while people wait: at once, on the record, and back again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.commands.command import Everyone, Given, InRole
from bot.messages import CommunityId, Finished, Held, Member, Queued, TicketId
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


async def lines_of_the_audit(potluck: Deployment) -> int:
    return len(await potluck.running.office.history(None, limit=1000))


def bad(words: str, **given: Given) -> tuple[str, dict[str, Given]]:
    return words, given


BAD: list[tuple[str, dict[str, Given]]] = [
    *[bad("admin quota grant", who="ben", units=units) for units in ("-3", "0", "1e9", "nan", "3.5", "many", "")],
    ("admin quota grant", {"who": "nobody", "units": "3"}),
    ("admin quota grant", {"who": "ben", "units": "3", "when": "yesterday"}),
    ("admin quota grant", {"who": "ben", "units": "3", "colour": "red"}),
    ("admin quota grant", {"units": "3"}),
    *[bad("admin quota grant", who="ben", units=units) for units in ("18", "21", "100000")],
    ("admin quota grant", {"who": "ben", "units": "18", "when": "every day"}),
    ("admin quota grant", {"who": "everyone", "units": "21"}),
    ("admin quota set", {"who": "ben", "every_day": "21"}),
    *[bad("admin quota weight", who="ben", times=times) for times in ("0", "-1", "nan", "inf", "1e9", "heavy")],
    ("admin quota set", {"who": "ben"}),
    ("admin quota block", {"member": "nobody"}),
    ("admin quota block", {"member": "ben", "until": "2020-01-01"}),
    ("admin quota block", {"member": "ben", "until": "soon"}),
    ("admin quota block", {"member": "role:7"}),
    *[bad("admin pool limits", rpm="20", rpd=rpd) for rpd in ("0", "-1", "1e9", "nan", "99999999")],
    ("admin pool limits", {"rpm": "1000000", "rpd": "30"}),
    ("admin pool limits", {}),
    ("admin pool limits", {"rpm": "3", "lift": "yes"}),
    ("admin pool reserve", {"units": "5"}),
    ("admin pool reserve", {"units": "5", "until": "2020-01-01"}),
    ("admin pool reserve", {"units": "5000", "until": "6h"}),
    ("admin pool reserve", {"units": "-5", "until": "6h"}),
    *[bad("admin paid budget", usd=usd) for usd in ("-1", "nan", "1e9", "2000000", "lots")],
    ("admin paid budget", {"usd": "1", "of": "nobody"}),
    ("admin paid budget", {"usd": "1", "per": "week"}),
    ("admin paid allow", {"who": "ben", "models": "maker/none-such"}),
    ("admin paid allow", {"who": "ben", "prompt_price": "1"}),
    ("admin paid allow", {"who": "ben", "until": "2020-01-01"}),
    ("admin paid forget", {"rule": "7"}),
    ("admin models default", {"model": "maker/none-such:free"}),
    ("admin models default", {"model": "sandbox/summit-120b"}),
    ("admin models hide", {"model": "maker/none-such"}),
    ("admin models hide", {"model": "openrouter/free"}),
    ("admin persona set", {"text": " "}),
    ("admin persona set", {"text": "x" * 2001}),
    ("admin persona set", {"text": "be sk-or-v1-" + "a1" * 32}),
    ("admin channels deny", {}),
    ("admin admins add", {"member": "nobody"}),
    ("admin admins remove", {"member": "ben"}),
    ("admin audit undo", {"number": "999"}),
    ("admin audit undo", {"number": "-1"}),
    ("admin owner weight", {"times": "nan"}),
    ("admin nonsense", {}),
]


async def test_what_cannot_be_is_one_sentence_and_changes_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        olga = owner(potluck)
        await potluck.ask("ben")
        await olga.does("admin quota grant", who="ben", units="3")
        before, stood = await lines_of_the_audit(potluck), dict(potluck.running.office.laid_down)
        caps = potluck.running.scheduler.caps
        for words, given in BAD:
            said = await olga.fails(words, **given)
            assert said.endswith("."), (words, given, said)
            assert "\n" not in said
            assert "inside Potluck" not in said, (words, given)
        assert (await lines_of_the_audit(potluck), dict(potluck.running.office.laid_down)) == (before, stood)
        assert potluck.running.scheduler.caps == caps
        assert len(potluck.sandbox.log) == 1
        assert "grant 17 more at most" in await olga.fails("admin quota grant", who="ben", units="18")
        await olga.does("admin quota grant", who="ben", units="17")


async def test_commands_work_while_nothing_else_does_and_take_no_unit(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**ENV, "fair_policy": "fcfs", "pool_rpd": "2"}
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=env) as potluck:
        ada, olga = admin(potluck), owner(potluck)
        await potluck.ask("ben")
        await potluck.ask("ben")
        assert (await potluck.ask("ben")).error == "pool_spent"
        sent, used = len(potluck.sandbox.log), potluck.running.scheduler.used

        async def all_work() -> None:
            for words in ("pool status", "quota show", "models list", "paid list", "audit list", "admins list"):
                await ada.does(f"admin {words}")
            made = await ada.does("admin quota grant", who=BEN, units="2")
            assert made.change is not None
            await ada.does("admin audit undo", number=made.change)

        await all_work()
        await olga.does("admin pool pause")
        await all_work()
        assert "paused by an admin" in ada.read(await ada.does("admin pool status"))
        await potluck.sandbox.close()
        await all_work()
        assert (len(potluck.sandbox.log), potluck.running.scheduler.used) == (sent, used)


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


async def test_who_has_yet_to_ask_is_meant_by_their_id_alone(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SANDBOX, env=ENV) as potluck:
        ada = admin(potluck)
        assert "Nobody known here is called dora" in await ada.fails("admin quota block", member="dora")
        assert (await potluck.ask("dora")).error is None, "a slip in a name changes nothing"
        await ada.does("admin quota block", member="dora")
        await ada.does("admin quota block", member="web:ben")
        assert [(await potluck.ask(who)).error for who in ("dora", "ben")] == ["member_blocked"] * 2


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
