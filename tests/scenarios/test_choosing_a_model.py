"""A model that was chosen, over the whole service: which of several choices holds, and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.rendering.saying import Speech
from bot.clock import day_of
from bot.errors import AnswerFailed, Refused
from bot.messages import CommunityId, Failed, Finished, InConversation, Member, ModelId, Started, Who
from bot.openrouter.sandbox import AccountSettings, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.access import Reach, ToCommunity, ToMember
from bot.routing.budget import Budget, pico
from bot.storage.access import SqlAccess
from tests.fakes.commanding import Person
from tests.fakes.databases import HOME, opened
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import ADMIN, key_of
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]

WEB, SLACK = CommunityId("web"), CommunityId("slack:T1")
ANN, BEN = Member("web", "ann"), Member("web", "ben")
HARBOR, SUMMIT = ModelId("sandbox/harbor-24b:free"), ModelId("sandbox/summit-120b")
RICH = SandboxSettings(credits=Decimal(1000), rpd=1000)


def who(member: Member) -> Who:
    return Who(member=member, community=WEB, standing="full")


async def fund(potluck: Deployment, to: ToMember | ToCommunity = ToCommunity(WEB)) -> int:  # noqa: B008
    budget = Budget(account=PoolId("default"), member=None, community=None, period="month", limit=pico(Decimal(5)))
    await potluck.running.money.set_budget(budget)
    return (await potluck.running.access.add(allows=True, to=to, reach=Reach())).id


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


def first_asked(heard: Heard) -> str:
    (started,) = [event.model for event in heard.events if isinstance(event, Started)]
    return started


async def choose(potluck: Deployment, whom: Member | InConversation, model: str | None) -> None:
    by = whom if isinstance(whom, Member) else ANN
    await potluck.running.choices.choose(whom, None if model is None else ModelId(model), who=who(by))


# --- which one holds -------------------------------------------------------------------------------------


async def test_the_nearest_choice_holds(tmp_path: Path, clock: VirtualClock) -> None:
    """What the message names, before the conversation's, the member's, the community's, the deployment's."""
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        free = [one.id for one in potluck.running.choices.usable(who(ANN)) if one.id != "openrouter/free"]
        named, talk, mine, ours = free[:4] if len(free) > 3 else (free * 2)[:4]
        message = potluck.message("ann", conversation="c")
        assert first_asked(await potluck.ask("ann", conversation="c")) == "openrouter/free"
        ada = Person(potluck.running.registry, clock, Member("web", "ada"), manages=True)
        await ada.does("admin models default", model=ours)
        expected: list[tuple[Member | InConversation | None, str]] = [
            (None, ours),
            (ANN, mine),
            (InConversation(message.conversation), talk),
        ]
        for whom, model in expected:
            if whom is not None:
                await choose(potluck, whom, model)
            assert first_asked(await potluck.ask("ann", conversation="c")) == model
        assert first_asked(await potluck.ask("ann", conversation="c", model=named)) == named
        assert first_asked(await potluck.ask("ann", conversation="other")) == mine
        assert first_asked(await potluck.ask("ben", conversation="c")) == ours, "conversations of the web are private"
        for whom, _ in expected[1:]:
            assert whom is not None
            await choose(potluck, whom, None)
        assert first_asked(await potluck.ask("ann", conversation="c")) == ours


async def test_a_choice_outlives_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await choose(potluck, ANN, HARBOR)
    async with deployment(tmp_path, clock) as potluck:
        assert potluck.running.choices.chosen(ANN) == HARBOR
        assert first_asked(await potluck.ask("ann")) == HARBOR


# --- what costs ------------------------------------------------------------------------------------------


async def test_a_model_that_costs_is_paid_for_by_who_chose_it_and_by_nobody_else(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck)
        shared = replace(potluck.message("ann"), conversation=potluck.message("x", conversation="shared").conversation)
        await choose(potluck, InConversation(shared.conversation), SUMMIT)
        paid = await potluck.hear(shared)
        assert isinstance(paid.ending, Finished)
        assert paid.ending.lane == "paid"
        bill = potluck.sandbox.billed()
        assert bill > 0
        free = await potluck.hear(replace(potluck.message("ben"), conversation=shared.conversation))
        assert isinstance(free.ending, Finished)
        assert (free.ending.lane, free.notices) == ("free", ["free_models_may_train"]), "Ben asked for nothing"
        assert potluck.sandbox.billed() == bill
        await potluck.quiet()


async def test_nobody_is_given_a_paid_model_by_their_community(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck)
        ada = Person(potluck.running.registry, clock, Member("web", "ada"), manages=True)
        assert "no free model" in await ada.fails("admin models default", model=SUMMIT)
        assert "no free model" in await ada.fails("admin models chain", models=f"{HARBOR} {SUMMIT}")
        assert potluck.running.office.laid_down == {}


@pytest.mark.parametrize(
    ("model", "why"),
    [(SUMMIT, "nobody"), ("sandbox/none", "unknown"), ("sandbox/summit-120b:online", "unknown"), ("", "unknown")],
)
async def test_what_may_not_be_had_is_not_chosen(tmp_path: Path, clock: VirtualClock, model: str, why: str) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        with pytest.raises(Refused) as caught:
            await choose(potluck, ANN, model)
        assert caught.value.why == why
        assert potluck.running.choices.chosen(ANN) is None


async def test_a_key_is_no_model_and_is_kept_nowhere(tmp_path: Path, clock: VirtualClock) -> None:
    key = "sk-or-v1-" + "ab" * 32
    async with deployment(tmp_path, clock) as potluck:
        with pytest.raises(AnswerFailed) as caught:
            await choose(potluck, ANN, key)
        assert caught.value.reason == "pasted_key"
    assert not any(key.encode() in content for content in contents(tmp_path))


# --- by an account of one's own --------------------------------------------------------------------------


async def test_by_their_own_account_a_member_chooses_anything_and_nobody_else_pays_for_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    own = SandboxSettings(accounts={"anns": AccountSettings(credits=Decimal(50))})
    async with deployment(tmp_path, clock, sandbox=own) as potluck:
        await potluck.running.own_keys.paste(ANN, await key_of(potluck, "anns"))
        shown = {one.id: one.lane for one in potluck.running.choices.usable(who(ANN), limit=100)}
        assert shown[SUMMIT] == "own_key"
        message = potluck.message("ann", conversation="c")
        await choose(potluck, InConversation(message.conversation), SUMMIT)
        heard = await potluck.hear(message)
        assert isinstance(heard.ending, Finished)
        assert (heard.ending.lane, potluck.sandbox.log[-1].account) == ("own_key", "anns")
        await potluck.hear(replace(potluck.message("ben"), conversation=message.conversation))
        assert potluck.sandbox.log[-1].model_asked == "openrouter/free"
        await choose(potluck, ANN, "maker/never-heard-of")  # its account is asked, when it is used
        assert potluck.running.choices.chosen(ANN) == "maker/never-heard-of"
        await potluck.running.own_keys.remove(ANN)
        await choose(potluck, InConversation(message.conversation), None)
        back = await potluck.ask("ann", conversation="c")
        assert isinstance(back.ending, Finished)
        assert (back.ending.lane, back.notices.count("model_gone")) == ("free", 1)


async def test_a_community_with_an_account_of_its_own_has_its_own_models_and_rights(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """What is open to Ann on everybody's account is nothing to an account that another community has linked."""
    both = replace(RICH, accounts={"theirs": AccountSettings(credits=Decimal(50))})
    async with deployment(tmp_path, clock, sandbox=both) as potluck:
        await fund(potluck, ToMember(ANN))
        await potluck.running.community_keys.link_community(SLACK, await key_of(potluck, "theirs"), by=ADMIN)
        there = replace(who(ANN), community=SLACK)
        choices = potluck.running.choices
        await choices.refresh(SLACK)
        assert SUMMIT in [one.id for one in choices.usable(who(ANN), limit=100)]
        assert SUMMIT not in [one.id for one in choices.usable(there, limit=100)]
        with pytest.raises(Refused):
            await choices.choose(ANN, SUMMIT, who=there)
        await choices.choose(ANN, SUMMIT, who=who(ANN))
        elsewhere = await potluck.hear(replace(potluck.message("ann"), community=SLACK))
        assert isinstance(elsewhere.ending, Finished)
        assert (elsewhere.ending.lane, "model_closed" in elsewhere.notices) == ("free", True)
        assert potluck.sandbox.log[-1].account == "theirs"


