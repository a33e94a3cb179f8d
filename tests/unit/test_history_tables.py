"""The tables of past days against the same sums done the slow and obvious way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY
from bot.quota.history import DAYS, HABITS, LEVELS, SLOT, SLOTS, Ask, DayTable, habit, tabulate
from bot.quota.past import COLUMNS, History, Past

TODAY = 20_500
asks = st.lists(
    st.builds(
        Ask,
        st.floats(0, DAY, exclude_max=True),
        st.sampled_from(["red", "blue"]),
        st.sampled_from([f"m{number}" for number in range(9)]),
    ),
    max_size=60,
)


def slow_newcomers(questions: list[Ask], second: float, level: float) -> float:
    wants: dict[str, int] = {}
    for ask in questions:
        wants[ask.member] = wants.get(ask.member, 0) + 1
    seen = {ask.member for ask in questions if ask.second < second}
    return sum(min(level, total) for member, total in wants.items() if member not in seen)


def slow_returning(questions: list[Ask], second: float, of: int, level: float) -> tuple[float, int]:
    wanted, members = 0.0, 0
    for member in {ask.member for ask in questions}:
        before = sum(ask.member == member and ask.second < second for ask in questions)
        after = sum(ask.member == member and ask.second >= second for ask in questions)
        if before and habit(before) == of:
            wanted, members = wanted + min(level, after), members + 1
    return wanted, members


@given(asks, st.integers(0, SLOTS), st.integers(0, HABITS - 1))
def test_a_table_holds_the_sums_at_every_edge(questions: list[Ask], edge: int, of: int) -> None:
    table = tabulate(TODAY, questions)
    widest = table.newcomers.shape[1] - 2
    for level in (0, 1, 2, widest):
        assert table.newcomers[edge, min(level, widest)] == slow_newcomers(questions, edge * SLOT, min(level, widest))
    assert table.newcomers[edge, -1] == slow_newcomers(questions, edge * SLOT, np.inf)
    wanted, members = slow_returning(questions, edge * SLOT, of, np.inf)
    assert table.returning[edge, of, -1] == wanted
    assert table.counted[edge, of] == members
    assert table.seen[edge] == len({ask.member for ask in questions if ask.second < edge * SLOT})


def test_whoever_asks_more_than_the_highest_level_counts_in_full_where_there_is_none() -> None:
    flood = [Ask(float(second), "red", "flooder") for second in range(LEVELS * 3)]
    table = tabulate(TODAY, flood)
    assert table.newcomers.shape[1] == COLUMNS
    assert table.newcomers[0, LEVELS] == LEVELS
    assert table.newcomers[0, -1] == LEVELS * 3


@given(asks, st.floats(0, DAY, exclude_max=True))
def test_between_two_edges_the_outlook_lies_between_theirs(questions: list[Ask], second: float) -> None:
    tables = [tabulate(TODAY - age, questions) for age in range(7, 0, -1)]
    outlook = History(tables, TODAY).outlook(second, seen=int(tables[0].seen[int(second // SLOT)]))
    # Seven like days and as many members seen as then: scaled by little, if at all.
    ends = sorted(tables[0].newcomers[int(second // SLOT) + step, -1] for step in (0, 1))
    assert ends[0] * 0.7 - 1e-6 <= outlook.newcomers[0, -1] <= ends[1] * 1.4 + 1e-6
    assert outlook.weights.sum() == pytest.approx(1)


@given(st.lists(asks, min_size=1, max_size=4), st.floats(0, DAY - 1), st.integers(0, 50))
def test_wants_grow_with_the_level_ever_more_slowly(days: list[list[Ask]], second: float, seen: int) -> None:
    tables = [tabulate(TODAY - age, questions) for age, questions in enumerate(reversed(days), 1)][::-1]
    outlook = History(tables, TODAY).outlook(second, seen)
    for table in (outlook.newcomers, outlook.returning):
        steps = np.diff(table[..., :-1])
        assert (steps >= -1e-6).all()
        assert (np.diff(steps) <= 1e-5).all()
        assert (table[..., -1] >= table[..., -2] - 1e-6).all()


@given(st.lists(asks, max_size=9), st.floats(0, DAY - 1), st.integers(0, 50), st.integers(1, LEVELS - 1))
def test_an_outlook_of_few_levels_says_the_very_same_of_them(
    days: list[list[Ask]], second: float, seen: int, reach: int
) -> None:
    tables = [tabulate(TODAY - age, questions) for age, questions in enumerate(reversed(days), 1)][::-1]
    whole, part = (History(tables, TODAY).outlook(second, seen, upto) for upto in (LEVELS - 1, reach))
    assert part.days == whole.days
    assert (part.weights == whole.weights).all()
    for short, long in ((part.newcomers, whole.newcomers), (part.returning, whole.returning)):
        # To the last bit: a verdict hangs on it, and a restart comes to the same one.
        assert (short[..., :-1] == long[..., : reach + 2]).all()
        assert (short[..., -1] == long[..., -1]).all()


def test_the_usual_weekday_counts_most_and_the_weekend_is_its_own_kind() -> None:
    tables = [tabulate(TODAY - age, [Ask(3600.0, "red", "ann")]) for age in range(14, 0, -1)]
    weights = dict(zip(range(TODAY - 14, TODAY), History(tables, TODAY).outlook(0.0, 0).weights, strict=True))
    weekday = (TODAY + 3) % 7
    like = [day for day in weights if ((day + 3) % 7 >= 5) == (weekday >= 5) and (day + 3) % 7 != weekday]
    unlike = [day for day in weights if ((day + 3) % 7 >= 5) != (weekday >= 5)]
    assert weights[TODAY - 7] > max(weights[day] for day in like)
    assert min(weights[day] for day in like) > max(weights[day] for day in unlike)


def test_empty_days_stay_among_the_days_and_old_ones_leave() -> None:
    tables = [tabulate(TODAY - age, ()) for age in range(DAYS + 5, 0, -1)]
    assert History(tables, TODAY).days == tuple(range(TODAY - DAYS, TODAY))
    outlook = History(tables, TODAY).outlook(DAY / 2, 3)
    assert not outlook.newcomers.any()
    assert not outlook.returning.any()


def test_at_midnight_a_first_question_speaks_for_members_nobody_has_seen_yet() -> None:
    day = [Ask(3600.0 * hour, "red", "ann") for hour in range(1, 6)]
    outlook = History([tabulate(TODAY - age, day) for age in range(28, 0, -1)], TODAY).outlook(0.0, 0)
    assert np.allclose(outlook.returning[:, :, -1], 4)


def test_a_thin_history_is_joined_by_an_invented_day_and_a_week_stands_alone() -> None:
    table = [tabulate(TODAY - age, [Ask(3600.0, "red", "ann")]) for age in range(7, 0, -1)]
    assert History([], TODAY).outlook(0.0, 0).days == (None,)
    thin = History(table[-3:], TODAY).outlook(0.0, 0)
    assert thin.days == (TODAY - 3, TODAY - 2, TODAY - 1, None)
    assert thin.weights[-1] == pytest.approx(2 / 5)
    assert None not in History(table, TODAY).outlook(0.0, 0).days


def test_a_community_has_the_days_of_everyone_and_leans_on_their_habits() -> None:
    everyone = [tabulate(TODAY - age, [Ask(60.0 * k, "red", "ann") for k in range(1, 9)]) for age in range(9, 0, -1)]
    red: list[DayTable] = everyone[::2]
    past = Past(TODAY, everyone, {"red": red})
    assert past.communities == ("red",)
    assert past.of("red").days == past.of("never seen").days == past.everyone.days
    stranger = past.of("never seen").outlook(0.0, 0)
    assert not stranger.newcomers.any()
    assert np.allclose(stranger.returning, past.everyone.outlook(0.0, 0).returning.mean(axis=0), atol=0.6)
