"""A scheduler that is open, with two starts a minute."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.quota.ledger import Caps
from tests.fakes.virtual import VirtualLoop
from tests.unit.scheduler.world import POOL, World


@pytest.fixture
async def world(loop: VirtualLoop) -> AsyncIterator[World]:
    world = World(loop, Caps(rpm=2, rpd=100))
    await world.ledger.add_pool(POOL)
    await world.scheduler.open()
    yield world
    await world.scheduler.close()
