"""Fixtures: a house for each test, and Potluck moved in with answers of a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House, house
from tests.fakes.virtual import VirtualClock, VirtualLoop


@pytest.fixture
async def home(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[House]:
    async with house(tmp_path, clock, loop) as home:
        yield home


@pytest.fixture
async def talks(home: House, clock: VirtualClock) -> ScriptedConversations:
    """Moved in."""
    talks = ScriptedConversations(clock)
    await home.start(talks)
    return talks
