"""`potluck run` as often as wanted, each a process that can be killed; as a program.

What takes long at a start, reading the program, is done once: for each line it reads it forks a child that is
`potluck run` from there on, in its own environment, at a port of its own. What a child says has its number in front.

Lines in: `NUMBER`. Lines out: `ready`, then `NUMBER born PID`, `NUMBER Potluck   http://…`, and so on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

# What a start imports late is imported here, once for all children.
import alembic.command
import alembic.runtime.migration
import alembic.script  # noqa: F401  # see above
import psycopg  # noqa: F401  # see above

import adapters.web.server  # noqa: F401  # see above
from bot import running
from bot.settings import load_settings
from bot.telemetry import logs


def _child(number: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    settings = load_settings(None)
    logs.set_up(level=settings.log_level, form=settings.log_format)
    asyncio.run(running.run(settings, say=lambda line: _say(f"{number} {line}"), only=["web"]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    _say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(line.strip())
            return
        _say(f"{line.strip()} born {pid}")


if __name__ == "__main__":
    main()
