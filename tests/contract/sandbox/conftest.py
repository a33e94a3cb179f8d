"""Sandboxes that wait for nothing within an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.openrouter.sandbox import Sandbox, SandboxSettings
from tests.contract.sandbox.asking import Client, Open, Opened
from tests.fakes.virtual import VirtualClock

AT_ONCE = {"first_token_seconds": 0.0, "seconds_per_chunk": 0.0}


@pytest.fixture
async def open_sandbox(clock: VirtualClock) -> AsyncIterator[Open]:
    """Starts sandboxes, with no waiting inside an answer unless asked for."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        sandboxes: list[Sandbox] = []

        async def start(**settings: Any) -> Opened:
            sandbox = Sandbox(SandboxSettings(**AT_ONCE | settings), clock)
            sandboxes.append(sandbox)
            return sandbox, Client(await sandbox.start(), session)

        yield start
        for sandbox in sandboxes:
            await sandbox.close()
