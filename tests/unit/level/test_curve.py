"""The level is where the rest of the day takes exactly what is left, on each day looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bot.quota.day import FairDay
from bot.quota.demand import HEAVY, LOTS, Crowd, Standing, lot
from bot.quota.history import Ask, habit, tabulate
from bot.quota.level import DayAnswer, curves, unbounded
from bot.quota.past import History, Outlook, Past
from bot.quota.terms import MemberTerms, Terms
from tests.unit.level.days import MEMBERS, PASTS, TODAY, Question, at, pasts, play, questions


def slow_curve(day: FairDay, outlook: Outlook, past_day: int, level: float) -> float:
    """What the rest of today takes at a level, member by member."""

    def value(table: np.ndarray[tuple[int], np.dtype[np.float64]], x: float) -> float:
        return float(np.interp(x, np.arange(201), table[:201])) if x > 0 else 0.0

    total = value(outlook.newcomers[past_day], level)
    for member in MEMBERS:
        standing = day.standing(member)
        if standing is None or not standing.asks:
            continue
        known = standing.waiting or int(standing.refused)
        wants = outlook.returning[past_day, habit(standing.asks)]
        own = standing.weight * level
        heavy = standing.asks >= HEAVY
        for unit in range(standing.charged, standing.charged + known):
            height = 1.0 if standing.waiting or heavy else wants[1]
            total += height * (own > unit + lot(member, TODAY, unit))
        beyond = own - standing.charged - known
        if heavy:
            total += max(0.0, min(beyond, standing.asks))
        elif standing.waiting or not standing.refused:
            total += value(wants, beyond)
        else:
            total += max(0.0, value(wants, beyond + 1) - wants[1]) if beyond > 0 else 0.0
    return total


@given(pasts, questions, st.integers(1, 40), st.sampled_from([1.0, 0.5, 2.0]))
def test_each_day_is_answered_with_the_level_that_spends_exactly_what_is_left(
    past: Past, log: list[Question], rpd: int, weight: float
) -> None:
    assert not spends_otherwise(past, log, rpd, weight)


def spends_otherwise(
    past: Past,
    log: Sequence[Question],
    rpd: int,
    weight: float,
    answered: Callable[[float], float] = float,
) -> bool:
    """Some day is answered with a level that spends more or less than what is left."""
    day = FairDay(TODAY, rpd=rpd, past=past)
    day.lay_down(Terms(members=dict.fromkeys(MEMBERS[::3], MemberTerms(weight=weight))))
    second = play(day, log) // 20 * 20
    decision = day.decide(log[-1].member, at(second))
    outlook = past.everyone.outlook(second, len({question.member for question in log}))
    by_day = dict(zip(outlook.days, range(len(outlook.days)), strict=True))
    # A member of weight 2 takes two units between whole levels: their slope is straightened there.
    margin = 1 / LOTS if weight <= 1 else 1.0

    def spent(answer: DayAnswer, level: float) -> float:
        return slow_curve(day, outlook, by_day[answer.day], max(0.0, answered(level)))

    return any(
        spent(answer, answer.level - margin) > decision.left + 1e-6
        or decision.left > spent(answer, answer.level + margin) + 1e-6
        for answer in decision.days
        if not np.isinf(answer.level)
    )


def test_control_a_level_in_whole_units_spends_otherwise() -> None:
    log = [Question(1500.0, member, False, False) for member in MEMBERS]
    assert not spends_otherwise(PASTS[0], log, 20, 1.0)
    assert spends_otherwise(PASTS[0], log, 20, 1.0, answered=math.floor)


def test_refused_members_are_steps_so_the_last_units_find_takers() -> None:
    """More members than units. They used to come back two hours later; today those refused do not."""

    def come(times: int) -> list[Ask]:
        return sorted(
            Ask(600.0 * number + 7200.0 * time, "c1", f"g{number}") for number in range(120) for time in range(times)
        )

    def served(*, told: bool) -> int:
        day = FairDay(TODAY, rpd=30, past=Past(TODAY, [tabulate(TODAY - age, come(2)) for age in range(28, 0, -1)], {}))
        for ask in come(1):
            day.ask(ask.member, at(ask.second))
            if day.decide(ask.member, at(ask.second)).admitted:
                day.let_through(ask.member, at(ask.second))
                day.send()
            elif told:
                day.refuse(ask.member)
        return day.sent

    assert served(told=True) == 30
    assert served(told=False) < 27, "control: units are kept for members who were refused and are gone"


@given(pasts, questions, st.integers(1, 400))
def test_if_all_demand_fits_under_every_day_nobody_is_refused(past: Past, log: list[Question], rpd: int) -> None:
    day = FairDay(TODAY, rpd=rpd, past=past)
    second = play(day, log) // 20 * 20
    outlook = past.everyone.outlook(second, len({question.member for question in log}))
    demand = [slow_curve(day, outlook, row, 150.0) for row in range(len(outlook.days))]
    if max(demand) + 50 < day.left(at(second)):
        assert all(day.decide(member, at(second)).admitted for member in MEMBERS)


def test_control_a_fixed_share_refuses_although_all_demand_fits() -> None:
    day = FairDay(TODAY, rpd=400, past=PASTS[0])
    log = [Question(60.0, "m1", False, False)] * 30
    play(day, log)
    standing = day.standing("m1")
    assert standing is not None
    assert standing.taken == 30 > 400 // 40


def test_the_place_of_a_member_is_counted_out_as_it_was_counted_in() -> None:
    crowd = Crowd(TODAY)
    for asks in (1, 5, HEAVY, 300):
        for refused in (False, True):
            for waiting in (0, 2):
                standing = Standing(member="m", asks=asks, taken=asks // 2, refused=refused, waiting=waiting)
                crowd.place(standing)
                crowd.place(replace(standing), -1)
    outlook = PASTS[0].everyone.outlook(0.0, 0)
    of = curves(crowd, outlook, 16)
    assert np.allclose(of.slopes, outlook.newcomers[:, :17])
    assert not of.steps.any()
    assert np.allclose(unbounded(crowd, outlook), outlook.newcomers[:, -1])


def test_a_history_of_nothing_is_met_with_an_invented_day() -> None:
    day = FairDay(TODAY, rpd=50, past=Past(TODAY, [], {}))
    day.ask("m1", at(90.0))
    decision = day.decide("m1", at(9 * 3600.0))
    assert [answer.day for answer in decision.days] == [None]
    assert decision.admitted
    assert History([], TODAY).days == ()
