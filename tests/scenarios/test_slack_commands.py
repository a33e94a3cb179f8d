"""Everything in Slack that is not a question: commands, forms, the Home tab, verdicts, shortcuts."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.commands import talk
from bot.commands.answer import Answer, Document, Facts, Line, Link, Meter, Next, Table, lines
from bot.commands.command import Call, Command, Everyone, Parameter
from bot.commands.registry import Registry
from bot.commands.saying import At, Code, Usd, Value, say
from bot.messages import Member
from tests.fakes.databases import HOME, everything_in
from tests.fakes.deployment import Deployment
from tests.fakes.slack.files import Stored
from tests.fakes.slack.potluck import in_slack
from tests.fakes.slack.web_api import Fault
from tests.fakes.slack.world import Json, words_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


class Desks:
    """A registry of commands that show every part an answer can have, and write down what they were given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, potluck: Deployment) -> Registry:
        desk = replace(potluck.running.registry.desk, models=self._models)
        return Registry(desk, [*talk.COMMANDS, *self._commands()])

    async def _models(self, call: Call, typed: str) -> list[str]:
        return ["acme/wit-7b:free", "acme/wise-70b:free"]

    def _commands(self) -> list[Command]:
        return [
            Command(path=("quota",), about=say("Where you stand"), handler=self._quota),
            Command(
                path=("key", "paste"),
                about=say("Link your key"),
                handler=self._noted,
                parameters=(Parameter(name="key", kind="secret", about=say("The key")),),
            ),
            Command(
                path=("model",),
                about=say("Choose a model"),
                handler=self._noted,
                parameters=(Parameter(name="model", kind="model", about=say("Which")),),
            ),
            Command(path=("export",), about=say("All of yours"), handler=self._export),
            Command(
                path=("admin", "grant"),
                about=say("Set units aside"),
                handler=self._noted,
                rank="admin",
                parameters=(
                    Parameter(name="who", kind="grantee", about=say("Whom")),
                    Parameter(name="amount", kind="usd", about=say("How much")),
                ),
            ),
        ]

    async def _quota(self, call: Call) -> Answer:
        return Answer(
            [
                Line(say("You, {me}, stand well.", me=call.caller.member)),
                Meter(used=3, of=10, alt=say("3 of 10 used")),
                Facts([(say("Used"), 3), (say("Afresh"), At(call.desk.now())), (say("Spent"), Usd(Decimal("0.5")))]),
                Table([say("Model"), say("Uses")], [[Code("a|b"), 3], ["<!channel>", 4]], none=say("None yet.")),
                Link(url="https://openrouter.ai/", said=say("Open OpenRouter")),
                Next(path=("model",), values={"model": "acme/wit-7b:free"}, said=say("Use that one")),
                Next(path=("export",), values={}, said=say("Hand over"), danger=True),
            ]
        )

    async def _noted(self, call: Call) -> Answer:
        self.calls.append(call)
        return lines(say("Noted."))

    async def _export(self, call: Call) -> Answer:
        return Answer([Document(name="all.json", media_type="application/json", content=b"{}")])


def blocks_of(response: Json) -> str:
    return " ".join(words_of(response["blocks"]))


async def test_one_command_has_all_of_them_behind_it_and_shows_every_kind_of_answer(
    tmp_path: Path, clock: VirtualClock
) -> None:
    desks = Desks()
    async with in_slack(tmp_path, clock, registry=desks) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await ann.commands("quota")
        await slack.until(lambda: slack.responses)
        (response,) = slack.responses
        kinds = [block["type"] for block in response["blocks"]]
        assert kinds == ["section", "section", "section", "markdown", "actions", "actions"]
        said = blocks_of(response)
        assert response["response_type"] == "ephemeral"
        assert "<@U1ANN>" in said
        assert "██████░░░░░░░░░░░░░░" in said
        assert "| `a\\|b` | 3 |" in said or "a|b" in said
        assert "<!channel>" not in said
        assert "&lt;!channel&gt;" in said
        steps = response["blocks"][-1]["elements"]
        assert [step["action_id"] for step in steps] == ["next0", "next1"]
        assert "confirm" in steps[1]


async def test_a_step_an_answer_offers_is_a_button(tmp_path: Path, clock: VirtualClock) -> None:
    desks = Desks()
    async with in_slack(tmp_path, clock, registry=desks) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        said = await ann.dms("hello")
        (message,) = await slack.settled(said.channel, said.root)
        await ann.commands("quota")
        await slack.until(lambda: slack.responses)
        message.blocks = slack.responses[0]["blocks"]
        await ann.presses("next0", message)
        await slack.until(lambda: desks.calls)
        assert desks.calls[0].values == {"model": "acme/wit-7b:free"}


