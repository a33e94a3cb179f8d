"""Replies for `ScriptedConversations`, as models and lines make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from bot.messages import IncomingMessage, Queued, ReplyEvent, TextDelta
from tests.fakes.conversations import Script, ScriptedConversations

WORDS = "Some words of an answer that comes bit by bit, as models write. "


def text_of(length: int) -> str:
    """Prose with a block of code now and then."""
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        number = len(parts)
        parts.append(WORDS * 5 + "\n\n" if number % 4 else f"```python\nstep_{number} = {number}\n```\n\n")
    return "".join(parts)[:length].rstrip("` \n")


def streaming(
    talks: ScriptedConversations,
    *,
    text: str,
    seconds: float,
    chunks: int = 100,
    queue: Sequence[tuple[int, float]] = (),
) -> Script:
    """A text in so many chunks over so many seconds, after so long at each place in line."""

    async def script(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        for place, wait in queue:
            yield Queued(place=place, estimate=wait)
            await asyncio.sleep(wait)
        yield talks.started()
        size = -(-len(text) // chunks)
        for start in range(0, len(text), size):
            await asyncio.sleep(seconds / chunks)
            yield TextDelta(text=text[start : start + size])
        yield talks.finished(message.author)

    return script


def timed(script: Script, now: Callable[[], float], moments: list[float]) -> Script:
    """The same, noting when each event was taken: how fast the reader reads."""

    async def noting(message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        async for event in script(message):
            yield event
            moments.append(now())

    return noting
