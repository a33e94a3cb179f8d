"""The page over a whole Potluck, on a port of its own, and the events it sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from adapters.web.server import WebAdapter
from bot.ports import Readiness
from tests.fakes.deployment import Deployment


@asynccontextmanager
async def page_of(potluck: Deployment, *, token: str | None = None, **parts: Any) -> AsyncIterator[str]:
    """Serve the page; its address. `parts` are what `WebAdapter` takes besides."""

    async def health() -> Readiness:
        return Readiness(ready=True, parts={})

    web = WebAdapter(
        conversations=potluck.running.conversations,
        clock=potluck.clock,
        host="127.0.0.1",
        port=0,
        token=token,
        health=health,
        metrics=potluck.running.metrics.page,
        **parts,
    )
    url = await web.start()
    serving = asyncio.create_task(web.run())
    try:
        yield url
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """The server-sent events of an answer, as they come."""
    name = ""
    async for line in answer.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
