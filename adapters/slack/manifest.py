"""The manifest of the Slack app: what Potluck asks a workspace for, and no more. Pure."""

from __future__ import annotations

from typing import Any

from adapters.rendering.saying import ENGLISH
from adapters.slack.commands import ASK, POTLUCK
from adapters.slack.forms import ASK_ABOUT, ASK_ANYTHING
from adapters.slack.home import prompts
from adapters.slack.http import PATH
from adapters.slack.install import REDIRECT

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "im:history",
    "im:write",
    "mpim:history",
    "usergroups:read",
    "users:read",
)
EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "tokens_revoked",
)
_ABOUT = "Shares one OpenRouter account's free allowance fairly"
_MORE = (
    "Potluck answers questions with AI models: in direct messages, where it is mentioned, and in the threads it was "
    "called into. Everyone in it shares the free allowance of one OpenRouter account, and Potluck sees to it that "
    "each gets a fair share, says what is left, and keeps a question until there is room if there is none now."
)


def manifest(*, name: str = "Potluck", url: str = "") -> dict[str, Any]:
    """The manifest. `url` is where Slack reaches Potluck over HTTP; empty: Socket Mode."""
    requests = f"{url}{PATH}"
    where = {"url": requests} if url else {}
    oauth: dict[str, Any] = {"scopes": {"bot": list(SCOPES)}}
    if url:
        oauth["redirect_urls"] = [f"{url}{REDIRECT}"]
    return {
        "display_information": {"name": name, "description": _ABOUT, "long_description": _MORE},
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": name, "always_online": True},
            "agent_view": {
                "agent_description": _ABOUT,
                "suggested_prompts": prompts(ENGLISH),
            },
            "slash_commands": [
                {
                    "command": POTLUCK,
                    "description": "Your share, your models, your settings",
                    "usage_hint": "help",
                    "should_escape": True,
                    **where,
                },
                {
                    "command": ASK,
                    "description": "Ask a question, for all here to read",
                    "usage_hint": "your question",
                    "should_escape": True,
                    **where,
                },
            ],
            "shortcuts": [
                {
                    "name": "Ask about this",
                    "type": "message",
                    "callback_id": ASK_ABOUT,
                    "description": "Ask Potluck about a message",
                },
                {
                    "name": "Ask Potluck",
                    "type": "global",
                    "callback_id": ASK_ANYTHING,
                    "description": "Ask a question, here or in a channel",
                },
            ],
        },
        "oauth_config": oauth,
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS), **({"request_url": requests} if url else {})},
            "interactivity": {"is_enabled": True, **({"request_url": requests} if url else {})},
            "org_deploy_enabled": True,
            "socket_mode_enabled": not url,
            "token_rotation_enabled": False,
        },
    }
