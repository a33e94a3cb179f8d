"""Sandboxes that answer at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.openrouter.sandbox import Sandbox, SandboxSettings
from tests.contract.sandbox_accounts.asking import Client, Open, Opened
from tests.fakes.virtual import VirtualClock


@pytest.fixture
async def open_sandbox(clock: VirtualClock) -> AsyncIterator[Open]:
    """Starts sandboxes that answer at once."""
    async with aiohttp.ClientSession() as session:
        made: list[Sandbox] = []

        async def start(**settings: Any) -> Opened:
            at_once = {"first_token_seconds": 0.0, "seconds_per_chunk": 0.0}
            made.append(Sandbox(SandboxSettings(**at_once | settings), clock))
            return made[-1], Client(await made[-1].start(), session)

        yield start
        for sandbox in made:
            await sandbox.close()
