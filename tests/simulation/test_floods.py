"""What floods cost others, over the real scheduler in simulated days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean

import pytest

from bot.quota.history import DAYS, Ask
from bot.quota.measure import satisfaction
from bot.quota.replay import Policy
from bot.quota.simulated import Fate, Setting
from bot.quota.simulation import simulate
from bot.quota.traffic import of_days
from bot.quota.workloads import make

RPD = 50
JUDGED = 1
"""Days of each kind and seed."""


def run(setting: Setting, traffic: Mapping[int, Sequence[Ask]]) -> list[Fate]:
    """The days after the warm-up, which is history only."""
    requests = of_days(traffic)
    first = requests[0].day + DAYS
    history = [request for request in requests if request.day < first]
    return simulate(setting, requests[len(history) :], history=history)


def satisfied(fates: Sequence[Fate], units: int, who: str) -> float:
    """Mean satisfaction of the members whose name begins so, day by day, against the clairvoyant of the same day."""
    values = []
    for day in sorted({fate.request.day for fate in fates}):
        today = [fate for fate in fates if fate.request.day == day]
        demand = Counter(fate.request.user for fate in today)
        given = Counter(fate.request.user for fate in today if fate.given)
        reached = satisfaction(demand, given, units)
        values += [reached[member] for member in demand if member.startswith(who)]
    return fmean(values)


def with_flooder(seed: int) -> dict[int, list[Ask]]:
    """Days of which the judged ones have one member who asks 2,000 questions from 07:00 UTC on."""
    traffic = {day: list(asks) for day, asks in make("heavytail", rpd=RPD, seed=seed, days=DAYS + JUDGED).items()}
    for day in list(traffic)[DAYS:]:
        flood = [Ask(25_200 + 3.5 * number, "c0", "flooder") for number in range(2000)]
        traffic[day] = sorted([*(ask._replace(member=f"other {ask.member}") for ask in traffic[day]), *flood])
    return traffic


@cache
def lost_to_a_flooder(policy: Policy) -> float:
    lost = []
    for seed in (0, 1):
        fates = run(Setting(policy=policy, rpd=RPD), with_flooder(seed))
        lost.append(1 - satisfied(fates, RPD, "other "))
    return fmean(lost)


def test_a_flooder_costs_the_others_little_against_the_clairvoyant_of_the_same_day() -> None:
    assert lost_to_a_flooder("fair") <= 0.05


def test_control_first_come_leaves_the_others_to_the_flooder() -> None:
    assert lost_to_a_flooder("fcfs") > 0.3


def four_communities(seed: int, *, spread: bool, days: int) -> dict[int, list[Ask]]:
    """Four communities alike; spread over twenty accounts of one of them, 2,000 questions more."""
    traffic: dict[int, list[Ask]] = {}
    for number in range(4):
        own = make("flat", rpd=25, seed=10 * seed + number, days=DAYS + days)
        for day, asks in own.items():
            traffic.setdefault(day, []).extend(
                Ask(ask.second, f"c{number}", f"c{number} {ask.member}") for ask in asks if int(ask.member[1:]) < 40
            )
    if spread:
        for day in list(traffic)[DAYS:]:
            traffic[day] += [
                Ask(25_200 + 3.5 * number, "c0", f"c0 one of twenty {number % 20}") for number in range(2000)
            ]
    return {day: sorted(asks) for day, asks in traffic.items()}


def cost_of_the_spread(policy: Policy, *, between: bool, days: int = 1, seeds: Sequence[int] = (0, 1)) -> float:
    """How much lower the mean satisfaction of the other three communities is with the twenty accounts."""
    costs = []
    for seed in seeds:
        setting = Setting(policy=policy, rpd=100, between_communities=between)
        without, spread = (run(setting, four_communities(seed, spread=spread, days=days)) for spread in (False, True))
        costs.append(of_the_others(without) - of_the_others(spread))
    return fmean(costs)


def of_the_others(fates: Sequence[Fate]) -> float:
    """Against what the clairvoyant gives a community with a quarter of the pool."""
    return fmean(
        satisfied([fate for fate in fates if fate.request.community == name], 25, "") for name in ("c1", "c2", "c3")
    )


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_twenty_accounts_of_one_community_cost_the_other_three_next_to_nothing() -> None:
    assert cost_of_the_spread("fair", between=True, seeds=range(16)) <= 0.01


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_nor_do_they_over_a_week() -> None:
    assert cost_of_the_spread("fair", between=True, days=7) <= 0.01


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_control_first_come_costs_them_much() -> None:
    assert cost_of_the_spread("fcfs", between=False) > 0.05
