"""`potluck run`: the service with its adapters, from the first line a person reads to an end in order."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from contextlib import suppress

from bot.app import Service, StartError, service
from bot.clock import SystemClock
from bot.settings import Settings


async def run(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM; `say` gets the lines a person reads at the start.

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

        async def health() -> Readiness:
            parts = {
                "database": "ok",
                "openrouter": running.account.trouble or "ok",
                "pool": running.scheduler.shut_for or "ok",
            }
            if running.pools.linked:
                parts["community pools"] = running.pools.state()
            try:
                await asyncio.wait_for(running.database.read(lambda core: core.exec_driver_sql("SELECT 1").all()), 2)
            except Exception as error:
                parts["database"] = type(error).__name__
            return Readiness(ready=parts["database"] == "ok", parts=parts)

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
            own_keys=running.own_keys,
            registry=running.registry,
        )
        try:
            url = await web.start()
        except OSError as error:
            raise StartError(_why_no_port(settings, error)) from None
        for line in started(running, url):
            say(line)
        following = asyncio.create_task(running.office.follow())
        serving = asyncio.create_task(web.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        say("Stopping.")
        stopping.cancel()
        following.cancel()
        # First what is under way, so that each reply gets its own last word; then the page.
        await running.conversations.close()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


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
        ("Database", str(settings.database_file)),
    ]
    if running.recovered:
        lines.append(("Recovered", f"{running.recovered} cut off when it last ended; they count as spent"))
    if running.secret.made_at:
        lines.append(("Secret", f"made in {running.secret.made_at}; keep that file, or set SECRET_KEY"))
    if settings.web_token is None:
        lines.append(("Web page", "answers this machine only; set WEB_TOKEN, then WEB_HOST, to let others in"))
    return [f"{name:<12}{text}" for name, text in lines]
