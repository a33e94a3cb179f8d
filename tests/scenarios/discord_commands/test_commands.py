"""Commands as people on Discord use them."""

from __future__ import annotations

import asyncio

import pytest
from discord import Locale

from adapters.rendering import chatting, words
from adapters.rendering.languages import language
from bot.commands.command import Everyone
from bot.messages import Member
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House
from tests.fakes.discord.places import Payload
from tests.fakes.discord.scripts import streaming
from tests.fakes.discord.world import EPHEMERAL
from tests.scenarios.discord_commands.conftest import Commands

pytestmark = pytest.mark.virtual

MANAGE_GUILD = 1 << 5


def command(home: House, name: str) -> Payload:
    return next(one for one in home.discord.world.commands if one["name"] == name)


async def test_every_command_is_there_in_its_group_with_its_pickers(home: House, commands: Commands) -> None:
    assert {one["name"] for one in home.discord.world.commands} == {
        "ask", "new", "stop", "quota", "key", "persona", "model", "admin", "list", "fail", "mute", "Ask about this",
    }  # fmt: skip
    assert [one["name"] for one in command(home, "quota")["options"]] == ["show", "export"]
    admin = command(home, "admin")
    assert admin["default_member_permissions"] == MANAGE_GUILD
    grant = admin["options"][0]["options"][0]
    assert [(one["name"], one["type"]) for one in grant["options"][:2]] == [("to", 9), ("units", 4)]
    assert (grant["options"][1]["min_value"], grant["options"][1]["max_value"]) == (1, 100)
    why = next(one for one in grant["options"] if one["name"] == "why")
    assert [choice["value"] for choice in why["choices"]] == ["gift", "bug"]
    assert command(home, "key")["options"][0]["options"] == [], "a secret is no option: it would be seen"
    asked = [command(home, one)["contexts"] for one in ("ask", "quota")]
    assert asked == [[0, 1, 2]] * 2
    assert command(home, "ask")["integration_types"] == [0, 1]
    spoken = {str(locale) for locale in Locale if language(str(locale)) != "en"}
    assert set(command(home, "ask")["description_localizations"]) == spoken


async def test_ask_streams_like_any_question(home: House, commands: Commands, talks: ScriptedConversations) -> None:
    await home.ann.slash(home.channel, "ask", question="what is it?")
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1])
    assert home.reads()[0].startswith("You said: what is it?")
    assert not home.last()["flags"] & EPHEMERAL
    assert len(home.reads()) == 1


async def test_a_file_may_come_with_ask(home: House, commands: Commands, talks: ScriptedConversations) -> None:
    """Where the bot is not in the server itself, there is no other way to show it one."""
    assert [one["name"] for one in command(home, "ask")["options"]] == ["question", "file"]
    await home.ann.slash(home.channel, "ask", question="what is it?", file=("a.txt", b"a heron", "text/plain"))
    await home.until(lambda: talks.asked)
    assert [(one.name, one.content) for one in talks.asked[0].attachments] == [("a.txt", b"a heron")]


async def test_what_is_private_is_seen_by_who_called_alone(home: House, commands: Commands) -> None:
    await home.ann.slash(home.channel, "quota show")
    await home.until(lambda: home.reads() and home.reads()[-1])
    assert home.bob.reads(home.channel) == []
    text = home.reads()[-1]
    assert f"<@{home.ann.id}> has used 3\\." in text or f"<@{home.ann.id}> has used 3." in text
    assert "**Full again**  <t:" in text
    assert "`acme/wit`" in text
    assert "`████▒▒░░░░░░░░░░░░░░`  10 of 50" in text
    assert "- <@7> · 3" in text
    message = home.last()
    assert message["embeds"][0]["image"]["url"] == "attachment://picture.png"
    assert [one["filename"] for one in message["attachments"]] == ["picture.png"]
    assert home.labels(message) == ["Open it", "Hand me all of it"]
    assert home.discord.world.pings == []


async def test_the_next_step_is_a_button_for_who_called(home: House, commands: Commands) -> None:
    await home.ann.slash(home.channel, "quota show")
    await home.until(lambda: home.reads() and home.reads()[-1])
    await home.bob.press(home.last(), "Hand me all of it")
    assert home.bob.reads(home.channel) == [chatting.ONLY_WHO_ASKED.text]
    await home.ann.press(home.last(), "Hand me all of it")
    await home.until(lambda: len(home.reads()) == 2 and home.last()["attachments"])
    assert home.last()["attachments"][0]["filename"] == "all.json"