async def test_the_rules_are_the_communitys_own_also_before_anybody_has_asked_there(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """After a restart no pool of a community's is open yet, and everybody's account opens nothing there."""
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck, ToMember(ANN))
        await potluck.running.community_keys.link_community(SLACK, await key_of(potluck, "theirs"), by=ADMIN)
    there = replace(who(ANN), community=SLACK)
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        choices = potluck.running.choices
        with pytest.raises(Refused):
            await choices.choose(ANN, SUMMIT, who=there)
        await choices.choose(ANN, SUMMIT, who=who(ANN))
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        ann = Person(potluck.running.registry, clock, ANN, community=SLACK)
        assert f"{SUMMIT} |" not in ann.read(await ann.does("model show", search="summit"))
        home = Person(potluck.running.registry, clock, ANN)
        assert f"{SUMMIT} |" in home.read(await home.does("model show", search="summit")), "the control"


async def test_models_are_offered_by_name_free_first_and_with_their_price(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck, ToMember(ANN))

        async def offered(member: Member, typed: str) -> dict[str, str]:
            caller = Person(potluck.running.registry, clock, member).caller
            found = await potluck.running.registry.suggest(("model", "set"), "model", typed, {}, caller)
            return {one.value: Speech(clock=clock).suggested(one) for one in found}

        everything = list((await offered(ANN, "")).values())
        priced = [" / $" in one for one in everything]
        assert priced == sorted(priced), "free ones first"
        assert {True, False} == {*priced}
        assert await offered(ANN, "Sandbox: Summit") == {
            f"{SUMMIT}:free": f"{SUMMIT}:free · free",
            SUMMIT: f"{SUMMIT} · $3.00 / $15.00 a million tokens",
        }
        assert "nothing for now" in (await offered(ANN, "cloak"))["sandbox/cloak-preview"], "and no free model"
        assert SUMMIT not in await offered(BEN, "summit"), "the control: it is not open to him"


