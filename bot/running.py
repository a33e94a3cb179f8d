"""`potluck run`: the service with its adapters, from the first line a person reads to an end in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.alone import StartError
from bot.app import service
from bot.clock import SystemClock
from bot.greeting import started, why_no_port
from bot.health import Health
from bot.platforms import discord_of, slack_of
from bot.service import Service
from bot.settings import Settings

if TYPE_CHECKING:
    from adapters.discord.adapter import DiscordAdapter
    from adapters.slack.adapter import SlackAdapter
    from adapters.web.server import WebAdapter
    from bot.storage.board import SqlBoard

ADAPTERS = ("web", "discord", "slack")
_TO_END = 3.0
"""Seconds that answers under way have to end by themselves. All is to be over within ten, or the host may kill it."""


async def run(settings: Settings, *, say: Callable[[str], None], only: Collection[str] = ()) -> None:
    """Run until SIGINT or SIGTERM; `say` gets the lines a person reads at the start.

    `only` names the adapters to start; empty: the page, and whatever else the settings have set up.

    Raises:
        PotluckError: it could not start, or an adapter failed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(name, stop.set)

    async with service(settings, SystemClock()) as running:
        health = Health(running)
        discord, slack = discord_of(running, only), slack_of(running, only)
        if discord is not None:
            health.platforms["discord"] = discord
        if slack is not None:
            health.platforms["slack"] = slack
            await _unless(stop, slack.start())
        web = _web(running, health, slack)
        try:
            url = await web.start()
        except OSError as error:
            raise StartError(why_no_port(settings, error)) from None
        for line in started(running, url):
            say(line)
        if discord is not None:
            say(f"{'Discord':<12}connecting; `potluck discord invite` prints the links that add it")
        if slack is not None:
            say(f"{'Slack':<12}{slack.where}")
        running.chores.begin("admins' changes", running.office.follow)
        serving = [asyncio.create_task(one) for one in _served(running, web, discord, slack, say)]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([*serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        say("Stopping.")
        stopping.cancel()
        # The next process hears from here on; this one has its answers to end.
        await asyncio.gather(*(one.pause() for one in (discord, slack) if one is not None))
        # First what is under way, so that each reply gets its own last word; then the adapters.
        await running.conversations.finish(_TO_END)
        await running.conversations.close()
        for task in serving:
            task.cancel()
        for task in serving:
            with suppress(asyncio.CancelledError):
                await task


def _web(running: Service, health: Health, slack: SlackAdapter | None) -> WebAdapter:
    from adapters.web.server import WebAdapter

    settings = running.settings
    return WebAdapter(
        conversations=running.conversations,
        clock=running.clock,
        host=settings.web_host,
        port=settings.web_port,
        token=settings.web_token.get_secret_value() if settings.web_token else None,
        health=health.readiness,
        metrics=running.metrics.page,
        retain_messages_days=settings.retain_messages_days,
        retain_counts_days=settings.retain_counts_days,
        retain_audit_days=settings.retain_audit_days,
        own_keys=running.keys,
        models=running.choices,
        signed=slack.routes() if slack is not None else (),
        registry=running.registry,
    )


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
        yield discord.run()
    if running.board is not None:
        yield _taken_over(running.board, say)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do something that may take long, unless the service is told to stop before it is done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _taken_over(board: SqlBoard, say: Callable[[str], None]) -> None:
    """End when another process does what this one had claimed."""
    await board.living.lost.wait()
    say("Another process has taken over: this one was not heard of for too long.")
