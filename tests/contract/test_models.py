"""The catalogue over a real database and a real upstream: kept for the next start, asked hourly, never made worse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from bot.openrouter.models import EVERY, RETRY, Models
from bot.openrouter.sandbox import FaultRule, Faults, Sandbox, SandboxSettings
from bot.quota.ledger import PoolId
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.storage.catalogue import SqlCatalogues
from bot.storage.units import Where
from tests.fakes.databases import opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

MEADOW = ModelId("sandbox/meadow-8b:free")
POOL = PoolId("default")


@pytest.fixture
async def store(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[SqlCatalogues]:
    async with opened(where, clock, loop) as database:
        yield SqlCatalogues(database)


@asynccontextmanager
async def models(
    store: SqlCatalogues, clock: VirtualClock, *rules: FaultRule, chance: float = 0.0
) -> AsyncIterator[tuple[Models, Sandbox]]:
    """One that watches, over an upstream whose answers follow the rules."""
    sandbox = Sandbox(SandboxSettings(faults=Faults(rules=rules)), clock)
    client = OpenRouter(base_url=await sandbox.start(), api_key="sk-or-test", clock=clock)
    watched = Models(client=client, store=store, pool=POOL, clock=clock, chance=lambda: chance)
    await watched.open()
    watching = asyncio.create_task(watched.watch())
    try:
        yield watched, sandbox
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await client.close()
        await sandbox.close()


def known(watched: Models) -> Catalogue | None:
    return watched.catalogue


def both(fault: str, *, first: int = 1, last: int | None = None) -> Sequence[FaultRule]:
    """Both lists answer so."""
    paths = ("/models/user", "/models")
    return [FaultRule(fault=fault, path=path, first=first, last=last) for path in paths]


async def test_the_accounts_own_list_is_taken_and_kept_whole(store: SqlCatalogues, clock: VirtualClock) -> None:
    async with models(store, clock) as (watched, _):
        assert known(watched) is None
        await asyncio.sleep(1)
        assert watched.catalogue is not None
        assert watched.catalogue.personal
        assert watched.catalogue.free(MEADOW, clock.now())
        assert watched.routable
        assert await store.load(POOL) == watched.catalogue
        assert await store.load(PoolId("another")) is None


async def test_everybodys_list_stands_in_where_the_accounts_own_cannot_be_had(
    store: SqlCatalogues, clock: VirtualClock
) -> None:
    async with models(store, clock, FaultRule(fault="internal_error", path="/models/user")) as (watched, _):
        await asyncio.sleep(1)
        assert watched.catalogue is not None
        assert not watched.catalogue.personal
        assert watched.routable is None, "nobody has said so"


async def test_it_is_asked_for_at_most_hourly(store: SqlCatalogues, clock: VirtualClock) -> None:
    async with models(store, clock, chance=1.0) as (watched, _):
        await asyncio.sleep(1)
        first = watched.catalogue
        await asyncio.sleep(EVERY)
        assert watched.catalogue is first
        await asyncio.sleep(EVERY * 0.11)
        assert watched.catalogue is not first
    # Nor by starting often.
    async with models(store, clock) as (watched, _):
        kept = watched.catalogue
        assert kept is not None
        await asyncio.sleep(EVERY * 0.8)
        assert watched.catalogue is kept


@pytest.mark.parametrize("fault", ["edge_html", "stall", "no_models", "no_free_models", "bad_key", "endless_line"])
async def test_an_answer_that_would_take_the_models_away_does_not(
    store: SqlCatalogues, clock: VirtualClock, fault: str
) -> None:
    async with models(store, clock, *both(fault, first=2)) as (watched, _):
        await asyncio.sleep(1)
        before = watched.catalogue
        assert before is not None
        await asyncio.sleep(EVERY * 1.2)
        assert watched.catalogue is before
        assert watched.trouble is not None
        assert await store.load(POOL) == before


async def test_after_a_failure_it_is_asked_for_again_soon(store: SqlCatalogues, clock: VirtualClock) -> None:
    async with models(store, clock, *both("edge_html", last=1)) as (watched, _):
        await asyncio.sleep(1)
        assert known(watched) is None
        await asyncio.sleep(RETRY)
        assert watched.catalogue is not None
        assert watched.trouble is None


async def test_an_account_whose_settings_forbid_every_free_model_is_noticed(
    store: SqlCatalogues, clock: VirtualClock
) -> None:
    async with models(store, clock, FaultRule(fault="no_free_models", path="/models/user")) as (watched, _):
        assert await watched.look() is False
        assert watched.routable is False


async def test_what_is_missing_is_off_the_shelf_until_the_next_list(store: SqlCatalogues, clock: VirtualClock) -> None:
    async with models(store, clock) as (watched, _):
        await asyncio.sleep(1)
        watched.missing(MEADOW)
        watched.missing(FREE_ROUTER)
        assert watched.catalogue is not None
        assert not watched.catalogue.free(MEADOW, clock.now())
        assert watched.catalogue.free(FREE_ROUTER, clock.now()), "never the router"
        await asyncio.sleep(EVERY + 1)
        assert watched.catalogue.free(MEADOW, clock.now())
