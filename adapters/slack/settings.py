"""How Slack is reached, and what is wrong with that."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import PotluckError


class SlackError(PotluckError):
    """Slack cannot be used as it is set up; its text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """How to reach Slack. Either an app token (Socket Mode) or a signing secret (HTTP)."""

    api_url: str
    bot_token: str = ""
    """Of one workspace; empty: of many, by installations."""
    app_token: str = ""
    signing_secret: str = ""
    client_id: str = ""
    client_secret: str = ""
    """Of the app, for installations."""