# --- what no longer holds --------------------------------------------------------------------------------


async def test_a_model_that_is_gone_is_forgotten_and_its_member_told_once(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with deployment(tmp_path, clock) as potluck:
        await choose(potluck, ANN, HARBOR)
        assert first_asked(await potluck.ask("ann")) == HARBOR
    without = SandboxSettings(withdrawn=(HARBOR,))
    async with deployment(tmp_path, clock, sandbox=without) as potluck:
        await potluck.running.models.look()
        heard = await potluck.ask("ann")
        assert isinstance(heard.ending, Finished)
        assert "model_gone" in heard.notices
        assert potluck.running.choices.chosen(ANN) is None
        assert (await potluck.ask("ann")).notices == []
    async with deployment(tmp_path, clock, sandbox=without) as potluck:
        assert (await potluck.ask("ann")).notices == []


async def test_a_model_that_is_closed_is_passed_over_and_its_member_told_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        rule = await fund(potluck, ToMember(ANN, WEB))
        await choose(potluck, ANN, SUMMIT)
        elsewhere = [replace(potluck.message("ann"), community=SLACK) for _ in range(2)]
        heard = [await potluck.hear(message) for message in elsewhere]
        assert [one.notices.count("model_closed") for one in heard] == [1, 0]
        assert [one.ending.lane for one in heard if isinstance(one.ending, Finished)] == ["free", "free"]
        again = await potluck.ask("ann")
        assert isinstance(again.ending, Finished)
        assert again.ending.lane == "paid", "there it is still open"
        await potluck.running.access.remove(rule)  # type: ignore[arg-type]
        heard = [await potluck.ask("ann") for _ in range(2)]
        assert [one.notices.count("model_closed") for one in heard] == [1, 0]
        assert potluck.running.choices.chosen(ANN) == SUMMIT, "kept, for the day it is open again"


async def test_what_an_admin_hides_is_passed_over_and_its_member_told_once(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        choices = potluck.running.choices
        ada = Person(potluck.running.registry, clock, Member("web", "ada"), manages=True)
        await choose(potluck, ANN, HARBOR)
        hidden = await ada.does("admin models hide", model=HARBOR)
        heard = [await potluck.ask("ann") for _ in range(2)]
        assert [first_asked(one) for one in heard] == ["openrouter/free"] * 2
        assert [one.notices.count("model_gone") for one in heard] == [1, 0]
        named = await potluck.ask("ann", model=HARBOR)
        assert (first_asked(named), "model_gone" in named.notices) == ("openrouter/free", True)
        assert HARBOR not in [one.id for one in choices.usable(who(ANN), limit=100)]
        closed = {one.id: one.why_not for one in choices.usable(who(ANN), limit=100, all=True)}
        assert closed[HARBOR] == "hidden"
        assert HARBOR not in ada.read(await ada.run("model show"))
        offered = await potluck.running.registry.suggest(("model", "set"), "model", "", {}, ada.caller)
        assert HARBOR not in [one.value for one in offered]
        assert "not on this community's list" in await ada.fails("model set", model=HARBOR)
        elsewhere = await potluck.ask("ann", community="slack:T1")
        assert first_asked(elsewhere) == HARBOR, "it is hidden here alone"
        await ada.does("admin audit undo", number=str(hidden.change))
        assert first_asked(await potluck.ask("ann")) == HARBOR, "kept, for the day it is shown again"


async def test_a_choice_for_money_says_so_when_the_budget_is_spent(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck)
        await choose(potluck, ANN, SUMMIT)
        await potluck.running.money.set_budget(
            Budget(account=PoolId("default"), member=None, community=None, period="month", limit=pico(Decimal(0)))
        )
        heard = await potluck.ask("ann")
        assert isinstance(heard.ending, Failed)
        assert heard.ending.error.code == "budget_spent"


# --- what is said from the shell -------------------------------------------------------------------------


@asynccontextmanager
async def shell(folder: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[SqlAccess]:
    """The rules as another process has them, such as `potluck admin paid`."""
    async with opened(HOME.where(folder), clock, loop) as database:
        access = SqlAccess(database, PoolId("default"))
        await access.load()
        yield access


async def test_a_grant_from_the_shell_holds_at_once_and_so_does_taking_it_back(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck, shell(tmp_path, clock, loop) as access:
        rule = await fund(potluck, ToMember(BEN))
        assert (await potluck.ask("ann", model=SUMMIT)).error == "model_not_allowed"
        granted = await access.add(allows=True, to=ToMember(ANN), reach=Reach())
        assert isinstance((await potluck.ask("ann", model=SUMMIT)).ending, Finished)
        await choose(potluck, ANN, SUMMIT)
        await access.remove(granted.id)
        heard = await potluck.ask("ann")
        assert isinstance(heard.ending, Finished)
        assert (heard.ending.lane, "model_closed" in heard.notices) == ("free", True)
        assert (await potluck.ask("ann", model=SUMMIT)).error == "model_not_allowed"
        assert rule


async def test_the_switch_from_the_shell_holds_at_once(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> None:
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck, shell(tmp_path, clock, loop) as access:
        await fund(potluck)
        potluck.running.scheduler.spend_rest(day_of(clock.now()))
        offered = await potluck.ask("ann")
        assert isinstance(offered.ending, Failed)
        assert isinstance(offered.ending.error, Refused)
        assert offered.ending.error.offer is not None
        await access.pay_when_spent(ANN, True)
        paid = await potluck.ask("ann")
        assert isinstance(paid.ending, Finished)
        assert paid.ending.lane == "paid"


async def test_what_is_offered_for_a_spent_pool_is_what_the_member_prefers(tmp_path: Path, clock: VirtualClock) -> None:
    """Where that is not what is asked anyway: here the conversation has a free model of its own."""
    async with deployment(tmp_path, clock, sandbox=RICH) as potluck:
        await fund(potluck)
        message = potluck.message("ann", conversation="c")
        await choose(potluck, InConversation(message.conversation), HARBOR)
        potluck.running.scheduler.spend_rest(day_of(clock.now()))
        cheapest = await potluck.ask("ann", conversation="c")
        await choose(potluck, ANN, SUMMIT)
        preferred = await potluck.ask("ann", conversation="c")
        models = []
        for heard in (cheapest, preferred):
            assert isinstance(heard.ending, Failed)
            assert isinstance(heard.ending.error, Refused)
            assert heard.ending.error.offer is not None
            models.append(heard.ending.error.offer.model)
        assert models == ["sandbox/meadow-8b", SUMMIT]
