"""What is spent never passes a budget, whoever else spends, and what is not known stays set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.clock import DAY, Instant, SystemClock
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.budget import PICO, Budget, Charge, NoBudget, OverBudget, Period, Pico, Spend, ends_at, pico, usd
from bot.storage.money import ChargeNotOpenError, SqlMoney
from bot.storage.tables import charges, spending
from bot.storage.units import Where
from tests.fakes.databases import migrated, opened

ACCOUNT = PoolId("default")
ANN, BEN = Member("web", "ann"), Member("web", "ben")
HERE, THERE = CommunityId("web"), CommunityId("slack:T1")
SOON = Instant(0)


class SetClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = Instant(1_790_000_000)

    def now(self) -> Instant:
        return self.at

    def monotonic(self) -> float:
        return self.at


def spend(most: int, member: Member = ANN, community: CommunityId = HERE) -> Spend:
    return Spend(account=ACCOUNT, member=member, community=community, model=ModelId("m/m"), most=Pico(most))


def budget(
    limit: int,
    member: Member | Literal["each"] | None = None,
    community: CommunityId | None = None,
    period: Period = "month",
) -> Budget:
    return Budget(account=ACCOUNT, member=member, community=community, period=period, limit=Pico(limit))


@asynccontextmanager
async def money(where: Where, clock: SetClock, *limits: Budget) -> AsyncIterator[SqlMoney]:
    async with opened(where, clock) as database:
        book = SqlMoney(database, clock)
        for one in limits:
            await book.set_budget(one)
        yield book


async def charged(book: SqlMoney, wanted: Spend) -> Charge:
    charge = await book.reserve(wanted)
    assert isinstance(charge, Charge), charge
    return charge


async def left(book: SqlMoney, member: Member = ANN) -> int:
    found = await book.left(spend(0, member))
    assert found is not None
    return found[1]


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(1, 40), min_size=1, max_size=40), limit=st.integers(0, 100))
def test_spenders_at_once_never_pass_a_budget_together(
    kind: str, request: pytest.FixtureRequest, amounts: list[int], limit: int
) -> None:
    async def run(where: Where) -> None:
        async with (
            money(where, SetClock(), budget(limit), budget(limit // 2, "each")) as first,
            money(where, SetClock()) as second,
        ):
            books = (first, second)
            wanted = [spend(amount, (ANN, BEN)[n % 2]) for n, amount in enumerate(amounts)]
            found = await asyncio.gather(*(books[n % 3 % 2].reserve(one) for n, one in enumerate(wanted)))
            held = [one.spend for one in found if isinstance(one, Charge)]
            assert sum(one.most for one in held) <= limit
            for member in (ANN, BEN):
                assert sum(one.most for one in held if one.member == member) <= limit // 2
            for one in found:
                assert isinstance(one, Charge | OverBudget)

    with TemporaryDirectory() as folder, migrated(kind, request, Path(folder)) as where:
        asyncio.run(run(where))


async def test_control_to_look_first_and_reserve_then_passes_it(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(10), budget(10**9, period="day")) as book:

        async def careless() -> bool:
            enough = await left(book) >= 10
            await asyncio.sleep(0)
            return enough

        assert sum(await asyncio.gather(*(careless() for _ in range(5)))) == 5
        found = await asyncio.gather(*(book.reserve(spend(10)) for _ in range(5)))
        assert sum(isinstance(one, Charge) for one in found) == 1


async def test_all_budgets_that_apply_must_hold_and_one_that_does_not_leaves_the_others(
    where: Where, clock: SetClock
) -> None:
    async with money(where, clock, budget(100), budget(50, ANN, period="day")) as book:
        await charged(book, spend(40))
        over = await book.reserve(spend(20))
        assert isinstance(over, OverBudget)
        assert (over.budget, over.left) == (budget(50, ANN, period="day"), 10)
        assert over.resets_at == ends_at("day", clock.at)
        await charged(book, spend(60, BEN))
        assert isinstance(await book.reserve(spend(1, BEN)), OverBudget)


async def test_without_a_budget_nothing_is_spent(where: Where, clock: SetClock) -> None:
    others = (budget(100, BEN), budget(100, None, THERE))
    async with money(where, clock, *others) as book:
        assert await book.reserve(spend(1)) == NoBudget()
        assert await book.left(spend(1)) is None


async def test_a_members_own_budget_takes_the_place_of_each_members(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(5, "each"), budget(50, ANN)) as book:
        await charged(book, spend(50))
        assert isinstance(await book.reserve(spend(6, BEN)), OverBudget)


async def test_a_cost_is_recorded_as_it_is_and_what_was_not_sent_costs_nothing(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(100)) as book:
        dear, unsent = await charged(book, spend(10)), await charged(book, spend(10))
        await book.settle(dear, Pico(33))
        await book.release(unsent)
        assert await left(book) == 67
        for again in (book.settle(dear, Pico(1)), book.release(unsent), book.unknown(dear, None, SOON)):
            with pytest.raises(ChargeNotOpenError):
                await again


async def test_a_budget_set_later_knows_what_was_spent_before(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(100)) as book:
        await book.settle(await charged(book, spend(40)), Pico(30))
        await book.set_budget(budget(31, ANN, HERE, "day"))
        assert await left(book) == 1
        await book.remove_budget(budget(0, ANN, HERE, "day"))
        assert await left(book) == 70


async def test_a_crash_keeps_what_was_set_aside_until_it_is_told_or_a_day_has_passed(
    where: Where, clock: SetClock
) -> None:
    async with money(where, clock, budget(100), budget(100, period="ever")) as book:
        await charged(book, spend(30))
        cut = await charged(book, spend(20))
        await book.unknown(cut, "gen-1", Instant(clock.at + 60))
    async with money(where, clock) as book:
        assert await book.recover() == 1
        assert await left(book) == 50
        assert await book.due() == []
        clock.at = Instant(clock.at + 60)
        (due,) = await book.due()
        assert (due.charge, due.generation, due.looks) == (cut, "gen-1", 0)
        await book.unknown(due.charge, due.generation, clock.at)
        assert (await book.due())[0].looks == 1
        await book.settle(due.charge, Pico(3))
        assert await left(book) == 67
        assert await book.give_up() == []
        clock.at = Instant(clock.at + DAY)
        (given_up,) = await book.give_up()
        assert given_up.charge.spend.most == 30
        assert await book.give_up() == []
        found = await book.left(spend(0))
        assert found is not None
        assert found[1] == 67


async def test_a_day_is_new_at_midnight_and_an_old_charge_counts_for_its_own(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(10, period="day")) as book:
        old = await charged(book, spend(10))
        clock.at = Instant(clock.at + DAY)
        await charged(book, spend(10))
        await book.settle(old, Pico(10))
        assert await left(book) == 0


@given(st.decimals(min_value=0, max_value=1_000_000, places=12))
def test_money_is_exact(amount: Decimal) -> None:
    assert usd(pico(amount)) == amount


@pytest.mark.parametrize("bad", ["NaN", "-0.1", "1000000.1", "Infinity"])
def test_what_is_no_amount(bad: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        pico(Decimal(bad))


def test_what_is_finer_counts_as_one_and_months_end() -> None:
    assert pico(Decimal("1e-15")) == 1
    assert pico(Decimal(1)) == PICO
    assert ends_at("month", Instant(1_798_675_200 - 1)) == Instant(1_798_761_600)  # in December 2026
    assert ends_at("ever", SystemClock().now()) is None


async def test_a_crash_after_the_answer_was_named_leaves_something_to_ask_for(where: Where, clock: SetClock) -> None:
    async with money(where, clock, budget(100)) as book:
        named = await charged(book, spend(30))
        await charged(book, spend(20))
        await book.began(named, "gen-1")
        assert (await book.due(), await book.next_look()) == ([], None)
    async with money(where, clock) as book:
        assert await book.recover() == 2
        (due,) = await book.due()
        assert (due.charge, due.generation) == (named, "gen-1")
        assert await book.next_look() == clock.at
        await book.settle(named, Pico(1))
        await book.began(named, "gen-2")
        assert (await book.due(), await book.next_look()) == ([], None), "one that is closed stays so"
        assert await left(book) == 79


async def test_who_spent_what_is_deleted_in_time_and_what_is_open_is_not(where: Where) -> None:
    clock = SetClock()
    async with money(where, clock, budget(1000), budget(1000, period="ever")) as book:
        for name in ("old", "open", "new"):
            if name == "new":
                clock.at = Instant(clock.at + 70 * DAY)
            charge = await book.reserve(spend(100, Member("web", name)))
            assert isinstance(charge, Charge)
            if name != "open":
                await book.settle(charge, Pico(60))
        await book.prune(before=Instant(clock.at - 60 * DAY))
        async with opened(where, clock) as beside:
            charged_still = await beside.read(lambda core: core.scalars(select(charges.c.member)).all())
            assert set(charged_still) == {"web:open", "web:new"}
            dated = select(spending.c.member).where(spending.c.period != "ever")
            assert "web:old" not in await beside.read(lambda core: core.scalars(dated).all())
        charge = await book.reserve(spend(1000 - 60 - 100 - 60))
        assert isinstance(charge, Charge), "what was spent in all, and what is open, still counts"
        assert isinstance(await book.reserve(spend(1)), OverBudget)
