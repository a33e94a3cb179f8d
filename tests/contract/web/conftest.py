"""The page on a port of its own, open to everyone and behind a token."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.web.site import TOKEN, Site, serving


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running


@pytest.fixture
async def guarded() -> AsyncIterator[Site]:
    async with serving(token=TOKEN) as running:
        yield running
