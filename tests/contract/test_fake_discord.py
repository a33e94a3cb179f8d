"""The stand-in for Discord holds to what Discord is known to do, where answers depend on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.components import V2
from tests.fakes.discord.intents import DIRECT_MESSAGES, GUILD_MESSAGES, MESSAGE_CONTENT, as_shown
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


TEXT = {"type": 10, "content": "x"}


def button(number: int) -> dict[str, Any]:
    return {"type": 2, "style": 2, "label": "Press", "custom_id": f"b{number}"}


@pytest.fixture
async def discord(clock: VirtualClock) -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(clock) as discord:
        yield discord


@pytest.fixture
async def api(discord: FakeDiscord) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {discord.token}"}) as api:
        yield api


async def test_content_is_withheld_exactly_as_the_rules_say(discord: FakeDiscord) -> None:
    world, ann, bob = discord.world, discord.person("Ann"), discord.person("Bob")
    channel = world.channel(world.guild())
    own = world.message(channel, world.bot, "mine")
    cases = {
        "plain": ann.say(channel, "plain"),
        "mentioned": ann.mention(channel, "called"),
        "reply with ping": ann.say(channel, "reply", reply_to=own),
        "reply without ping": ann.say(channel, "reply", reply_to=own, ping=False),
        "reply to another": ann.say(channel, "reply", reply_to=bob.say(channel, "hello")),
        "own": own,
        "direct": ann.say(ann.dm, "direct"),
    }
    without = GUILD_MESSAGES | DIRECT_MESSAGES
    read = {name for name, one in cases.items() if as_shown(one, bot=world.bot, intents=without)["content"]}
    assert read == {"mentioned", "reply with ping", "own", "direct"}
    assert all(as_shown(one, bot=world.bot, intents=without | MESSAGE_CONTENT)["content"] for one in cases.values())
    hidden = as_shown(cases["reply without ping"], bot=world.bot, intents=without)
    assert hidden["message_reference"]["message_id"] == own["id"], "that it is a reply is not hidden"


async def test_the_sixth_message_within_five_seconds_is_refused(
    discord: FakeDiscord, api: aiohttp.ClientSession, clock: VirtualClock
) -> None:
    channel = discord.world.channel(discord.world.guild())
    url = f"{discord.url}/channels/{channel.id}/messages"
    left = []
    for number in range(5):
        async with api.post(url, json={"content": str(number)}) as response:
            left.append(response.headers["X-RateLimit-Remaining"])
    assert left == ["4", "3", "2", "1", "0"]
    async with api.post(url, json={"content": "6"}) as response:
        assert response.status == 429
        body: dict[str, Any] = await response.json()
        assert 0 < body["retry_after"] <= 5
        assert not body["global"]
    assert len(channel.messages) == 5


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"content": "x" * 2001}, 50035),
        ({"content": "  \n"}, 50006),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 50035),
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, 50035),
        ({"components": [{"type": 10, "content": "V2 without its flag"}]}, 50035),
        ({"flags": V2, "content": "x", "components": [{"type": 10, "content": "x"}]}, 50035),
        ({"flags": V2, "embeds": [{"title": "x"}], "components": [{"type": 10, "content": "x"}]}, 50035),
        ({"flags": V2, "components": []}, 50035),
        ({"flags": V2, "components": [{"type": 10, "content": " "}]}, 50035),
        ({"flags": V2, "components": [{"type": 10, "content": "x" * 2001}] * 2}, 50035),
        ({"flags": V2, "components": [{"type": 14}] * 41}, 50035),
        ({"flags": V2, "components": [button(1)]}, 50035),
        ({"flags": V2, "components": [{"type": 1, "components": [button(n) for n in range(6)]}]}, 50035),
        ({"flags": V2, "components": [{"type": 1, "components": [{"type": 10, "content": "x"}]}]}, 50035),
        ({"flags": V2, "components": [{"type": 17, "components": [{"type": 17, "components": [TEXT]}]}]}, 50035),
        ({"flags": V2, "components": [{"type": 13, "file": {"url": "attachment://none.md"}}]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [button(1), button(1)]}]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [{**button(1), "label": "x" * 81}]}]}, 50035),
    ],
)
async def test_what_discord_would_refuse_is_refused(
    discord: FakeDiscord, api: aiohttp.ClientSession, payload: dict[str, Any], code: int
) -> None:
    channel = discord.world.channel(discord.world.guild())
    async with api.post(f"{discord.url}/channels/{channel.id}/messages", json=payload) as response:
        assert (response.status, (await response.json())["code"]) == (400, code)


async def test_the_same_nonce_is_the_same_message(discord: FakeDiscord, api: aiohttp.ClientSession) -> None:
    channel = discord.world.channel(discord.world.guild())
    ids = []
    for enforced in (True, True, False):
        payload = {"content": "x", "nonce": "one", "enforce_nonce": enforced}
        async with api.post(f"{discord.url}/channels/{channel.id}/messages", json=payload) as response:
            ids.append((await response.json())["id"])
    assert ids[0] == ids[1] != ids[2]


async def test_a_message_turns_into_components_and_never_back(discord: FakeDiscord, api: aiohttp.ClientSession) -> None:
    channel = discord.world.channel(discord.world.guild())
    url = f"{discord.url}/channels/{channel.id}/messages"
    async with api.post(url, json={"content": "plain"}) as response:
        message = f"{url}/{(await response.json())['id']}"
    row = {"type": 1, "components": [button(1)]}

    async def edited(payload: dict[str, Any]) -> int:
        async with api.patch(message, json=payload) as response:
            return response.status

    assert await edited({"flags": V2, "components": [TEXT, row]}) == 400, "its content would stay"
    assert await edited({"flags": V2, "content": None, "components": [TEXT, row]}) == 200
    assert await edited({"content": "plain again"}) == 400
    assert await edited({"flags": 0, "content": "plain again", "components": []}) == 400
    assert await edited({"components": [{**TEXT, "content": "y"}]}) == 200
    assert channel.messages[0]["flags"] & V2
