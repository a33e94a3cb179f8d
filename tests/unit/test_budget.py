"""Amounts to the last picodollar, periods of UTC, and which budgets speak of a request."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_of
from bot.messages import CommunityId, Member, ModelId
from bot.quota.ledger import PoolId
from bot.routing.budget import MOST, PERIODS, Budget, Pico, Spend, applying, ends_at, number_of, pico, usd
from tests.unit.test_catalogue import NOW


@pytest.mark.parametrize("amount", ["0", "1000000", "0.000000000001"])
def test_an_amount_goes_to_picodollars_and_back(amount: str) -> None:
    assert usd(pico(Decimal(amount))) == Decimal(amount)


def test_what_is_finer_than_a_picodollar_counts_as_one() -> None:
    assert pico(Decimal("1e-13")) == 1
    assert pico(Decimal(0)) == Pico(0)


@pytest.mark.parametrize("amount", ["-0.01", "1000000.000000000001", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"^is not an amount from 0 to 1,000,000 US dollars$"):
        pico(Decimal(amount))


@given(at=st.floats(min_value=0, max_value=4e9, allow_nan=False))
def test_a_budgets_period_ends_at_its_next_midnight(at: float) -> None:
    now = Instant(at)
    assert ends_at("ever", now) is None
    day, month = ends_at("day", now), ends_at("month", now)
    assert day is not None
    assert month is not None
    assert now < day <= now + DAY
    assert day_of(day) == day_of(now) + 1
    assert number_of("day", day) == number_of("day", now) + 1
    then = datetime.fromtimestamp(month, UTC)
    assert (then.day, then.hour, then.minute) == (1, 0, 0)
    assert number_of("month", month) == number_of("month", now) + 1
    assert number_of("month", Instant(month - 1)) == number_of("month", now)


def test_a_budget_that_never_ends_has_one_number() -> None:
    assert number_of("ever", NOW) == number_of("ever", Instant(0)) == 0


def test_days_and_months_are_of_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    new_year = Instant(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "AHEAD-14")  # of UTC, by as many hours
        time.tzset()
        assert number_of("month", Instant(new_year - 1)) == (2025 - 1970) * 12 + 11
        assert number_of("month", new_year) == (2026 - 1970) * 12
        assert ends_at("month", Instant(new_year - 1)) == new_year
    time.tzset()


_ANN, _BEN = Member("web", "ann"), Member("web", "ben")
_BUDGETS = st.lists(
    st.builds(
        Budget,
        account=st.sampled_from([PoolId("mine"), PoolId("other")]),
        member=st.sampled_from([None, "each", _ANN, _BEN]),
        community=st.sampled_from([None, CommunityId("web"), CommunityId("slack:T1")]),
        period=st.sampled_from(PERIODS),
        limit=st.just(Pico(1)),
    ),
    unique=True,
)


@given(budgets=_BUDGETS)
def test_a_request_must_fit_every_budget_that_speaks_of_it_its_members_own_before_each_members(
    budgets: list[Budget],
) -> None:
    spend = Spend(account=PoolId("mine"), member=_ANN, community=CommunityId("web"), model=ModelId("x/y"), most=Pico(0))
    found = applying(budgets, spend)
    for one in budgets:
        speaks = one.account == "mine" and one.community != "slack:T1" and one.member != _BEN
        own = any(
            (other.account, other.community, other.period) == ("mine", one.community, one.period)
            for other in budgets
            if other.member == _ANN
        )
        assert (one in found) is (speaks and not (one.member == "each" and own))


def test_the_largest_amount_is_a_million_dollars_and_periods_are_three() -> None:
    assert pico(Decimal(1_000_000)) == MOST
    assert set(PERIODS) == {"day", "month", "ever"}
