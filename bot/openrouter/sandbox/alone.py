"""The sandbox as a program of its own: `potluck sandbox`."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Callable
from contextlib import suppress

from bot.clock import SystemClock
from bot.errors import PotluckError
from bot.openrouter.sandbox.faults import by_kind
from bot.openrouter.sandbox.server import Sandbox
from bot.openrouter.sandbox.settings import SandboxSettings
from bot.openrouter.sandbox.tellings import TELLINGS


def listed() -> str:
    """Every fault by the kind of failure it means, a kind a line; what only the account can be told last."""
    kinds = [f"{kind}: {', '.join(names)}" for kind, names in by_kind().items()]
    told = [f"{path}: {', '.join(sorted(names))}" for path, names in TELLINGS.items()]
    return "\n".join([*kinds, *told])


async def serve(settings: SandboxSettings, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        PotluckError: the port is taken.
    """
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        server = Sandbox(settings, SystemClock())
        url = await server.start(host, port)
    except OSError as error:
        reason = "is taken: choose another with --port" if error.errno == errno.EADDRINUSE else f"{error.strerror}"
        raise PotluckError(f"{host}:{port} {reason}.") from None
    say(f"OpenRouter sandbox   {url}   ({settings.rpm} requests a minute, {settings.rpd} a day)")
    say(f"Point Potluck at it: OPENROUTER_BASE_URL={url} OPENROUTER_API_KEY=any potluck run")
    say("Faults: `potluck sandbox --list-faults`; ask `sandbox:NAME` from a chat, or write a script for --faults.")
    await stop.wait()
    await server.close()
