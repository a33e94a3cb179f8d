"""The same answers for both: text in chunks at set times, like a socket's: what is not read in time waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from tests.fakes.discord.scripts import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many answers at once in one channel, how long each, over how many seconds."""

    name: str
    answers: int
    length: int
    seconds: float


LOADS = (
    Load(name="1 answer of 3,000 characters in 30 s", answers=1, length=3_000, seconds=30),
    Load(name="4 answers at once in one channel", answers=4, length=3_000, seconds=30),
    Load(name="1 answer of 9,000 characters in 30 s", answers=1, length=9_000, seconds=30),
    Load(name="8 answers at once in one channel", answers=8, length=1_500, seconds=60),
)
CHUNKS_A_SECOND = 20


@dataclass
class Stream:
    """One answer; how late its chunks were read, and when its last one came."""

    text: str
    seconds: float
    lags: list[float] = field(default_factory=list)
    last_at: float = 0.0

    async def read(self) -> AsyncGenerator[str]:
        loop = asyncio.get_running_loop()
        chunks = int(self.seconds * CHUNKS_A_SECOND)
        size, began = -(-len(self.text) // chunks), loop.time()
        for number in range(chunks):
            chunk = self.text[number * size : (number + 1) * size]
            if not chunk:
                break
            due = began + (number + 1) / CHUNKS_A_SECOND
            await asyncio.sleep(due - loop.time())
            self.lags.append(loop.time() - due)
            self.last_at = due
            yield chunk


def streams(load: Load) -> list[Stream]:
    return [Stream(text_of(load.length), load.seconds) for _ in range(load.answers)]
