"""The manifest asks for what Potluck uses, and Potluck uses what it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import adapters.slack
from adapters.slack.adapter import SlackAdapter
from adapters.slack.listeners import Listening
from adapters.slack.manifest import manifest
from bot.__main__ import main
from tests.fakes.slack.potluck import in_slack
from tests.fakes.virtual import VirtualClock
from tests.scenarios.test_slack_commands import Desks

SOURCES = Path(adapters.slack.__path__[0])
SCOPES: Mapping[str, tuple[str, ...]] = {
    "agents_sessions_setStatus": ("chat:write",),
    "api_call": (),  # oauth.v2.access, which has no token yet
    "apps_connections_open": (),  # by the app token
    "assistant_threads_setStatus": ("assistant:write",),
    "assistant_threads_setSuggestedPrompts": ("assistant:write",),
    "auth_test": (),
    "base_url": (),
    "chat_appendStream": ("chat:write",),
    "chat_delete": ("chat:write",),
    "chat_postEphemeral": ("chat:write",),
    "chat_postMessage": ("chat:write",),
    "chat_startStream": ("chat:write",),
    "chat_stopStream": ("chat:write",),
    "chat_update": ("chat:write",),
    "conversations_open": ("im:write",),
    "conversations_replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "files_completeUploadExternal": ("files:write",),
    "files_getUploadURLExternal": ("files:write",),
    "files_info": ("files:read",),
    "files_upload_v2": ("files:write",),
    "token": (),
    "usergroups_list": ("usergroups:read",),
    "users_info": ("users:read",),
    "views_open": (),
    "views_publish": (),
    "views_update": (),
}
"""What each method of the Web API needs, by its page in Slack's reference."""
EVENT_SCOPES = {
    "agent_session_stopped": "assistant:write",
    "app_home_opened": "",
    "app_mention": "app_mentions:read",
    "app_uninstalled": "",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "tokens_revoked": "",
}


def used() -> set[str]:
    """Methods of the SDK's client that the adapter's sources name."""
    text = "".join(file.read_text() for file in SOURCES.glob("*.py"))
    return set(re.findall(r"client\.([a-z]\w+)", text)) - {
        "wss_uri",
        "connect",
        "close",
        "last_ping_pong_time",
        "is_connected",
        "connect_to_new_endpoint",
    }


def faults(asked: dict[str, Any], listening: Listening) -> list[str]:
    """Where the manifest and the program differ."""
    scopes = set(asked["oauth_config"]["scopes"]["bot"])
    events = asked["settings"]["event_subscriptions"]["bot_events"]
    needed = {scope for method in used() for scope in SCOPES[method]}
    needed |= {EVENT_SCOPES[event] for event in events} - {""}
    needed |= {"commands"} | ({"files:read"} if "message.channels" in events else set())
    found = [f"scope {scope} is missing" for scope in sorted(needed - scopes)]
    found += [f"scope {scope} is not needed" for scope in sorted(scopes - needed)]
    heard = {*listening.events, "app_uninstalled", "tokens_revoked"}
    told = {event.partition(".")[0] for event in events}
    found += [f"event {event} is not subscribed" for event in sorted(heard - told)]
    found += [f"event {event} has no listener" for event in sorted(told - heard)]
    commands = {one["command"] for one in asked["features"]["slash_commands"]}
    found += [f"command {name} differs" for name in sorted(commands ^ set(listening.commands))]
    shortcuts = {one["callback_id"] for one in asked["features"]["shortcuts"]}
    found += [f"shortcut {name} differs" for name in sorted(shortcuts ^ set(listening.shortcuts))]
    return found


@pytest.fixture
async def listening(tmp_path: Path, clock: VirtualClock) -> Listening:
    async with in_slack(tmp_path, clock, registry=Desks()) as there:
        adapter: SlackAdapter = there.adapter
        return adapter.listening


@pytest.mark.virtual
async def test_the_manifest_and_what_is_listened_to_and_called_are_the_same(listening: Listening) -> None:
    assert faults(manifest(), listening) == []


@pytest.mark.virtual
async def test_control_a_scope_an_event_or_a_command_too_few_or_too_many_is_noticed(listening: Listening) -> None:
    changes: tuple[Callable[[Any], object], ...] = (
        lambda asked: asked["oauth_config"]["scopes"]["bot"].remove("chat:write"),
        lambda asked: asked["oauth_config"]["scopes"]["bot"].append("admin"),
        lambda asked: asked["settings"]["event_subscriptions"]["bot_events"].remove("app_mention"),
        lambda asked: asked["features"]["slash_commands"].pop(),
        lambda asked: asked["features"]["shortcuts"].pop(),
    )
    for change in changes:
        asked = json.loads(json.dumps(manifest()))
        change(asked)
        assert faults(asked, listening)


def test_the_manifest_keeps_slacks_bounds() -> None:
    asked = manifest()
    about = asked["display_information"]
    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert 174 <= len(about["long_description"]) <= 4000
    assert len(asked["features"]["agent_view"]["suggested_prompts"]) <= 4
    assert asked["settings"]["socket_mode_enabled"]


def test_over_http_every_request_goes_to_the_address_given() -> None:
    asked = manifest(url="https://potluck.example")
    settings = asked["settings"]
    addresses = {
        settings["event_subscriptions"]["request_url"],
        settings["interactivity"]["request_url"],
        *(one["url"] for one in asked["features"]["slash_commands"]),
    }
    assert addresses == {"https://potluck.example/slack/events"}
    assert not settings["socket_mode_enabled"]
    assert asked["oauth_config"]["redirect_urls"] == ["https://potluck.example/slack/oauth_redirect"]


def test_potluck_slack_manifest_prints_it() -> None:
    printed = CliRunner().invoke(main, ["slack", "manifest"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == manifest()
    printed = CliRunner().invoke(main, ["slack", "manifest", "--url", "https://potluck.example/"])
    assert json.loads(printed.output) == manifest(url="https://potluck.example")
    assert CliRunner().invoke(main, ["slack", "manifest", "--url", "ftp://x"]).exit_code == 2
