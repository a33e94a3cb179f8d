"""Grants and denials outlast a restart as they were, and hold from the moment they are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.clock import Instant
from bot.errors import StorageError
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.access import Grantee, Reach, ToCommunity, ToGroup, ToMember, ToRole
from bot.routing.prices import Rates
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.tables import access_rules
from bot.storage.units import Where
from tests.fakes.databases import opened as opened_database
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ACCOUNT, OTHER = PoolId("default"), PoolId("other")
ANN = Member("slack", "U1", "T1")

names = st.text(min_size=1, max_size=8)
communities = names.map(CommunityId)
to_members = st.builds(ToMember, st.sampled_from([ANN, Member("web", "ben")]), st.none() | communities)
grantees: st.SearchStrategy[Grantee] = st.one_of(
    to_members,
    st.builds(ToRole, communities, names),
    st.builds(ToGroup, communities, names),
    st.builds(ToCommunity, communities),
)
prices = st.decimals(min_value=0, max_value=1, places=15)
rates = st.builds(Rates, prompt=prices, completion=prices, request=prices, image=prices)
reaches = st.builds(Reach, models=st.none() | st.frozensets(names.map(ModelId), max_size=3), ceiling=st.none() | rates)


@pytest.fixture
async def database(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    async with opened_database(where, clock, loop) as database:
        yield database


async def opened(database: Database, account: PoolId = ACCOUNT) -> SqlAccess:
    access = SqlAccess(database, account)
    await access.load()
    return access


@given(st.booleans(), grantees, reaches, st.none() | st.floats(0, 4e9).map(Instant))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_rule_is_read_back_as_it_was(
    database: Database, allows: bool, to: Grantee, reach: Reach, ends_at: Instant | None
) -> None:
    access = await opened(database)
    rule = await access.add(allows=allows, to=to, reach=reach, ends_at=ends_at)
    assert (rule.allows, rule.to, rule.reach, rule.ends_at) == (allows, to, reach, ends_at)
    assert rule in access.rules
    assert (await opened(database)).rules == access.rules


async def test_nobody_has_a_right_at_first_and_what_is_taken_back_is_gone(database: Database) -> None:
    access = await opened(database)
    assert access.rules == ()
    rule = await access.add(
        allows=True, to=ToMember(ANN), reach=Reach(ceiling=Rates.per_million(Decimal(1), Decimal(2)))
    )
    other = await opened(database, OTHER)
    assert (other.rules, await other.remove(rule.id)) == ((), False), "another account's"
    assert (await opened(database)).rules == (rule,)
    assert await access.remove(rule.id)
    assert not await access.remove(rule.id)
    assert access.rules == ()
    assert (await opened(database)).rules == ()


async def test_who_goes_on_for_money_is_kept(database: Database) -> None:
    access = await opened(database)
    assert not access.pays_when_spent(ANN)
    for _ in range(2):
        await access.pay_when_spent(ANN, True)
    assert access.pays_when_spent(ANN)
    assert (await opened(database)).pays_when_spent(ANN)
    assert not (await opened(database, OTHER)).pays_when_spent(ANN)
    await access.pay_when_spent(ANN, False)
    assert not access.pays_when_spent(ANN)
    assert not (await opened(database)).pays_when_spent(ANN)


@pytest.mark.parametrize(
    "kept",
    [
        "no JSON",
        "{}",
        '{"allows":"no","to":{"community":"web"},"models":null,"ceiling":null,"ends_at":null}',
        '{"allows":false,"to":{"community":null},"models":null,"ceiling":null,"ends_at":null}',
        '{"allows":true,"to":{"community":"web"},"models":null,"ceiling":{"prompt":"x"},"ends_at":null}',
    ],
)
async def test_a_rule_that_cannot_be_read_stops_the_start(database: Database, kept: str) -> None:
    access = await opened(database)
    rule = await access.add(allows=False, to=ToCommunity(CommunityId("web")), reach=Reach())
    change = update(access_rules).where(access_rules.c.id == rule.id).values(rule=kept)
    await database.write(lambda connection: connection.execute(change) and None)
    with pytest.raises(StorageError, match=f"access rule {rule.id}"):
        await opened(database)


async def test_what_another_process_keeps_is_taken_up_when_it_is_asked_for(database: Database) -> None:
    ours, shell = await opened(database), await opened(database)
    granted = await shell.add(allows=True, to=ToMember(ANN), reach=Reach())
    await shell.pay_when_spent(ANN, True)
    assert list(ours.rules) == [], "not before"
    await ours.refresh()
    assert list(ours.rules) == [granted]
    assert ours.pays_when_spent(ANN)
    await ours.refresh()
    assert list(ours.rules) == [granted], "and again"
    await shell.remove(granted.id)
    await shell.pay_when_spent(ANN, False)
    await ours.refresh()
    assert (list(ours.rules), ours.pays_when_spent(ANN)) == ([], False)
    mine = await ours.add(allows=False, to=ToMember(ANN), reach=Reach())
    await ours.refresh()
    assert list(ours.rules) == [mine], "what we keep ourselves stays"


async def test_changes_of_our_own_are_not_lost_to_a_look_that_began_before_them(database: Database) -> None:
    access = await opened(database)
    for number in range(20):
        looked, rule = await asyncio.gather(
            access.refresh(),
            access.add(allows=True, to=ToMember(ANN), reach=Reach(models=frozenset({ModelId(f"m/{number}")}))),
        )
        del looked
        assert rule in access.rules
        await asyncio.gather(access.remove(rule.id), access.refresh())
        assert not access.rules
