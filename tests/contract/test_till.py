"""A lease and its money are there together or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from bot.clock import Instant, day_of
from bot.conversation.till import Purchase
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.ledger import AlreadyHandled, Claim, LeaseNotOpenError, Outcome, PoolId, Question
from bot.routing.access import Covered, NotCovered, Reach, Rule, RuleId, ToMember
from bot.routing.budget import Budget, NoBudget, OverBudget, Pico, Spend
from bot.routing.prices import Rates
from bot.storage.access import SqlAccess
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.money import ChargeNotOpenError, SqlMoney
from bot.storage.tables import charges, handled_messages, leases, linked_accounts, turns
from bot.storage.till import FIRST_LOOK, SqlTill
from bot.storage.units import Where
from tests.fakes.databases import opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

ACCOUNT, WEB, ANN = PoolId("default"), CommunityId("web"), Member("web", "ann")
BUDGET = Budget(account=ACCOUNT, member=None, community=None, period="month", limit=Pico(100))


@pytest.fixture
async def database(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[Database]:
    async with opened(where, clock, loop) as database:
        yield database


@pytest.fixture
async def money(database: Database, clock: VirtualClock) -> SqlMoney:
    return SqlMoney(database, clock)


@pytest.fixture
async def till(database: Database, clock: VirtualClock, money: SqlMoney) -> SqlTill:
    await SqlLedger(database, clock).add_pool(ACCOUNT)
    return SqlTill(database, clock, money)


def claim(message: str) -> Claim:
    return Claim(
        pool=ACCOUNT,
        member=ANN,
        lane="paid",
        model=ModelId("m/m"),
        question=Question(
            messages=[MessageId(message)],
            conversation=ConversationId("c"),
            community=WEB,
            author_name="ann",
            text="hello",
            asked_at=Instant(0),
        ),
    )


def spend(most: int) -> Spend:
    return Spend(account=ACCOUNT, member=ANN, community=WEB, model=ModelId("m/m"), most=Pico(most))


def covers(rules: Iterable[Rule]) -> Covered | NotCovered:
    """Whoever is not denied."""
    found = list(rules)
    rates = Rates(prompt=Decimal(0), completion=Decimal(0))
    if any(not rule.allows for rule in found):
        return NotCovered(reason="denied")
    return Covered(grant=Rule(id=RuleId(0), allows=True, to=ToMember(ANN), reach=Reach()), limit=rates, most=rates)


async def bought(till: SqlTill, message: str, most: int = 10) -> Purchase:
    purchase = await till.open(claim(message), spend(most), covers)
    assert isinstance(purchase, Purchase), purchase
    return purchase


async def rows(database: Database) -> dict[str, int]:
    def unit(connection: Connection) -> dict[str, int]:
        tables: list[Any] = [leases, turns, handled_messages, charges]
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}

    return await database.read(unit)


NOTHING = {"leases": 0, "turns": 0, "handled_messages": 0, "charges": 0}


async def test_without_money_there_is_no_lease(till: SqlTill, money: SqlMoney, database: Database) -> None:
    assert await till.open(claim("x"), spend(1), covers) == NoBudget()
    assert await rows(database) == NOTHING
    await money.set_budget(BUDGET)
    over = await till.open(claim("x"), spend(101), covers)
    assert isinstance(over, OverBudget)
    assert await rows(database) == NOTHING
    assert await money.left(spend(0)) == (BUDGET, 100)
    # Control: what fits is there, all of it.
    await bought(till, "x", 100)
    assert await rows(database) == dict.fromkeys(NOTHING, 1)


async def test_without_a_lease_no_money_is_set_aside(till: SqlTill, money: SqlMoney, database: Database) -> None:
    await money.set_budget(BUDGET)
    await bought(till, "x")
    assert await till.open(claim("x"), spend(10), covers) == AlreadyHandled()
    assert await money.left(spend(0)) == (BUDGET, 90)
    assert await rows(database) == dict.fromkeys(NOTHING, 1)


async def test_who_was_denied_a_moment_ago_spends_nothing(till: SqlTill, money: SqlMoney, database: Database) -> None:
    await money.set_budget(BUDGET)
    await bought(till, "x")  # the control
    await SqlAccess(database, ACCOUNT).add(allows=False, to=ToMember(ANN), reach=Reach())  # as another process does
    refused = await till.open(claim("y"), spend(10), covers)
    assert isinstance(refused, NotCovered)
    assert refused.reason == "denied"
    assert await rows(database) == dict.fromkeys(NOTHING, 1)
    assert await money.left(spend(0)) == (BUDGET, 90)


async def test_who_became_one_with_another_a_moment_ago_spends_as_that_one(
    till: SqlTill, money: SqlMoney, database: Database
) -> None:
    bea = Member("web", "bea")
    await money.set_budget(replace(BUDGET, member=bea, limit=Pico(15)))
    await money.set_budget(BUDGET)
    await bought(till, "x")
    link = insert(linked_accounts).values(account=ANN.key, person=bea.key, joined_at=0)
    await database.write(lambda connection: connection.execute(link) and None)
    await bought(till, "y")
    assert isinstance(await till.open(claim("z"), spend(10), covers), OverBudget), "of what is theirs together"


async def test_both_are_closed_together_once(till: SqlTill, money: SqlMoney, clock: VirtualClock) -> None:
    await money.set_budget(BUDGET)
    answered, unsent, cut = [await bought(till, name) for name in "abc"]
    await till.close(answered, Outcome(result="answered", whole=True), Pico(4))
    await till.release(unsent)
    await till.close(cut, Outcome(result="stopped", generation="gen-1"), None)
    assert await money.left(spend(0)) == (BUDGET, 86), "four spent, ten held"
    assert await money.next_look() == pytest.approx(clock.now() + FIRST_LOOK)
    for purchase in (answered, unsent, cut):
        with pytest.raises(LeaseNotOpenError):
            await till.close(purchase, Outcome(result="answered"), Pico(1))
        with pytest.raises(LeaseNotOpenError):
            await till.release(purchase)
    assert await money.left(spend(0)) == (BUDGET, 86)
    await bought(till, "b")


async def test_what_cannot_be_closed_whole_is_not_closed_at_all(
    till: SqlTill, money: SqlMoney, database: Database, clock: VirtualClock
) -> None:
    await money.set_budget(BUDGET)
    one, other = await bought(till, "a"), await bought(till, "b")
    await till.close(other, Outcome(result="answered"), Pico(1))
    mixed = replace(one, charge=other.charge)
    with pytest.raises(ChargeNotOpenError):
        await till.close(mixed, Outcome(result="answered"), Pico(1))
    await till.close(one, Outcome(result="answered"), Pico(2))  # its lease was still open
    assert await money.left(spend(0)) == (BUDGET, 97)
    assert (await SqlLedger(database, clock).standing(ACCOUNT, day_of(clock.now()))).used == 0