async def test_a_secret_is_asked_for_in_a_form_and_shown_nowhere(home: House, commands: Commands) -> None:
    asked = await home.ann.slash(home.channel, "key set")
    assert asked.modal is not None
    assert asked.modal["title"] == "/key set"
    await home.ann.submit(asked, key="sk-or-v1-secret")
    await home.until(lambda: commands.calls)
    assert commands.calls[0].secret("key").get_secret_value() == "sk-or-v1-secret"
    await home.until(lambda: home.reads())
    assert "secret" not in "".join(home.reads())


async def test_a_long_text_may_be_an_option_or_comes_by_a_form(home: House, commands: Commands) -> None:
    await home.ann.slash(home.channel, "persona", text="short")
    asked = await home.ann.slash(home.channel, "persona")
    await home.ann.submit(asked, text="long " * 500)
    await home.until(lambda: len(commands.calls) == 2)
    assert [len(call.text("text")) for call in commands.calls] == [5, 2500]


async def test_models_are_offered_while_one_types(home: House, commands: Commands) -> None:
    assert await home.ann.complete(home.channel, "model", "model", model="wit") == ["acme/wit-7b", "acme/wit-70b"]
    await home.ann.slash(home.channel, "model", model="acme/wit-7b")
    await home.until(lambda: commands.calls)
    assert commands.calls[0].model("model") == "acme/wit-7b"


async def test_rights_are_checked_at_each_call_whatever_discord_showed(home: House, commands: Commands) -> None:
    await home.ann.slash(home.channel, "admin quota grant", to=home.bob.user, units=5)
    await home.until(lambda: home.reads() and home.reads()[-1])
    assert commands.calls == []
    assert "those who manage this community" in home.reads()[-1]
    home.ann.user["_permissions"] = MANAGE_GUILD
    await home.ann.slash(home.channel, "admin quota grant", to=home.bob.user, units=5, why="gift")
    await home.until(lambda: commands.calls)
    call = commands.calls[0]
    assert call.grantee("to") == Member("discord", str(home.bob.id))
    assert (call.whole("units"), call.text("why")) == (5, "gift")
    await home.ann.slash(home.channel, "admin quota grant", to=home.guild["roles"][0], units=5)
    await home.until(lambda: len(commands.calls) == 2)
    assert commands.calls[1].grantee("to") == Everyone()


async def test_stop_ends_what_the_caller_has_under_way_in_the_channel(
    home: House, commands: Commands, talks: ScriptedConversations
) -> None:
    talks.script = streaming(talks, text="word " * 200, seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.bob.slash(home.channel, "stop")
    await asyncio.sleep(2)
    assert "nothing here" in home.bob.reads(home.channel)[-1]
    await home.ann.slash(home.channel, "stop")
    await home.until(lambda: "Stopped" in home.reads()[-1] or any("stopped" in one for one in home.reads()))


async def test_new_starts_a_direct_message_over(home: House, commands: Commands, talks: ScriptedConversations) -> None:
    home.ann.say(home.ann.dm, "one")
    await home.until(lambda: talks.asked)
    await home.ann.slash(home.ann.dm, "new")
    await home.until(lambda: talks.forgotten)
    assert talks.forgotten == [talks.asked[0].conversation]


@pytest.mark.parametrize(("rows", "embeds", "files"), [(30, 0, []), (150, 1, []), (700, 3, ["answer.md"])])
async def test_a_long_list_is_one_message_however_often_discord_loses_it(
    home: House, commands: Commands, rows: int, embeds: int, files: list[str]
) -> None:
    commands.rows = rows
    home.discord.break_next("PATCH", "/messages/@original", times=2, status=502, done_first=True)
    home.discord.break_next("PATCH", "/messages/@original", times=1, status=0)
    await home.ann.slash(home.channel, "list")
    await home.until(lambda: home.reads() and home.reads()[-1])
    await asyncio.sleep(20)
    (message,) = home.ann.sees(home.channel)
    assert len(message["embeds"]) == embeds
    assert [one["filename"] for one in message["attachments"]] == files
    said = "\n".join([message["content"], *(one["description"] for one in message["embeds"])])
    if files:
        said = next(iter(home.discord.world.files.values()))[0].decode()
    assert all(f"member-{number}`" in said for number in range(rows))


async def test_a_command_that_fails_inside_says_so(home: House, commands: Commands) -> None:
    await home.ann.slash(home.channel, "fail")
    await home.until(lambda: home.reads() and home.reads()[-1])
    assert home.reads()[-1] == str(words.explain("internal"))


async def test_a_command_that_was_changed_meanwhile_says_so(home: House, commands: Commands) -> None:
    """Discord's clients go on showing what was registered before."""
    home.discord.world.commands.append({**command(home, "fail"), "name": "gone"})
    await home.ann.slash(home.channel, "gone")
    await home.until(lambda: home.reads() == [chatting.COMMAND_CHANGED.text])
