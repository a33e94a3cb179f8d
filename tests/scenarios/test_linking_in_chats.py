"""Linking an account in Discord and Slack: by a link and the platform's own form; nothing of it in a channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.registry import Registry
from bot.messages import CommunityId, Member
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.discord.house import House
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.linking import key_of
from tests.fakes.slack.potluck import in_slack
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

_MANAGES = 1 << 5


def own(potluck: Deployment) -> Registry:
    return potluck.running.registry


def linked(potluck: Deployment) -> list[CommunityId]:
    """The communities with an account of their own."""
    return list(potluck.running.pools.linked)


async def test_in_discord_a_member_and_a_community_paste_into_a_form(tmp_path: Path, clock: VirtualClock) -> None:
    async with FakeDiscord(clock) as discord, deployment(tmp_path, clock) as potluck:
        home = House(discord, potluck.running.database, clock)
        await home.start(potluck.running.conversations, registry=potluck.running.registry)
        try:
            keys = [(await key_of(potluck, name)).get_secret_value() for name in ("anns", "ours")]
            home.ann.user["_permissions"] = _MANAGES
            for words, key in zip(("key", "admin key"), keys, strict=True):
                await link_in_discord(home, words, key)
            assert await potluck.running.keys.shown(Member("discord", str(home.ann.id))) is not None
            assert linked(potluck) == [f"discord:{home.guild['id']}"]
            assert not any(key in str(home.reads()) for key in keys)
        finally:
            await home.stop()
        await potluck.quiet()


async def link_in_discord(home: House, words: str, key: str) -> None:
    before = len(home.reads())
    await home.ann.slash(home.channel, f"{words} add")
    await home.until(lambda: len(home.reads()) > before and home.labels(home.last()))
    asked = await home.ann.press(home.last(), "Paste the code")
    assert asked.modal is not None
    assert asked.modal["title"] == f"/{words} paste"
    await home.ann.submit(asked, pasted=key)
    await home.until(lambda: key[-4:] in home.reads()[-1])
    assert home.bob.reads(home.channel) == [], "nobody else sees any of it"


async def test_in_slack_a_member_and_a_community_paste_into_a_form(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=own) as there:
        slack, potluck = there.slack, there.potluck
        boss = slack.person("U0BOSS", is_admin=True)
        keys = [(await key_of(potluck, name)).get_secret_value() for name in ("boss", "ours")]
        for words, key in zip(("key", "admin key"), keys, strict=True):
            before = len(slack.views.modals)
            await boss.commands(f"{words} paste")
            await slack.until(lambda before=before: len(slack.views.modals) > before)  # type: ignore[misc]
            assert slack.views.modal["title"]["text"] == f"{words} paste"
            whispers = len(slack.whispers(boss.id))
            filled = {"pasted": {"value": {"type": "plain_text_input", "value": key}}}
            await boss.submits(slack.views.modal, filled)
            await slack.until(lambda whispers=whispers: len(slack.whispers(boss.id)) > whispers)  # type: ignore[misc]
        assert await potluck.running.keys.shown(Member("slack", "U0BOSS", "T1")) is not None
        assert linked(potluck) == ["slack:T1"]
        assert not any(key in str([one.args for one in slack.api.calls]) for key in keys)


async def test_in_slack_a_form_keeps_which_community_it_is_about(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=own, owner_ids="slack:T1/U0BOSS") as there:
        slack, potluck = there.slack, there.potluck
        boss = slack.person("U0BOSS")
        await boss.commands("admin key paste community=slack:T2")
        await slack.until(lambda: slack.views.modals)
        key = (await key_of(potluck, "theirs")).get_secret_value()
        await boss.submits(slack.views.modal, {"pasted": {"value": {"type": "plain_text_input", "value": key}}})
        await slack.until(lambda: slack.whispers(boss.id))
        assert linked(potluck) == ["slack:T2"]
