"""What must always hold of the day's level, on days drawn at random; each rule with a control that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY
from bot.quota.day import FairDay
from bot.quota.level import HOLDING, PLAIN, Caution, Forecast
from bot.quota.past import Outlook, Past
from tests.unit.level.days import EVEN, MEMBERS, PASTS, TODAY, Question, at, levels, pasts, play, questions, step
from tests.unit.level.wrong import SUDDEN, Envious, Forgetting

IN_TURN = [Question(1500.0, member, False, False) for member in MEMBERS]


@given(pasts, questions, st.integers(1, 60), st.integers(1, 30))
def test_more_left_never_lowers_the_level(past: Past, log: list[Question], rpd: int, more: int) -> None:
    assert not lowered_by_more(FairDay(TODAY, rpd=rpd, past=past), log, more)


def lowered_by_more(day: FairDay, log: Sequence[Question], more: int) -> bool:
    second = play(day, log)
    before = levels(day, second)
    day.recount(0, day.rpd + more)
    return any(after < level - EVEN for after, level in zip(levels(day, second), before, strict=True))


def test_control_sudden_caution_is_lowered_by_more_left() -> None:
    days = (FairDay(TODAY, rpd=rpd, past=PASTS[3], caution=SUDDEN) for rpd in range(35, 41))
    assert any(lowered_by_more(day, IN_TURN, 3) for day in days)


@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 4), st.floats(0.01, 1)), min_size=1, max_size=8))
def test_caution_that_suits_the_level_rises_with_it_and_stays_between_its_two(drawn: list[tuple[float, ...]]) -> None:
    before, after = (answers(drawn, risen) for risen in (False, True))
    sure = answers([(level / 2, rise, weight) for level, rise, weight in drawn])
    assert HOLDING.next_units(before, before) <= HOLDING.next_units(after, after) + EVEN
    assert HOLDING.next_units(before, sure) <= HOLDING.next_units(before, before) + EVEN
    assert sure.level(HOLDING.scarce) - EVEN <= HOLDING.next_units(before, sure) <= before.level(HOLDING.more) + EVEN
    assert PLAIN.next_units(before, sure) == before.level(PLAIN.more)


def answers(drawn: Sequence[tuple[float, ...]], risen: bool = False) -> Forecast:
    """Of days with a level, a rise and a weight each."""
    levels, rises, weights = (np.array(one) for one in zip(*drawn, strict=True))
    days = Outlook(
        days=(None,) * len(drawn),
        weights=weights / weights.sum(),
        newcomers=np.zeros((len(drawn), 2)),
        returning=np.zeros((len(drawn), 3, 2)),
    )
    return Forecast.of(days, levels + rises if risen else levels)


def test_control_sudden_caution_sinks_where_the_answers_rise() -> None:
    drawn = [(1.0, 0.0, 0.1), (1.9, 0.2, 0.9)]
    before, after = (answers(drawn, risen) for risen in (False, True))
    assert SUDDEN.next_units(before, before) > SUDDEN.next_units(after, after)


def test_the_fewer_there_are_for_each_the_more_careful() -> None:
    def part(scale: float) -> float:
        """Where the level lies between the two, from 0 at the careful one to 1."""
        days = replace(FEW_DAYS, weights=np.full(10, 0.1))
        answers = Forecast.of(days, scale * np.linspace(0.5, 1.5, 10))
        low, high = answers.level(HOLDING.scarce), answers.level(HOLDING.more)
        return (HOLDING.next_units(answers, answers) - low) / (high - low)

    assert part(2.0) == pytest.approx(0)
    assert 0 < part(5.0) < part(7.0) < 1
    assert part(12.0) == pytest.approx(1)


FEW_DAYS = Outlook(
    days=tuple(range(10)), weights=np.ones(10), newcomers=np.zeros((10, 2)), returning=np.zeros((10, 3, 2))
)


@given(pasts, questions, st.integers(10, 60), st.sampled_from(MEMBERS))
def test_what_others_take_never_raises_the_level(past: Past, log: list[Question], rpd: int, other: str) -> None:
    assert not raised_by_others(FairDay(TODAY, rpd=rpd, past=past), log, other)


def raised_by_others(day: FairDay, log: Sequence[Question], other: str) -> bool:
    second = play(day, log)
    standing = day.standing(other)
    if standing is None or not day.left(at(second)):
        return False
    before = levels(day, second)
    if standing.waiting:
        day.release(other)
    day.let_through(other, at(second))
    return any(after > level + EVEN for after, level in zip(levels(day, second), before, strict=True))


def test_control_envy_is_raised_by_what_others_take() -> None:
    assert raised_by_others(Envious(TODAY, rpd=40, past=PASTS[0]), IN_TURN, "m0")


@given(pasts, questions, st.integers(5, 60))
def test_time_alone_does_not_lower_the_level(past: Past, log: list[Question], rpd: int) -> None:
    assert sunk(FairDay(TODAY, rpd=rpd, past=past), log, every=1200.0) == ""


def sunk(day: FairDay, log: Sequence[Question], *, every: float) -> str:
    """When a level that was reached was lost again by time alone; empty: never."""
    second = play(day, log)
    reached = levels(day, second)
    for later in np.arange(second, DAY - 3, every):
        now = levels(day, float(later))
        if any(after < level - 0.05 for after, level in zip(now, reached, strict=True)):
            return f"{reached} at {second}, {now} at {later}"
    return ""


def test_control_a_level_that_forgets_is_lowered_by_time_alone() -> None:
    day = FairDay(TODAY, rpd=100, past=PASTS[3])
    day._rooms = Forgetting(PASTS[3], caution=HOLDING, between_communities=False)
    assert sunk(day, [Question(200.0, member, False, False) for member in MEMBERS for _ in range(2)], every=1200.0)


@given(pasts, questions, st.integers(5, 60))
def test_whoever_has_taken_less_may_go_if_one_with_more_may(past: Past, log: list[Question], rpd: int) -> None:
    assert not envied(FairDay(TODAY, rpd=rpd, past=past), log)


def envied(day: FairDay, log: list[Question]) -> bool:
    """Someone is let go while a member with less has to stay."""
    second = play(day, log)
    may: dict[int, set[bool]] = {}
    for member in MEMBERS:
        standing = day.standing(member)
        taken = standing.taken if standing else 0
        may.setdefault(taken, set()).add(day.decide(member, at(second)).admitted)
    return any(True in may[more] and False in may[less] for more in may if more for less in may if less < more)


def test_control_generous_to_those_who_have_is_envied() -> None:
    log = [Question(2400.0, member, False, False) for member in MEMBERS[:10] for _ in range(2)]
    backwards = Caution(first=0.05, more=0.99)
    fair = (FairDay(TODAY, rpd=rpd, past=PASTS[0]) for rpd in range(5, 40))
    unfair = (FairDay(TODAY, rpd=rpd, past=PASTS[0], caution=backwards) for rpd in range(5, 40))
    assert not any(envied(day, log) for day in fair)
    assert any(envied(day, log) for day in unfair)


@given(pasts, questions, questions, st.integers(5, 60), st.booleans())
def test_the_same_log_gives_the_same_decisions_also_after_a_restart(
    past: Past, before: list[Question], after: list[Question], rpd: int, between: bool
) -> None:
    def begin() -> FairDay:
        return FairDay(TODAY, rpd=rpd, past=past, between_communities=between, promise_units=1)

    running, restarted = begin(), begin()
    second = play(running, before, promises=True)
    play(restarted, before, promises=True)
    restarted._rooms._climbs.clear()  # what a restart forgets
    for question in after:
        second = min(second + question.gap, DAY - 10)
        assert step(running, question, second) == step(restarted, question, second)


def test_control_a_restart_that_forgets_refusals_decides_otherwise() -> None:
    log = [Question(1800.0, member, False, False) for member in MEMBERS]

    def level(*, forget: bool) -> tuple[float, ...]:
        day = FairDay(TODAY, rpd=6, past=PASTS[1])
        second = 0.0
        for question in log:
            second += question.gap
            day.ask(question.member, at(second))
            if day.decide(question.member, at(second)).admitted:
                day.let_through(question.member, at(second))
            elif not forget:
                day.refuse(question.member)
        return levels(day, second)

    assert level(forget=False) != level(forget=True)