async def test_a_secret_is_asked_for_in_a_form_and_told_to_nobody(tmp_path: Path, clock: VirtualClock) -> None:
    desks = Desks()
    async with in_slack(tmp_path, clock, registry=desks) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await ann.commands("key paste")
        await slack.until(lambda: slack.views.modals)
        (field,) = [block for block in slack.views.modal["blocks"] if block["type"] == "input"]
        assert field["block_id"] == "key"
        await ann.submits(slack.views.modal, {"key": {"value": {"type": "plain_text_input", "value": "sk-or-secret"}}})
        await slack.until(lambda: slack.whispers(ann.id))
        (call,) = desks.calls
        assert call.secret("key").get_secret_value() == "sk-or-secret"
        assert call.caller.member == Member("slack", "U1ANN", "T1")
        assert "sk-or-secret" not in str([one.args for one in slack.api.calls])


async def test_people_groups_and_money_reach_a_command_as_what_they_are(tmp_path: Path, clock: VirtualClock) -> None:
    desks = Desks()
    async with in_slack(tmp_path, clock, registry=desks) as there:
        slack = there.slack
        boss, ann = slack.person("U0BOSS", is_admin=True), slack.person("U1ANN")
        slack.person("U2BEN")
        await ann.commands("admin grant <@U2BEN|ben smith> 2.50")
        await slack.until(lambda: slack.responses)
        assert not desks.calls
        assert "those who manage" in blocks_of(slack.responses[0])
        for text in (
            "admin grant <@U2BEN|ben smith> 2.50",
            "admin grant <!subteam^S1|@team> 1",
            "admin grant everyone 1",
        ):
            await boss.commands(text)
        await slack.until(lambda: len(desks.calls) == 3)
        first, group, everyone = (call.grantee("who") for call in desks.calls)
        assert first == Member("slack", "U2BEN", "T1")
        assert getattr(group, "id", "") == "S1"
        assert everyone == Everyone()
        assert desks.calls[0].usd("amount") == Decimal("2.50")


