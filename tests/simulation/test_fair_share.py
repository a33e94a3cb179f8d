"""What the level reaches on whole months of traffic, against those who would have known every question.

One setting for all of it. The real trace lies beside the repository where it is known; without it, its tests
are skipped. The whole of it, and other seeds, run in `make soak`.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from statistics import fmean, quantiles

import pytest

from bot.clock import Instant, day_of, day_start
from bot.quota.day import FairDay
from bot.quota.history import DAYS, Ask
from bot.quota.measure import satisfaction
from bot.quota.replay import Months, Outcome, Policy, Setting, replay_day
from bot.quota.rules import Fair, FirstCome, Rule
from bot.quota.workloads import Kind, make

TRACE = Path(__file__).resolve().parents[3] / "shared" / "traces" / "slack-2019.csv.gz"
needs_trace = pytest.mark.skipif(not TRACE.exists(), reason=f"the trace of 2019 is not at {TRACE}")
SOME_DAYS, FEW_DAYS = slice(0, 30), slice(0, 5)
SEEDS = [0, pytest.param(1, marks=pytest.mark.soak), pytest.param(2, marks=pytest.mark.soak)]


@cache
def slack_2019() -> Months:
    traffic: dict[int, list[Ask]] = {}
    with gzip.open(TRACE, "rt", newline="") as rows:
        for row in csv.DictReader(rows):
            moment = Instant(float(row["ts"]))
            day = day_of(moment)
            traffic.setdefault(day, []).append(Ask(moment - day_start(day), row["community"], row["user"]))
    return Months({day: sorted(asks) for day, asks in traffic.items()})


@cache
def made(kind: Kind, seed: int = 0) -> Months:
    return Months(make(kind, seed=seed))


@cache
def a_few(kind: Kind) -> Months:
    """Its first days after the warm-up."""
    return Months(make(kind, days=DAYS + 5))


def replay(months: Months, setting: Setting, days: slice = SOME_DAYS) -> list[Outcome]:
    return [months.replay(day, setting) for day in months.days()[days]]


def mean_and_worst_tenth(outcomes: Sequence[Outcome], rpd: int) -> tuple[float, float]:
    ratios = [outcome.ratio(rpd) for outcome in outcomes]
    return fmean(ratios), quantiles(ratios, n=10, method="inclusive")[0]


@pytest.mark.soak
@pytest.mark.timeout(900)
@needs_trace
@pytest.mark.parametrize(
    ("rpd", "hold", "mean", "worst"),
    [
        (50, False, 0.935, 0.85),
        (50, True, 0.97, 0.92),
        (100, False, 0.925, 0.84),
        (100, True, 0.96, 0.9),
        (200, False, 0.98, 0.92),
        (200, True, 0.98, 0.94),
    ],
)
def test_five_months_of_three_slack_communities(rpd: int, hold: bool, mean: float, worst: float) -> None:
    outcomes = replay(slack_2019(), Setting(rpd=rpd, hold=hold), slice(None))
    assert len(outcomes) == 128
    reached = mean_and_worst_tenth(outcomes, rpd)
    assert reached[0] >= mean
    assert reached[1] >= worst


@needs_trace
@pytest.mark.soak
def test_a_month_of_three_slack_communities_and_control_the_simpler_rules() -> None:
    def reached(policy: Policy, *, hold: bool) -> float:
        return mean_and_worst_tenth(replay(slack_2019(), Setting(policy=policy, hold=hold)), 50)[0]

    assert reached("fair", hold=True) >= 0.96
    assert reached("fair", hold=False) >= 0.92
    assert reached("fixed", hold=False) < 0.86
    assert reached("pacing", hold=False) < 0.9
    assert reached("fcfs", hold=False) < 0.6


MADE: list[tuple[Kind, float, float]] = [
    ("poisson", 0.97, 0.98),
    ("heavytail", 0.92, 0.945),
    ("flat", 0.92, 0.95),
    ("flooder", 0.92, 0.955),
    ("flooder_new", 0.92, 0.95),
    ("latewave", 0.92, 0.955),
    ("regime3x", 0.93, 0.955),
    ("volatile", 0.92, 0.95),
]


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "plain", "held"), MADE)
def test_made_days_of_every_character(kind: Kind, plain: float, held: float, seed: int) -> None:
    assert mean_and_worst_tenth(replay(made(kind, seed), Setting(hold=False)), 50)[0] >= plain
    assert mean_and_worst_tenth(replay(made(kind, seed), Setting(hold=True)), 50)[0] >= held


@pytest.mark.parametrize(("kind", "plain", "held"), [one for one in MADE if not one[0].startswith("flooder")])
def test_a_few_made_days_of_every_character(kind: Kind, plain: float, held: float) -> None:
    for hold, least in ((False, plain), (True, held)):
        assert mean_and_worst_tenth(replay(a_few(kind), Setting(hold=hold), FEW_DAYS), 50)[0] >= least - 0.03


def test_a_burst_faster_than_anyone_can_see_is_what_holding_is_for() -> None:
    without = mean_and_worst_tenth(replay(a_few("burst"), Setting(hold=False), slice(0, 3)), 50)[0]
    holding = mean_and_worst_tenth(replay(a_few("burst"), Setting(hold=True), slice(0, 3)), 50)[0]
    assert without < 0.9
    assert holding >= 0.98


@pytest.mark.soak
def test_an_evening_that_doubles_the_members_unannounced_is_where_nobody_is_good() -> None:
    assert mean_and_worst_tenth(replay(made("latewave_new"), Setting(hold=True)), 50)[0] >= 0.85


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_two_thousand_questions_of_one_cost_the_others_next_to_nothing_control_first_come(seed: int) -> None:
    def satisfied(policy: Policy, *, flood: bool, hold: bool) -> float:
        """The others, on average, against who knew the same day in advance."""
        values = []
        for outcome in replay(flooded(seed, flood=flood), Setting(policy=policy, hold=hold), slice(0, 1)):
            of_the_day = satisfaction(outcome.demand, outcome.given, 50)
            values.append(fmean(value for member, value in of_the_day.items() if member != "flooder"))
            assert outcome.given["flooder"] <= 8 or policy == "fcfs"
        return fmean(values)

    for hold in (False, True):
        with_the_flood = satisfied("fair", flood=True, hold=hold)
        assert with_the_flood >= 0.95
        assert satisfied("fair", flood=False, hold=hold) - with_the_flood <= 0.05
    cost = satisfied("fcfs", flood=False, hold=False) - satisfied("fcfs", flood=True, hold=False)
    assert cost > 0.3, "control: first come"


@cache
def flooded(seed: int, *, flood: bool) -> Months:
    """The same members with a flooder, who comes unannounced, or without."""
    traffic = make("flooder_new", seed=seed, days=DAYS + 1)
    return Months({day: [ask for ask in asks if flood or ask.member != "flooder"] for day, asks in traffic.items()})


def test_the_pool_and_the_minute_hold_and_nothing_is_sent_unasked() -> None:
    for kind in ("flooder", "burst"):
        for policy in ("fair", "fcfs", "fixed", "pacing"):
            for outcome in replay(a_few(kind), Setting(policy=policy), slice(0, 1)):
                assert sum(outcome.given.values()) <= 50
                assert all(given <= outcome.demand[member] for member, given in outcome.given.items())
                assert len(outcome.waits) + len(outcome.held) == sum(outcome.given.values())


def test_asking_once_and_waiting_brings_no_less_than_asking_again() -> None:
    months = a_few("flat")

    def gets(rule: Callable[[int], Rule], times: int, *, hold: bool) -> list[bool]:
        return [
            replay_day(day, with_visitor(months.traffic[day], times), rule(day), Setting(hold=hold)).given["visitor"]
            > 0
            for day in months.days()[FEW_DAYS]
        ]

    def fair(day: int) -> Rule:
        return Fair(FairDay(day, rpd=30, past=months.past(day, by_community=False)))

    assert all(
        once or not again for once, again in zip(gets(fair, 1, hold=True), gets(fair, 6, hold=True), strict=True)
    )
    once, again = (sum(gets(lambda day: Lottery(day), times, hold=False)) for times in (1, 6))
    assert once < again, "control: a coin for each question is worth asking again"


def with_visitor(asks: Sequence[Ask], times: int) -> list[Ask]:
    return sorted([*asks, *(Ask(36_000.0 + 400 * number, "c0", "visitor") for number in range(times))])


class Lottery(FirstCome):
    """Lets every fourth question go, whoever asks it."""

    def __init__(self, day: int) -> None:
        super().__init__(rpd=10_000)
        self.random = Random(day)

    def admits(self, member: str, moment: Instant) -> bool:
        return self.random.random() < 0.25


@pytest.mark.parametrize("seed", SEEDS)
def test_twenty_accounts_of_one_community_cost_the_others_little_between_communities(seed: int) -> None:
    """Four communities with a share each; in one of them, two thousand questions come from twenty accounts."""

    def satisfied_elsewhere(*, joined: bool, between: bool) -> float:
        values: list[float] = []
        for outcome in replay(
            four_communities(seed, joined=joined),
            Setting(rpd=100, hold=False, between_communities=between),
            slice(0, 2 if between else 1),
        ):
            # What the other three would get from someone who knew all, each community with a quarter of the pool.
            for name in ("c1", "c2", "c3"):
                demand = Counter(ask.member for ask in outcome.asks if ask.community == name)
                values.extend(satisfaction(demand, outcome.given, 25).values())
        return fmean(values)

    cost = {
        between: satisfied_elsewhere(joined=False, between=between) - satisfied_elsewhere(joined=True, between=between)
        for between in (True, False)
    }
    assert cost[True] <= 0.01
    assert cost[False] > 0.03, "control: one level for all"


@cache
def four_communities(seed: int, *, joined: bool) -> Months:
    traffic: dict[int, list[Ask]] = {}
    for number in range(4):
        for day, asks in make("flat", rpd=25, seed=4 * seed + number, days=DAYS + 2).items():
            traffic.setdefault(day, []).extend(
                Ask(ask.second, f"c{number}", f"c{number} {ask.member}") for ask in asks if int(ask.member[1:]) < 40
            )
    if joined:
        for day in list(traffic)[DAYS:]:
            traffic[day] += [
                Ask(3600.0 + 240 * number + 7 * account, "c0", f"one of twenty {account}")
                for number in range(100)
                for account in range(20)
            ]
    return Months({day: sorted(asks) for day, asks in traffic.items()})
