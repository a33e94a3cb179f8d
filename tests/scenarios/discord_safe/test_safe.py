"""What must never happen on Discord, whatever a model or a person writes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from bot.errors import AnswerFailed, SettingsError
from bot.messages import Failed
from bot.pasted_keys import holds_key
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House, house
from tests.fakes.discord.places import MANAGE_MESSAGES, SEND_MESSAGES
from tests.fakes.discord.scripts import streaming
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

KEY = "sk-or-v1-" + "0123456789abcdef" * 4
LOUD = "@everyone @here <@&{role}> <@{user}> look at this"


async def test_everyone_in_a_models_text_rings_nowhere(home: House, talks: ScriptedConversations) -> None:
    """Neither in a new message nor in an edit, in a reply to a command or in a hint; and the field is always sent."""
    loud = LOUD.format(role=home.guild["id"], user=home.bob.id) * 60
    talks.script = streaming(talks, text=loud, seconds=10)
    home.ann.mention(home.channel, "one")
    await home.ann.slash(home.channel, "ask", question="two")
    home.ann.say(home.ann.dm, "three")
    home.bob.mention(home.channel, "")
    await home.until(
        lambda: sum("acme/wit" in text for text in home.reads() + home.reads(home.ann.dm)) == 3, seconds=90
    )
    assert home.discord.world.pings == []
    assert len(home.discord.world.sent) > 10
    said = [sent.payload["allowed_mentions"] for sent in home.discord.world.sent]
    assert all(one["parse"] == [] and not one.get("replied_user") for one in said)
    assert not any(one.get("users") or one.get("roles") for one in said)
    control = await home.adapter.client.http.send_message(home.channel.id, params=_bare(loud))  # type: ignore[union-attr]
    assert ("everyone", control["id"]) in home.discord.world.pings, "the fake rings where nothing is said"


def _bare(text: str) -> Any:
    from discord.http import handle_message_parameters

    return handle_message_parameters(content=text[:2000])


async def test_a_key_in_a_message_is_refused_and_the_message_deleted_where_that_is_allowed(
    home: House, talks: ScriptedConversations
) -> None:
    async def refuses(message: Any) -> Any:
        assert holds_key(message.text)
        error = AnswerFailed("bad_key", reason="pasted_key")
        yield Failed(error=error, share=await talks.share(message.author, message.community))

    talks.script = refuses
    left = home.ann.mention(home.channel, f"use {KEY} please")
    await home.until(lambda: home.reads())
    assert "key" in home.reads()[0]
    assert left in home.channel.messages, "there was no right to delete it"
    home.guild["roles"][0]["permissions"] = str(int(home.guild["roles"][0]["permissions"]) | MANAGE_MESSAGES)
    home.discord.world.tell("GUILD_ROLE_UPDATE", {"guild_id": home.guild["id"], "role": home.guild["roles"][0]})
    gone = home.ann.mention(home.channel, f"use {KEY} please")
    await home.until(lambda: len(home.reads()) == 2)
    assert gone not in home.channel.messages
    kept = await home.store.unfinished("discord")
    assert kept == []
    assert KEY not in "".join(home.reads())


async def test_a_channel_that_closes_in_mid_answer_is_tried_once(home: House, talks: ScriptedConversations) -> None:
    talks.script = streaming(talks, text="word " * 300, seconds=60)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.channel.denied = SEND_MESSAGES | (1 << 10)
    assert await asyncio.wait_for(talks.closed.get(), 10) == talks.asked[0].id
    await asyncio.sleep(30)
    assert [status for _, status in home.discord.buckets.invalid] == [403]


async def test_many_refusals_make_it_write_endings_only(home: House, talks: ScriptedConversations) -> None:
    client = home.adapter.client  # type: ignore[union-attr]
    assert client is not None
    client.invalid._moments.extend([client._clock.monotonic()] * 6000)
    talks.script = streaming(talks, text="word " * 100, seconds=20)
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    assert "acme/wit" in home.reads()[0]
    assert [sent.method for sent in home.discord.world.sent] == ["POST"]
    assert home.discord.world.typed == []


async def test_a_second_program_on_the_same_token_is_noticed(
    home: House, talks: ScriptedConversations, caplog: pytest.LogCaptureFixture
) -> None:
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    assert home.adapter is not None
    assert home.adapter.state == "ok"
    with caplog.at_level(logging.ERROR):
        home.discord.world.message(home.channel, home.discord.world.bot, "written by another", nonce="12345")
        await home.until(lambda: home.adapter and home.adapter.state != "ok")
    assert home.adapter.state == "another program uses this token"
    assert "another program is logged in" in caplog.text


async def test_nothing_people_write_is_logged(
    home: House, talks: ScriptedConversations, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        home.ann.mention(home.channel, "a very private matter")
        await home.ann.slash(home.channel, "ask", question="a very private matter")
        home.discord.world.tell(
            "MESSAGE_CREATE", {**home.ann.mention(home.channel, "a very private matter"), "type": 99}
        )
        await home.until(lambda: len(home.reads()) == 3)
    assert "private matter" not in caplog.text
    assert home.discord.token not in caplog.text


async def test_presence_shows_the_pool_at_most_four_times_a_minute(home: House, talks: ScriptedConversations) -> None:
    for _ in range(20):
        home.ann.say(home.ann.dm, "hello")
        await asyncio.sleep(3)
    presences = home.discord.gateway.presences
    assert 3 <= len(presences) <= 5
    assert presences[-1][1]["activities"][0]["state"].endswith("of 50 left today")
    talks.shut_for = "guard"
    await asyncio.sleep(20)
    assert presences[-1][1]["status"] == "dnd"


async def test_a_wrong_token_is_said_and_a_discord_that_is_down_is_waited_for(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        home.discord.break_next("GET", "/users/@me", times=5, status=503)
        await home.start(ScriptedConversations(clock))
        await home.stop()
        home.discord.token = "another"
        with pytest.raises(SettingsError, match="DISCORD_TOKEN: Discord does not accept it"):
            await home.start_with("wrong", ScriptedConversations(clock))
