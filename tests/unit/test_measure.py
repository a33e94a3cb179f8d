"""The clairvoyant's allocation and what days are measured by, against slow and obvious ways."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quota.measure import (
    clairvoyant,
    community_shares,
    max_min_ratio,
    measure,
    satisfaction,
    two_level_ratio,
)

demands = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 30), min_size=1)
units = st.integers(1, 120)


def one_at_a_time(demand: dict[str, int], left: int) -> Counter[str]:
    """Max-min by handing out single units to whoever has least and still wants one."""
    given_out: Counter[str] = Counter()
    while left and (unmet := [member for member in demand if given_out[member] < demand[member]]):
        given_out[min(unmet, key=lambda member: (given_out[member], member))] += 1
        left -= 1
    return given_out


@given(demands, units)
def test_the_clairvoyant_gives_what_handing_out_single_units_gives(demand: dict[str, int], pool: int) -> None:
    fair = clairvoyant(demand.values(), pool)
    oracle = one_at_a_time(demand, pool)
    assert sum(oracle.values()) == sum(min(wanted, fair.level) for wanted in demand.values()) + min(
        fair.over, sum(wanted > fair.level for wanted in demand.values())
    )
    assert all(oracle[member] >= min(wanted, fair.level) for member, wanted in demand.items())
    assert max_min_ratio(demand, oracle, pool) == 1


@given(demands, units)
def test_only_the_fair_allocation_scores_one(demand: dict[str, int], pool: int) -> None:
    fair = one_at_a_time(demand, pool)
    poorer = min(fair, key=lambda member: fair[member])
    fair[poorer] -= 1
    assert max_min_ratio(demand, fair, pool) < 1


def test_first_come_first_served_scores_what_its_hog_leaves_over() -> None:
    demand = {"hog": 50, "late": 5, "later": 5}
    assert max_min_ratio(demand, {"hog": 30}, 30) == pytest.approx(20 / 30)
    assert max_min_ratio(demand, {"hog": 20, "late": 5, "later": 5}, 30) == 1
    assert max_min_ratio({}, {}, 30) == 1


@given(demands, units)
def test_satisfaction_is_whole_under_the_clairvoyant_where_units_reach_all(demand: dict[str, int], pool: int) -> None:
    satisfied = satisfaction(demand, one_at_a_time(demand, pool), pool)
    if clairvoyant(demand.values(), pool).level:
        assert set(satisfied.values()) == {1.0}
    assert all(0 <= value <= 1 for value in satisfied.values())


@given(st.dictionaries(st.sampled_from(["red", "blue", "green"]), demands, min_size=1), units)
def test_communities_share_first_and_members_within(demand: dict[str, dict[str, int]], pool: int) -> None:
    totals = {name: sum(members.values()) for name, members in demand.items()}
    shares = community_shares(totals, pool, {})
    assert sum(shares.values()) == min(pool, sum(totals.values()))
    level = clairvoyant(totals.values(), pool).level
    assert all(min(totals[name], level) <= share <= totals[name] for name, share in shares.items())
    given_out = {name: one_at_a_time(members, shares[name]) for name, members in demand.items()}
    assert two_level_ratio(demand, given_out, pool) == pytest.approx(1)


def test_a_community_of_double_weight_gets_double() -> None:
    assert community_shares({"red": 50, "blue": 50}, 30, {"red": 2.0}) == {"red": 20, "blue": 10}


def test_one_level_and_two_level_differ_where_communities_differ_in_size() -> None:
    demand = {"big": {f"b{number}": 5 for number in range(9)}, "small": {"s": 30}}
    flat = {"big": {f"b{number}": 3 for number in range(9)}, "small": {"s": 3}}
    assert two_level_ratio(demand, flat, 30) == pytest.approx(18 / 30)


def test_a_day_is_measured_in_full() -> None:
    demand, given_out = {"early": 4, "noon": 4, "late": 4}, {"early": 4, "noon": 2}
    figures = measure(demand, given_out, 6, {"early": 100.0, "noon": 43_200.0, "late": 80_000.0})
    assert figures.max_min_ratio == pytest.approx(4 / 6)
    assert figures.utilisation == 1
    assert (figures.early, figures.late) == (1.0, 0.0)
    assert figures.satisfaction == pytest.approx(2 / 3)
    assert figures.jain == pytest.approx(2 / 3)
    assert figures.with_nothing == pytest.approx(1 / 3)
    assert figures.worst_satisfaction == pytest.approx(0.1)


def test_a_day_nobody_asked_is_a_perfect_one() -> None:
    figures = measure({}, {}, 50, {})
    assert (figures.max_min_ratio, figures.utilisation, figures.with_nothing) == (1.0, 1.0, 0.0)
    assert math.isnan(figures.early)
