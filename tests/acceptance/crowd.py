"""Processes of one deployment, without adapters, each asked by a part of all members; made to be killed.

As a program it is a nursery, as `tests.acceptance.driver` is: for each line it reads it forks a child, which opens the
service over the environment's database, and asks from SIGUSR1 until SIGTERM.

Lines in, JSON: `{"run": 3, "members": [100, 200]}`: which run this is and whose questions come to it.
Lines out: `born PID`, `ready PID`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psycopg  # noqa: F401  # once for all children

from bot.app import service
from bot.clock import SystemClock
from bot.settings import load_settings
from tests.acceptance.driver import Asker, say


async def child(journal: Path, run: int, members: range) -> None:
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    going, stopping = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, going.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with service(load_settings(None), SystemClock()) as running:
        say(f"ready {os.getpid()}")
        await going.wait()
        asker = Asker(running, descriptor)

        async def member(number: int) -> None:
            turn, loop = 0, asyncio.get_running_loop()
            while True:
                began = loop.time()
                await asker.ask(f"web:{run}.{number}.{turn}", conversation=f"{run}.{turn}")
                turn += 1
                await asyncio.sleep(0.5 if loop.time() - began > 0.2 else 15)  # whoever is refused is in no hurry

        asking = [asyncio.create_task(member(number)) for number in members]
        await stopping.wait()
        await running.conversations.close()
        for task in asking:
            task.cancel()


def main(journal: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asyncio.run(child(journal, order["run"], range(*order["members"])))
            return
        say(f"born {pid}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
