"""A day's questions, all in its last minutes: who asks when, by seed, and that it has been so for four weeks.

Most members are there from the beginning, a few come at the last moment. Most want little and some very much, together
about twice what there is: whoever lets those go first who ask first gives much to few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bot.clock import DAY
from bot.quota.history import Ask

COMMUNITY = "web"
_WANTED, _SPREAD = 5.0, 1.5
"""Questions of a member's, on average, and the standard deviation of the logarithm of how many."""
_FIRST, _LAST = 0.1, 0.97
"""By which part of the time those who are there from the beginning have asked for the first time; and all for the
last."""
_LATE, _LATECOMERS = (0.86, 0.96), 0.025
"""When the latecomers come, and which part of the members they are: those for whom the level keeps a few units."""


class Asked(NamedTuple):
    """One question of the play."""

    second: float
    """Since it began."""
    member: int
    number: int
    """Of the member's, from 0."""

    @property
    def name(self) -> str:
        """No other question's."""
        return f"{user(self.member)}.{self.number}"


def user(member: int) -> str:
    return f"m{member}"


def traffic(*, members: int, seconds: float, seed: int, day: int = 0) -> list[Asked]:
    """All questions in order of time."""
    rng = np.random.default_rng([seed, day])
    more = rng.poisson((_WANTED - 1) * rng.lognormal(-(_SPREAD**2) / 2, _SPREAD, members))
    asked = []
    for member, further in enumerate(more):
        came = rng.uniform(*_LATE) if member < _LATECOMERS * members else rng.uniform(0, _FIRST)
        moments = np.sort(np.append(rng.uniform(came, _LAST, int(further)), came)) * seconds
        asked += [Asked(float(moment), member, number) for number, moment in enumerate(moments)]
    return sorted(asked)


def wanted(asked: Iterable[Asked]) -> Counter[str]:
    """Questions by member, as the ledger names them."""
    return Counter(f"web:{user(one.member)}" for one in asked)


def before(
    day: int, days: int, *, members: int, seconds: float, seed: int, until_midnight: float
) -> dict[int, list[Ask]]:
    """The same traffic on each of the days before one, at the same time of day."""
    begins = DAY - until_midnight
    return {
        past: as_asks(traffic(members=members, seconds=seconds, seed=seed, day=past), begins)
        for past in range(day - days, day)
    }


def as_asks(asked: Sequence[Asked], begins: float) -> list[Ask]:
    """As questions of a day, where the play begins at that second of it."""
    return [Ask(begins + one.second, COMMUNITY, f"web:{user(one.member)}") for one in asked]
