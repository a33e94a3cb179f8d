"""What whoever runs Potluck is told about its set-up on Discord."""

from __future__ import annotations

import base64

import pytest

from adapters.discord import doctor, portal
from bot.doctor.finding import Finding
from tests.fakes.discord.places import SEND_MESSAGES
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


async def examined(discord: FakeDiscord, token: str) -> list[Finding]:
    return [finding async for finding in doctor.examine(token, api_url=discord.url)]


async def test_the_doctor_says_what_it_may_and_where_not(clock: VirtualClock) -> None:
    async with FakeDiscord(clock) as discord:
        guild = discord.world.guild("Kitchen")
        discord.world.channel(guild, "general")
        discord.world.channel(guild, "closed", denied=SEND_MESSAGES)
        found = [finding.found for finding in await examined(discord, discord.token)]
    assert found[0] == "the token is that of Potluck"
    assert "in threads people have to mention it" in found[1]
    assert found[2] == "it may write in 1 of 2 channels of Kitchen; not in #closed"


async def test_the_doctor_finds_a_wrong_token_and_a_server_that_is_closed(clock: VirtualClock) -> None:
    async with FakeDiscord(clock) as discord:
        (wrong,) = await examined(discord, "wrong")
        assert (wrong.level, wrong.found) == ("failure", "Discord does not accept the token")
        assert [finding.level for finding in await examined(discord, discord.token)] == ["ok", "ok", "warning"]
        guild = discord.world.guild("Kitchen")
        discord.world.channel(guild, "closed", denied=SEND_MESSAGES)
        discord.world.content_intent = True
        found = await examined(discord, discord.token)
    assert found[1].found == "it may read message content: threads go on without mentions"
    assert (found[2].level, found[2].found) == ("failure", "it may write in no channel of Kitchen")


def test_a_token_names_its_application() -> None:
    first = base64.urlsafe_b64encode(b"123456789012345678").decode().rstrip("=")
    assert portal.application_of(f"{first}.abc.def") == 123456789012345678
    assert portal.application_of("nonsense") is None
    assert portal.application_of("") is None


def test_the_links_ask_for_what_is_used_and_nothing_that_manages() -> None:
    server, own = portal.invitations(1)
    assert "permissions=274878024704" in server
    assert "scope=bot+applications.commands" in server
    assert own.endswith("scope=applications.commands&integration_type=1")
    asked = {name for name, given in portal.PERMISSIONS if given}
    assert asked == {
        "read_messages",
        "send_messages",
        "send_messages_in_threads",
        "read_message_history",
        "attach_files",
        "embed_links",
    }
    more, _ = portal.invitations(1, optional=True)
    assert int(more.split("permissions=")[1].split("&")[0]) & portal.OPTIONAL.value
    assert not portal.intents(content=False).value & portal.intents(content=True).value & (1 << 15)
