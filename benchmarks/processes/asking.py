"""Members who ask over the pages of several processes, and ask again when one goes away in the middle of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence

import aiohttp

from benchmarks.processes.traffic import Asked, user

_AGAIN = 0.5
"""Seconds after which somebody whose page went away tries the next."""
_TRIES = 100
_ENDINGS = ("finished", "failed", "held")


def text_of(name: str) -> str:
    """The text of a question, which tells its name: who audits the books reads it there."""
    return f"What goes well with dish [{name}]?"


def message_id(name: str) -> str:
    """What a page makes of a member's `Idempotency-Key`."""
    return "web:" + hashlib.sha256(f"{name.partition('.')[0]}:{name}".encode()).hexdigest()


class Asking:
    """Asks every question at its time, each member's at any of the pages.

    Args:
        pages: by place; an address may change, as that of a process that was started again.
    """

    def __init__(self, asked: Sequence[Asked], pages: Sequence[str], *, seed: int) -> None:
        self._asked, self._pages, self._chance = asked, pages, random.Random(seed)
        self.endings: Counter[str] = Counter()
        """`finished`, `held`, or why not: the first ending each question had, as its member heard it."""
        self.sent_late = 0.0
        """By how many seconds the latest was late: that much too slow was whoever asks."""

    async def run(self, began: float) -> None:
        """Until cancelled; `began` by the loop's time."""
        loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            for one in self._asked:
                await asyncio.sleep(began + one.second - loop.time())
                self.sent_late = max(self.sent_late, loop.time() - began - one.second)
                tasks.create_task(self._ask(http, one, self._chance.randrange(len(self._pages))))

    async def _ask(self, http: aiohttp.ClientSession, one: Asked, page: int) -> None:
        name, cut = one.name, False
        for turn in range(_TRIES):
            ending = await self._told(http, self._pages[(page + turn) % len(self._pages)], one, name)
            if ending == "409" and cut and not name.endswith(".again"):
                name += ".again"  # it was sent, and what came of it nobody has heard
                continue
            if ending is not None:
                self.endings[ending] += 1
                return
            cut = True
            await asyncio.sleep(_AGAIN)
        self.endings["given up"] += 1

    async def _told(self, http: aiohttp.ClientSession, page: str, one: Asked, name: str) -> str | None:
        """The ending; None: the page went away before there was one."""
        question = {
            "member": user(one.member),
            "conversation": name,
            "text": text_of(name),
            "hold": True,
        }
        try:
            async with http.post(f"{page}/api/chat", json=question, headers={"Idempotency-Key": name}) as response:
                if response.status != 200:
                    return str(response.status)
                return await _ending(response)
        except aiohttp.ClientError:
            return None


async def _ending(response: aiohttp.ClientResponse) -> str | None:
    event = ""
    async for line in response.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            event = value
        elif field == "data" and event in _ENDINGS:
            if event != "failed":
                return event
            error = str(json.loads(value)["error"])
            return None if error == "stopped" else error
    return None
