"""What all communities want at once is what each one's own curve says, and water finds the one height that fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import DAY
from bot.quota.demand import HEAVY, Crowd, Standing
from bot.quota.history import Ask, DayTable, tabulate
from bot.quota.level import unbounded
from bot.quota.past import History
from bot.quota.wants import heights, wants

TODAY = 20_728


def history(seed: int, days: int, wider: History | None = None, mean: float = 25) -> History:
    rng = np.random.default_rng([seed, days])
    tables: list[DayTable] = []
    for age in range(days, 0, -1):
        count = rng.poisson(mean) * (age % 5 > 0)  # some days are empty
        who = np.minimum(rng.geometric(0.2, count), 30)
        tables.append(
            tabulate(
                TODAY - age, [Ask(float(s), "", f"m{m}") for s, m in zip(rng.random(count) * DAY, who, strict=True)]
            )
        )
    return History(tables, TODAY, wider=wider)


WIDE = {days: history(9, days, mean=120) for days in (0, 3, 28)}
NARROW = {days: [history(seed, days, WIDE[days], mean) for seed, mean in enumerate((25, 2, 0))] for days in WIDE}

standings = st.lists(
    st.builds(
        Standing,
        member=st.integers(0, 10_000).map(str),
        weight=st.sampled_from([0.5, 1.0]),
        asks=st.integers(1, HEAVY + 2),
        taken=st.integers(0, 4) | st.just(500),
        waiting=st.integers(0, 2),
        refused=st.booleans(),
    ),
    max_size=12,
)


@given(st.sampled_from(list(WIDE)), st.lists(standings, min_size=3, max_size=3), st.floats(0, DAY, exclude_max=True))
def test_what_all_want_at_once_is_what_each_community_wants_by_itself(
    days: int, members: list[list[Standing]], second: float
) -> None:
    crowds = [Crowd(TODAY) for _ in members]
    for crowd, standing in zip(crowds, members, strict=True):
        for one in standing:
            crowd.place(one)
    seen = np.array([float(len(standing)) for standing in members])
    together = wants(NARROW[days], np.stack([crowd.totals() for crowd in crowds]), seen, second)
    for at, (own, crowd) in enumerate(zip(NARROW[days], crowds, strict=True)):
        alone = unbounded(crowd, own.outlook(second, len(members[at])))
        assert together[:, at] == pytest.approx(alone, rel=1e-5, abs=1e-5)


rooms = st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10_000), st.floats(0.1, 10)), min_size=1, max_size=30)


@given(rooms, st.floats(0, 2e6))
def test_what_is_poured_out_is_what_there_is_or_all_that_is_wanted(
    of: list[tuple[float, int, float]], left: float
) -> None:
    wanted, taken, weights = (np.array(values, dtype=float) for values in zip(*of, strict=True))
    for factor in (1.0, 0.1):
        # Two days that differ: each has its own height.
        both = np.stack([wanted, wanted[::-1] * factor])
        water = heights(both, taken, weights, left)[:, np.newaxis] * weights - taken
        poured = np.clip(water, 0, both).sum(axis=1)
        assert poured == pytest.approx(np.minimum(left, both.sum(axis=1)), rel=1e-9, abs=1e-6)


def test_control_one_height_for_unlike_days_pours_out_the_wrong_amount() -> None:
    wanted = np.array([[10.0, 0.0], [10.0, 10.0]])
    water = heights(wanted, np.zeros(2), np.ones(2), 8.0)
    assert water == pytest.approx([8, 4])
    assert np.clip(np.full((2, 2), water[0]), 0, wanted).sum(axis=1)[1] != pytest.approx(8)
