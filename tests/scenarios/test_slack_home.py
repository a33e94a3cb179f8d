"""The Home tab as members and admins see and use it, with all commands there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.clock import DAY
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.linking import Member as Linker
from tests.fakes.slack.person import Person
from tests.fakes.slack.potluck import Installed, all_commands, in_slack
from tests.fakes.slack.web_api import Fault
from tests.fakes.slack.world import Json, words_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

HARBOR, SUMMIT = "sandbox/harbor-24b:free", "sandbox/summit-120b"


@asynccontextmanager
async def potluck(folder: Path, clock: VirtualClock, **more: Any) -> AsyncIterator[Installed]:
    async with in_slack(folder, clock, registry=all_commands, **more) as there:
        yield there


async def home_of(there: Installed, person: Person) -> Json:
    """The tab, opened now."""
    shown = len(there.slack.views.homes.get(person.id, []))
    await person.opens("home")
    return await next_home(there, person, shown)


async def next_home(there: Installed, person: Person, shown: int) -> Json:
    """The tab, once it has been shown more often than so."""
    homes = there.slack.views.homes
    await there.slack.until(lambda: len(homes.get(person.id, [])) > shown)
    return homes[person.id][-1]


def reads(view: Json) -> str:
    return " ".join(words_of(view["blocks"]))


def headers(view: Json) -> Sequence[str]:
    return [block["text"]["text"] for block in view["blocks"] if block["type"] == "header"]


def menu(view: Json, action: str) -> Json:
    (found,) = [block["accessory"] for block in view["blocks"] if block.get("accessory", {}).get("action_id") == action]
    return dict(found)


def options(view: Json, action: str) -> list[str]:
    return [one["value"] for one in menu(view, action)["options"]]


async def test_the_home_tab_shows_a_member_share_days_pool_models_and_account(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(tmp_path, clock, fair_policy="fair", promise_units="0") as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        assert "You have asked nothing in the last 7 days." in reads(await home_of(there, ann)), "the control"
        for _ in range(3):
            await slack.settled("C1", (await ann.asks("why is the sky blue?")).root)
        await asyncio.sleep(DAY - clock.now() % DAY + 200)
        await slack.settled("C1", (await ann.asks("and today?")).root)
        tab = await home_of(there, ann)
        assert headers(tab) == [
            "Your share today",
            "Your last days",
            "Everyone's pool",
            "Your model",
            "Your own OpenRouter account",
        ]
        said = reads(tab)
        assert "█" in said
        assert "Used 1, left " in said
        assert "`███░░░░░░░`  Tue 22 Sep: 1 asked, 1 of them from the pool" in said
        assert "`██████████`  Mon 21 Sep: 3 asked, 3 of them from the pool" in said
        assert "1 of the 50 requests of today's pool are used" in said
        assert options(tab, "model")[0] == "any"
        assert HARBOR in options(tab, "model")
        assert "admin" not in str(tab)
        assert not [call.error for call in slack.api.calls if call.error]


async def test_admins_see_what_to_look_after_and_change_it_in_a_form(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, boss, ann = there.slack, there.slack.person("U0BOSS", is_owner=True), there.slack.person("U1ANN")
        tab = await home_of(there, boss)
        assert headers(tab)[-1] == "For those who manage this community"
        await boss.presses_in(tab, "manage", option="admin quota block")
        await slack.until(lambda: slack.views.modals)
        form = slack.views.modal
        assert form["title"]["text"] == "admin quota block"
        people = {"member": {"value": {"type": "users_select", "selected_user": ann.id}}}
        await boss.submits(form, people)
        await slack.until(lambda: slack.views.modal is not form)
        assert "<@U1ANN>" in reads(slack.views.modal)
        await ann.asks("may I?")
        await slack.until(lambda: slack.whispers(ann.id))
        assert "An admin has switched it off for you" in slack.whispers(ann.id)[0].beside
        shown = len(slack.views.homes[boss.id])
        await boss.presses_in(tab, "next91")
        await slack.until(lambda: "block" in reads(slack.views.modal) and "audit" in str(slack.views.modal["title"]))
        assert len(slack.views.homes[boss.id]) >= shown


async def test_a_model_is_chosen_on_the_tab_and_answers_from_then_on(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        tab = await home_of(there, ann)
        assert menu(tab, "model")["initial_option"]["value"] == "any"
        await ann.presses_in(tab, "model", option=HARBOR)
        tab = await next_home(there, ann, 1)
        assert menu(tab, "model")["initial_option"]["value"] == HARBOR
        assert f"`{HARBOR}` answers you." in reads(tab)
        (answer,) = await slack.settled("C1", (await ann.asks("who are you?")).root)
        assert HARBOR in answer.beside
        await ann.presses_in(tab, "model", option="any")
        tab = await next_home(there, ann, 2)
        assert "Potluck chooses the model that answers you." in reads(tab)


async def test_models_that_cost_are_offered_to_those_alone_who_may_use_them(
    tmp_path: Path, clock: VirtualClock
) -> None:
    rich = SandboxSettings(credits=Decimal(100), rpd=1000)
    async with potluck(tmp_path, clock, sandbox=rich, owner_ids="slack:T1/U0BOSS") as there:
        slack = there.slack
        boss, ann, ben = (slack.person(id) for id in ("U0BOSS", "U1ANN", "U2BEN"))
        for text in ("admin paid budget 5", "admin paid allow <@U1ANN|ann>"):
            await boss.commands(text)
        await slack.until(lambda: len(slack.responses) == 2)
        assert SUMMIT in options(await home_of(there, ann), "model"), [
            words_of(one["blocks"]) for one in slack.responses
        ]
        assert SUMMIT not in options(await home_of(there, ben), "model")


async def test_what_is_opened_to_a_user_group_is_open_to_whom_slack_counts_among_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    rich = SandboxSettings(credits=Decimal(100), rpd=1000)
    async with potluck(tmp_path, clock, sandbox=rich, owner_ids="slack:T1/U0BOSS") as there:
        slack = there.slack
        boss, ann, ben = (slack.person(id) for id in ("U0BOSS", "U1ANN", "U2BEN"))
        slack.world.groups["S1CORE"] = {"U1ANN"}
        for text in ("admin paid budget 5", "admin paid allow <!subteam^S1CORE|@core>"):
            await boss.commands(text)
        await slack.until(lambda: len(slack.responses) == 2)
        assert SUMMIT in options(await home_of(there, ann), "model"), slack.responses
        assert SUMMIT not in options(await home_of(there, ben), "model")
        slack.world.groups["S1CORE"] = {"U2BEN"}
        await asyncio.sleep(601)
        slack.api.faults["usergroups.list"] += [Fault(error="internal_error", status=500)] * 2
        assert SUMMIT in options(await home_of(there, ann), "model"), "Slack cannot be asked for a moment"
        await asyncio.sleep(61)
        assert SUMMIT not in options(await home_of(there, ann), "model"), "who left it has left what it had"
        assert SUMMIT in options(await home_of(there, ben), "model")
        assert len(slack.api.of("usergroups.list")) == 4


async def test_an_own_account_is_linked_and_parted_with_on_the_tab(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        tab = await home_of(there, ann)
        await ann.presses_in(tab, "link_account")
        await slack.until(lambda: slack.views.modals)
        form = slack.views.modal
        (link,) = [one["url"] for block in form["blocks"] if block["type"] == "actions" for one in block["elements"]]
        async with aiohttp.ClientSession() as session:
            code = await Linker(name="", url="", session=session).approve(link, account="anns")
        await ann.submits(form, {"pasted": {"value": {"type": "plain_text_input", "value": code}}})
        await slack.until(lambda: slack.views.modal is not form)
        assert "Your account is linked" in reads(slack.views.modal)
        await slack.until(lambda: "Link another account" in reads(slack.views.homes[ann.id][-1]))
        (answer,) = await slack.settled("C1", (await ann.asks("by mine?")).root)
        assert "your own" in answer.beside.lower()
        tab = slack.views.homes[ann.id][-1]
        await ann.presses_in(tab, "next0")
        await slack.until(lambda: "Link my account" in reads(slack.views.homes[ann.id][-1]))
        assert code not in str([call.args for call in slack.api.calls])


async def test_pressing_twice_at_once_ends_with_what_was_chosen_last(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        tab = await home_of(there, ann)
        await asyncio.gather(*(ann.presses_in(tab, "afresh") for _ in range(20)))
        await ann.presses_in(tab, "model", option=HARBOR)
        await asyncio.sleep(30)
        assert menu(slack.views.homes[ann.id][-1], "model")["initial_option"]["value"] == HARBOR
        assert len(slack.views.homes[ann.id]) < 10, "not one for every press"
        assert not slack.limits.refused


async def test_what_is_pressed_in_a_form_takes_its_place(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await ann.presses_in(await home_of(there, ann), "choose", option="privacy delete")
        await slack.until(lambda: slack.views.modals)
        before = slack.views.modal
        await ann.presses_in(before, "next0") if "next0" in str(before) else await ann.submits(before, {})
        await slack.until(lambda: slack.views.modal is not before)
        assert not [call for call in slack.api.calls if call.error]


async def test_a_home_tab_that_is_switched_off_harms_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        slack.views.home_tab = False
        await ann.opens("home")
        await asyncio.sleep(10)
        await slack.settled("C1", (await ann.asks("still there?")).root)
