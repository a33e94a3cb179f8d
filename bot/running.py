"""`potluck run`: the service with its adapters, from the first line a person reads to an end in order."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr

from bot.app import Service, StartError, service
from bot.clock import SystemClock
from bot.settings import Settings

if TYPE_CHECKING:
    from adapters.discord.adapter import DiscordAdapter
    from adapters.slack.adapter import SlackAdapter
    from adapters.slack.settings import SlackSettings
    from adapters.web.server import WebAdapter
    from bot.storage.board import SqlBoard

T = TypeVar("T")
ADAPTERS = ("web", "discord", "slack")
_LOOK_AGAIN = 1.0
"""Seconds between looks whether a connection is free."""


async def run(settings: Settings, *, say: Callable[[str], None], only: Collection[str] = ()) -> None:
    """Run until SIGINT or SIGTERM; `say` gets the lines a person reads at the start.

    `only` names the adapters to start; empty: the page, and whatever else the settings have set up.

    Raises:
        PotluckError: it could not start, or an adapter failed.
    """
    from adapters.web.server import Readiness, WebAdapter

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stop.set)

    async with service(settings, SystemClock()) as running:
        discord = _discord(running, only)

        async def health() -> Readiness:
            parts = {
                "database": "ok",
                "openrouter": running.account.trouble or "ok",
                "pool": running.scheduler.shut_for or "ok",
            }
            if running.pools.linked:
                parts["community pools"] = running.pools.state()
            if discord is not None:
                parts["discord"] = discord.state
            try:
                await asyncio.wait_for(running.database.read(lambda core: core.exec_driver_sql("SELECT 1").all()), 2)
            except Exception as error:
                parts["database"] = type(error).__name__
            return Readiness(ready=parts["database"] == "ok", parts=parts)

        slack = await _unless(stop, _slack(running, only, say))
        web = WebAdapter(
            conversations=running.conversations,
            clock=running.clock,
            host=settings.web_host,
            port=settings.web_port,
            token=settings.web_token.get_secret_value() if settings.web_token else None,
            health=health,
            metrics=running.metrics.page,
            retain_messages_days=settings.retain_messages_days,
            retain_counts_days=settings.retain_counts_days,
            retain_audit_days=settings.retain_audit_days,
            own_keys=running.keys,
            models=running.choices,
            signed=slack.routes() if slack is not None else (),
            registry=running.registry,
        )
        try:
            url = await web.start()
        except OSError as error:
            raise StartError(_why_no_port(settings, error)) from None
        for line in started(running, url):
            say(line)
        if discord is not None:
            say(f"{'Discord':<12}connecting; `potluck discord invite` prints the links that add it")
        if slack is not None:
            say(f"{'Slack':<12}{slack.where}")
        following = asyncio.create_task(running.office.follow())
        serving = [asyncio.create_task(one) for one in _served(running, web, discord, slack, say)]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        say("Stopping.")
        stopping.cancel()
        following.cancel()
        if discord is not None:
            discord.stopping()
        if slack is not None:
            await slack.pause()
        # First what is under way, so that each reply gets its own last word; then the adapters.
        await running.conversations.close()
        for task in serving:
            task.cancel()
        for task in serving:
            with suppress(asyncio.CancelledError):
                await task


def _served(
    running: Service,
    web: WebAdapter,
    discord: DiscordAdapter | None,
    slack: SlackAdapter | None,
    say: Callable[[str], None],
) -> Iterator[Coroutine[None, None, None]]:
    """What goes on until one of it ends, or the service is told to."""
    yield web.run()
    if slack is not None:
        yield slack.run()
    if discord is not None:
        assert running.settings.discord_token is not None
        yield _once_alone(running, "Discord", running.settings.discord_token, say, discord.run)
    if running.board is not None:
        yield _taken_over(running.board, say)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """What comes of something that may take long; None: the service was told to stop before it came."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        return None
    return working.result()


