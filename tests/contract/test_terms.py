"""What admins lay down outlasts a restart, whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.clock import Instant
from bot.errors import StorageError
from bot.quota.ledger import PoolId
from bot.quota.terms import NO_TERMS, UNITS_MAX, WEIGHT_MAX, Block, MemberTerms, Reserve, Terms
from bot.storage.database import Database
from bot.storage.migration import migrate
from bot.storage.tables import pool_terms
from bot.storage.terms import SqlTerms
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

moments = st.floats(0, 4e9).map(Instant)
weights = st.floats(1 / WEIGHT_MAX, WEIGHT_MAX)
units = st.integers(0, UNITS_MAX)
members = st.builds(
    MemberTerms,
    weight=weights,
    every_day=units,
    on_day=st.dictionaries(st.integers(0, 40_000), units, max_size=3),
    block=st.none() | st.builds(Block, until=st.none() | moments),
)
any_terms = st.builds(
    Terms,
    members=st.dictionaries(st.text(max_size=20), members, max_size=4),
    communities=st.dictionaries(st.text(max_size=20), weights, max_size=4),
    reserves=st.lists(st.builds(Reserve, units=units, until=moments), max_size=3).map(tuple),
)


@pytest.fixture
async def database(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    migrate(tmp_path / "potluck.db")
    database = Database(tmp_path / "potluck.db", clock)
    loop.busy.append(lambda: database.busy)
    await database.open()
    yield database
    await database.close()


async def test_without_any_everyone_is_alike(database: Database) -> None:
    assert await SqlTerms(database, PoolId("default")).load() == NO_TERMS


@given(any_terms, any_terms)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_newest_is_read_back_as_it_was(database: Database, older: Terms, newer: Terms) -> None:
    store, other = SqlTerms(database, PoolId("default")), SqlTerms(database, PoolId("other"))
    await other.save(older)
    await store.save(older)
    await store.save(newer)
    assert (await store.load(), await other.load()) == (newer, older)


async def test_terms_that_cannot_be_read_stop_the_start(database: Database) -> None:
    """Taken for none, they would let in whoever was blocked."""
    store = SqlTerms(database, PoolId("default"))
    await store.save(Terms(members={"web:ann": MemberTerms(block=Block())}))
    await database.write(lambda core: core.execute(update(pool_terms).values(terms='{"members": 1}')) and None)
    with pytest.raises(StorageError, match="cannot be read"):
        await store.load()