async def test_ask_asks_in_a_thread_below_the_question_for_all_to_read(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await ann.commands("why is the sky blue?", name="/ask")
        await slack.until(lambda: len([one for one in slack.world.messages.values() if one.user == "UBOTT1"]) >= 2)
        root = next(one for one in slack.world.messages.values() if "asks:" in one.beside)
        await slack.settled("C1", root.ts)
        assert "why is the sky blue" in slack.answer("C1", root.ts)
        await ann.says("and at night?", thread=root.ts)
        await slack.until(lambda: len(slack.thread("C1", root.ts)) == 2)


async def test_where_potluck_is_not_it_says_how_to_bring_it_there(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        slack.world.channels["C1"].members.discard("UBOTT1")
        await ann.commands("ask why?")
        await slack.until(lambda: slack.responses)
        assert "/invite" in blocks_of(slack.responses[0])


async def test_a_command_nobody_has_is_answered_with_what_there_is(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        for text in ("frobnicate", "/usr/bin/env python", "stop"):
            await ann.commands(text)
        await slack.until(lambda: len(slack.responses) == 3)
        assert "`/potluck help`" in blocks_of(slack.responses[0])


async def test_stop_stops_what_one_last_asked_in_the_channel(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks(), pool_rpm="1") as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await slack.settled("C1", (await ann.asks("first")).root)
        said = await ann.asks("second")
        await slack.until(lambda: slack.thread("C1", said.root))
        await ann.commands("stop")
        await slack.settled("C1", said.root)
        assert "Stopped." in " ".join(one.beside for one in slack.thread("C1", said.root))


async def test_opening_the_messages_tab_suggests_what_to_ask(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        await there.slack.person("U1ANN").opens("messages")
        await there.slack.until(lambda: there.slack.sessions.prompts)
        assert "thread_ts" not in there.slack.sessions.prompts[0]


async def test_of_verdicts_on_an_answer_the_last_one_counts(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        said = await ann.asks("why?")
        (answer,) = await slack.settled("C1", said.root)
        for person, value in ((ann, "good"), (ann, "bad"), (ben, "good")):
            await person.presses("feedback", answer, value=value)
            await asyncio.sleep(1)
        found = await there.potluck.rows("SELECT answer, member, good FROM slack_verdicts ORDER BY member")
        id = f"slack:T1/C1/{answer.ts}"
        assert found == [(id, "slack:T1/U1ANN", 0), (id, "slack:T1/U2BEN", 1)]


async def test_ask_about_this_asks_about_a_message_in_its_thread(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        said = await ben.says("The frobnicator needs 12 &amp; 13.")
        await ann.uses("ask_about", slack.world.messages["C1", said.ts])
        await slack.until(lambda: slack.views.modals)
        await ann.submits(slack.views.modal, {"question": {"value": {"type": "plain_text_input", "value": "Which?"}}})
        await slack.settled("C1", said.root)
        turns = await there.potluck.running.conversations.turns(f"slack:T1/C1/{said.ts}")  # type: ignore[arg-type]
        assert turns[0].question == "Which?\n\nThis is about:\n> The frobnicator needs 12 & 13."
        assert turns[0].author.user == "U1ANN"


async def test_a_file_a_command_hands_over_comes_in_a_direct_message(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        here = ann.dm().id
        await ann.commands("export")
        await slack.until(lambda: slack.files.uploaded)
        assert slack.files.uploaded == [(here, "all.json", b"{}")]


KEY = "sk-or-v1-" + "0123456789abcdef" * 4


def typed(text: str) -> Json:
    return {"value": {"type": "plain_text_input", "value": text}}


async def test_ask_about_this_takes_the_files_of_the_message_along(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        notes = slack.files.put("notes.txt", Stored(body=b"The cellar is damp.", type="text/plain"))
        said = await ben.says("Here they are.", files=[notes])
        await ann.uses("ask_about", slack.world.messages["C1", said.ts], files=[notes])
        await slack.until(lambda: slack.views.modals)
        await ann.submits(slack.views.modal, {"question": typed("sandbox:echo What do they say?")})
        await slack.settled("C1", said.root)
        assert "The cellar is damp." in slack.answer("C1", said.root)


@pytest.mark.parametrize("where", ["C1", ""])
async def test_the_shortcut_at_hand_everywhere_asks_in_a_channel_or_directly(
    tmp_path: Path, clock: VirtualClock, where: str
) -> None:
    async with in_slack(tmp_path, clock) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        channel = where or ann.dm().id
        await ann.shortcut("ask_anything")
        await slack.until(lambda: slack.views.modals)
        filled = {"question": typed("why is the sky blue?")}
        if where:
            filled["where"] = {"value": {"type": "conversations_select", "selected_conversation": where}}
        await ann.submits(slack.views.modal, filled)
        await slack.until(lambda: [one for one in slack.world.messages.values() if "asks:" in one.beside])
        root = next(one for one in slack.world.messages.values() if "asks:" in one.beside)
        assert root.channel == channel
        await slack.settled(channel, root.ts)
        assert "why is the sky blue" in slack.answer(channel, root.ts)


async def test_a_key_behind_ask_is_shown_to_nobody(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann, ben = there.slack, there.slack.person("U1ANN"), there.slack.person("U2BEN")
        await ann.commands(f"is {KEY} mine?", name="/ask")
        await slack.until(lambda: slack.responses)
        assert "looks like an OpenRouter key" in blocks_of(slack.responses[0])
        said = await ben.says("The frobnicator is broken.")
        await ann.uses("ask_about", slack.world.messages["C1", said.ts])
        await slack.until(lambda: slack.views.modals)
        await ann.submits(slack.views.modal, {"question": typed(f"does {KEY} help?")})
        await asyncio.sleep(30)
        assert KEY not in str([call.args for call in slack.api.calls]) + str(slack.responses)
        assert KEY not in everything_in(HOME.where(there.potluck.folder))


async def test_where_slack_does_not_say_whether_a_question_stands_there_it_is_not_called_absent(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        slack.api.faults["chat.postMessage"].append(Fault(drop=True))
        await ann.commands("why?", name="/ask")
        await slack.until(lambda: slack.responses)
        assert "ask it again" in blocks_of(slack.responses[0])


async def test_an_answer_with_more_rows_than_slack_takes_says_how_many_are_left_out(
    tmp_path: Path, clock: VirtualClock
) -> None:
    class Long(Desks):
        async def _quota(self, call: Call) -> Answer:
            rows: list[list[Value]] = [[Code(f"model/{row:04}"), "x" * 40] for row in range(120)]
            return Answer([Table([say("Model"), say("What")], rows, none=say("None."))] * 3)

    async with in_slack(tmp_path, clock, registry=Long()) as there:
        await there.slack.person("U1ANN").commands("quota")
        await there.slack.until(lambda: there.slack.responses)
        said = blocks_of(there.slack.responses[0])
        left_out = [int(found) for found in re.findall(r"and (\d+) more rows", said)]
        assert said.count("| `model/") + sum(left_out) == 360
        assert left_out


async def test_in_a_form_somebody_is_picked_and_everyone_is_typed(tmp_path: Path, clock: VirtualClock) -> None:
    desks = Desks()
    async with in_slack(tmp_path, clock, registry=desks) as there:
        slack, boss = there.slack, there.slack.person("U0BOSS", is_admin=True)
        slack.person("U2BEN")
        picked = {"value": {"type": "users_select", "selected_user": "U2BEN"}}
        for number, whom in enumerate(({"who": picked, "who or": typed("everyone")}, {"who or": typed("everyone")})):
            await boss.commands("admin grant")
            await slack.until(lambda: len(slack.views.modals) > number)  # noqa: B023
            inputs = [one["block_id"] for one in slack.views.modal["blocks"] if one["type"] == "input"]
            assert inputs == ["who", "who or", "amount"]
            await boss.submits(slack.views.modal, {**whom, "amount": typed("2.50")})
            await slack.until(lambda: len(desks.calls) > number)  # noqa: B023
        assert [call.grantee("who") for call in desks.calls] == [Member("slack", "U2BEN", "T1"), Everyone()]
