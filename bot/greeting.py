"""The lines a person reads when the service starts: what is on, what is off, why there is no page."""

from __future__ import annotations

import errno

from bot.service import Service
from bot.settings import Settings


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


def why_no_port(settings: Settings, error: OSError) -> str:
    where = f"{settings.web_host}:{settings.web_port}"
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.web_port} is taken. Stop what uses it, or set WEB_PORT to another (0: any free one)."
    return (
        f"The page cannot listen on {where}: {error.strerror}. Set WEB_HOST and WEB_PORT to an address of this machine."
    )
