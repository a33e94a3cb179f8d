"""The platforms' adapters, made as the settings have them. Each is imported only where it is to run."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bot.alone import StartError
from bot.lasting_posts import LastingPosts
from bot.service import Service
from bot.settings import Settings
from bot.turns import Turns

if TYPE_CHECKING:
    from adapters.discord.adapter import DiscordAdapter
    from adapters.slack.adapter import SlackAdapter
    from adapters.slack.settings import SlackSettings


def discord_of(running: Service, only: Collection[str]) -> DiscordAdapter | None:
    """The Discord adapter; None: it is not to run.

    Raises:
        StartError: it is asked for and not set up.
    """
    settings = running.settings
    if "discord" not in only and (only or settings.discord_token is None):
        return None
    if settings.discord_token is None:
        raise StartError("Discord is not set up: set DISCORD_TOKEN. docs/discord.md says how.")
    from adapters.discord.adapter import DiscordAdapter
    from bot.storage.posts import SqlPosts

    return DiscordAdapter(
        token=settings.discord_token.get_secret_value(),
        conversations=running.conversations,
        store=LastingPosts(SqlPosts(running.database, running.clock), running.backlog),
        clock=running.clock,
        registry=running.registry,
        api_url=settings.discord_api_url,
        gateway_url=settings.discord_gateway_url,
        turns=_turns(running, "Discord", settings.discord_token),
    )


def slack_of(running: Service, only: Collection[str]) -> SlackAdapter | None:
    """The Slack adapter, to be started; None: it is not to run.

    Raises:
        StartError: it is asked for and not set up.
    """
    settings = running.settings
    if "slack" not in only and (only or not settings.slack):
        return None
    if not settings.slack:
        raise StartError("Slack is not set up: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN. docs/slack.md says how.")
    from adapters.slack.adapter import SlackAdapter
    from bot.storage.posts import SqlPosts
    from bot.storage.slack import SqlInstallations, SqlSlackMemory

    token = settings.slack_bot_token or settings.slack_client_secret
    assert token is not None
    return SlackAdapter(
        settings=slack_settings(settings),
        conversations=running.conversations,
        registry=running.registry,
        memory=SqlSlackMemory(running.database, running.clock),
        posts=LastingPosts(SqlPosts(running.database, running.clock), running.backlog),
        installations=SqlInstallations(running.database, running.clock, running.secret.vault()),
        clock=running.clock,
        retain_days=settings.retain_messages_days,
        turns=_turns(running, "Slack", token),
    )


def slack_settings(settings: Settings) -> SlackSettings:
    """How the settings say to reach Slack."""
    from adapters.slack.settings import SlackSettings

    def plain(secret: SecretStr | None) -> str:
        return secret.get_secret_value() if secret is not None else ""

    return SlackSettings(
        api_url=settings.slack_api_url,
        bot_token=plain(settings.slack_bot_token),
        app_token=plain(settings.slack_app_token),
        signing_secret=plain(settings.slack_signing_secret),
        client_id=settings.slack_client_id or "",
        client_secret=plain(settings.slack_client_secret),
    )


def _turns(running: Service, platform: str, token: SecretStr) -> Turns:
    return Turns(running.board, running.secret.pseudonym()(f"{platform} {token.get_secret_value()}"))