async def _once_alone(
    running: Service, platform: str, token: SecretStr, say: Callable[[str], None], begin: Callable[[], Awaitable[None]]
) -> None:
    """Begin when no other process has this connection to a platform: two would answer everything twice."""
    if running.board is not None:
        name = running.secret.pseudonym()(f"{platform} {token.get_secret_value()}")
        claimed = await running.board.claim(name)
        if not claimed:
            say(f"{platform:<12}another process has this connection; waiting for it to end")
        while not claimed:
            await asyncio.sleep(_LOOK_AGAIN)
            claimed = await running.board.claim(name)
    await begin()


async def _taken_over(board: SqlBoard, say: Callable[[str], None]) -> None:
    """End when another process does what this one had claimed."""
    await board.lost.wait()
    say("Another process has taken over: this one was not heard of for too long.")


def _discord(running: Service, only: Collection[str]) -> DiscordAdapter | None:
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
        store=SqlPosts(running.database, running.clock),
        clock=running.clock,
        registry=running.registry,
        api_url=settings.discord_api_url,
        gateway_url=settings.discord_gateway_url,
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


async def _slack(running: Service, only: Collection[str], say: Callable[[str], None]) -> SlackAdapter | None:
    """The Slack adapter, connected; None: it is not to run.

    Raises:
        StartError: it is asked for and not set up.
        PotluckError: Slack does not let it in.
    """
    settings = running.settings
    if "slack" not in only and (only or not settings.slack):
        return None
    if not settings.slack:
        raise StartError("Slack is not set up: set SLACK_BOT_TOKEN and SLACK_APP_TOKEN. docs/slack.md says how.")
    from adapters.slack.adapter import SlackAdapter
    from bot.storage.posts import SqlPosts
    from bot.storage.slack import SqlInstallations, SqlSlackMemory

    adapter = SlackAdapter(
        settings=slack_settings(settings),
        conversations=running.conversations,
        registry=running.registry,
        memory=SqlSlackMemory(running.database, running.clock),
        posts=SqlPosts(running.database, running.clock),
        installations=SqlInstallations(running.database, running.clock, running.secret.vault()),
        clock=running.clock,
        retain_days=settings.retain_messages_days,
    )
    token = settings.slack_bot_token or settings.slack_client_secret
    assert token is not None
    await _once_alone(running, "Slack", token, say, adapter.start)
    return adapter


def _why_no_port(settings: Settings, error: OSError) -> str:
    where = f"{settings.web_host}:{settings.web_port}"
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.web_port} is taken. Stop what uses it, or set WEB_PORT to another (0: any free one)."
    return (
        f"The page cannot listen on {where}: {error.strerror}. Set WEB_HOST and WEB_PORT to an address of this machine."
    )


def started(running: Service, url: str) -> list[str]:
    """What is on, what is off, and which variable would turn it on."""
    settings, caps = running.settings, running.scheduler.caps
    trouble = running.account.trouble
    lines = [("Potluck", url)]
    if settings.sandbox:
        lines.append(("OpenRouter", "the built-in sandbox stands in; set OPENROUTER_API_KEY for the real one"))
    else:
        lines.append(("OpenRouter", running.upstream + (f" (says nothing yet: {trouble})" if trouble else "")))
    lines += [
        ("Pool", f"{caps.rpd:,} requests a day, {caps.rpm:,} a minute; {running.scheduler.used:,} used today"),
        ("Database", settings.database_name),
    ]
    if running.recovered:
        lines.append(("Recovered", f"{running.recovered} cut off when it last ended; they count as spent"))
    if running.secret.made_at:
        lines.append(("Secret", f"made in {running.secret.made_at}; keep that file, or set SECRET_KEY"))
    if settings.web_token is None:
        lines.append(("Web page", "answers this machine only; set WEB_TOKEN, then WEB_HOST, to let others in"))
    return [f"{name:<12}{text}" for name, text in lines]
