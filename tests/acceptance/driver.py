"""A Potluck without adapters that is asked by many members at once, made to be killed.

As a program it is a nursery: it has imported everything once, and for each line it reads it forks a child that opens
the service over the database of the environment and asks. What a child has been told goes to a journal, line by line
and unbuffered, so that it outlives the child's death.

Lines in, JSON: `{"run": 3, "again": ["web:2.ann.1"], "rest": false}`: which run this is, which messages to send once
more, and whether to end by itself when they are through instead of asking new ones for ever.
Lines out: `born PID`, `ready RECOVERED`, `heard` after the first whole answer, `gone STATUS`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any

# What a start imports late is imported here, once for all children.
import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script  # noqa: F401  # see above

from bot.app import service
from bot.clock import SystemClock
from bot.messages import CommunityId, ConversationId, Failed, Finished, IncomingMessage, Member, MessageId
from bot.service import Service
from bot.settings import load_settings

MEMBERS = 8
TOGETHER = 3
"""Messages a member sends at once: two that are gathered to one question, one elsewhere that waits for its turn."""
_NAMED = re.compile(r"\[([^\]]+)\]")


def text_of(name: str) -> str:
    """The text of a message, which tells its id."""
    return f"What goes well with dish [{name}]?"


def names_in(text: str) -> list[str]:
    """The ids of the messages a question was put together from."""
    return _NAMED.findall(text)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Asker:
    """Sends messages and writes down what came of them: `asked ID`, then `answered`, `silent` or `failed ID`."""

    def __init__(self, running: Service, journal: int) -> None:
        self._running, self._journal, self._heard = running, journal, False

    async def member(self, run: int, number: int) -> None:
        """Ask for ever."""
        for turn in count():
            names = [f"web:{run}.{number}.{turn}.{part}" for part in range(TOGETHER)]
            asked = (self.ask(name, conversation=f"{run}.{part // 2}") for part, name in enumerate(names))
            await asyncio.gather(*asked)

    async def ask(self, name: str, *, conversation: str) -> None:
        user = name.split(".")[1]
        message = IncomingMessage(
            id=MessageId(name),
            conversation=ConversationId(f"web/{user}/{conversation}"),
            community=CommunityId("web"),
            author=Member("web", user),
            author_name=user,
            place="a test",
            text=text_of(name),
            received_at=self._running.clock.now(),
        )
        self._note("asked", name)
        heard = "silent"
        async with aclosing(self._running.conversations.reply(message)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    heard = "answered"
                elif isinstance(event, Failed):
                    heard = f"failed:{event.error.code}"
        self._note(heard, name)
        if heard == "answered" and not self._heard:
            self._heard = True
            say("heard")

    def _note(self, what: str, name: str) -> None:
        os.write(self._journal, f"{what} {name}\n".encode())


async def child(journal: Path, order: dict[str, Any]) -> None:
    settings = load_settings(None)
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with service(settings, SystemClock()) as running:
        say(f"ready {running.recovered}")
        asker = Asker(running, descriptor)
        async with asyncio.TaskGroup() as tasks:
            for name in order["again"]:
                tasks.create_task(asker.ask(name, conversation=f"again {name}"))
            for number in range(0 if order["rest"] else MEMBERS):
                tasks.create_task(asker.member(order["run"], number))


def main(journal: Path) -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(child(journal, json.loads(line)))
            return
        say(f"born {pid}")
        _, status = os.waitpid(pid, 0)
        say(f"gone {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
