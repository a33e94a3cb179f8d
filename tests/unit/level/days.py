"""Days drawn at random, with a past of random days, driven through a log as the service would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_start
from bot.quota.day import FairDay
from bot.quota.demand import Standing
from bot.quota.history import Ask, DayTable, tabulate
from bot.quota.level import HOLDING, Caution
from bot.quota.past import Past
from bot.quota.rooms import Rooms

TODAY = 20_500
BEGINS = day_start(TODAY)
MEMBERS = [f"m{number}" for number in range(14)]
EVEN = 1e-9


def at(second: float) -> Instant:
    return Instant(BEGINS + second)


def past_days(seed: int, days: int = 28, mean: float = 30) -> Past:
    """Random days: the same seed, the same days."""
    rng = np.random.default_rng(seed)
    tables = []
    for age in range(days, 0, -1):
        count = rng.poisson(mean * rng.lognormal(-0.1, 0.5))
        who = np.minimum(rng.geometric(0.12, count), 40)
        asks = [
            Ask(float(second), f"c{m % 3}", f"m{m}") for second, m in zip(rng.random(count) * DAY, who, strict=True)
        ]
        tables.append(tabulate(TODAY - age, asks))
    return Past(TODAY, tables, {})


def four_communities(seed: int = 7) -> Past:
    rng = np.random.default_rng(seed)
    by_name: dict[str, list[DayTable]] = {f"c{number}": [] for number in range(4)}
    everyone = []
    for age in range(28, 0, -1):
        asks = [
            Ask(float(rng.random() * DAY), f"c{who % 4}", f"c{who % 4} {who}")
            for who in rng.integers(0, 60, rng.poisson(120))
        ]
        everyone.append(tabulate(TODAY - age, asks))
        for name, tables in by_name.items():
            tables.append(tabulate(TODAY - age, [ask for ask in asks if ask.community == name]))
    return Past(TODAY, everyone, by_name)


FOUR = four_communities()
PASTS = {seed: past_days(seed) for seed in range(4)} | {9: past_days(9, days=3)}
pasts = st.sampled_from(list(PASTS.values()))


@dataclass(frozen=True)
class Question:
    """One event of a made log."""

    gap: float
    member: str
    holds: bool
    same_again: bool
    """Not a new question: what was refused is asked once more."""


questions = st.lists(
    st.builds(Question, st.floats(0, 6_000), st.sampled_from(MEMBERS), st.booleans(), st.booleans()),
    min_size=1,
    max_size=50,
)


def play(day: FairDay, log: Sequence[Question], *, promises: bool = False) -> float:
    """Drive a day through a log as the service would; returns the second it ends at."""
    second = 0.0
    for question in log:
        second = min(second + question.gap, DAY - 10)
        step(day, question, second, promises=promises)
    return second


def step(day: FairDay, question: Question, second: float, *, promises: bool = False) -> bool:
    member, standing = question.member, day.standing(question.member)
    if standing is None or not (standing.refused and question.same_again):
        day.ask(member, at(second))
    admitted = day.decide(member, at(second)).admitted
    standing = day.standing(member)
    assert standing is not None
    if admitted:
        day.let_through(member, at(second))
        day.send()
        day.settle(answered=True)
        if promises:
            day.promise(member, at(second))
    elif question.holds and standing.waiting < 2:
        day.hold(member)
    else:
        day.refuse(member)
    return admitted


def levels(day: FairDay, second: float) -> tuple[float, ...]:
    """First unit, more units, and the probable number's level."""
    newcomer = Standing(member="somebody else")
    levels = day._levels(newcomer, at(second), "")
    return levels.first, levels.more, levels.soft


def shared_by_four(
    log: Sequence[Question], rpd: int, rooms: type[Rooms] = Rooms, caution: Caution = HOLDING
) -> tuple[FairDay, float]:
    """A day of four communities after a log, and the second it ends at."""
    day = FairDay(TODAY, rpd=rpd, past=FOUR, between_communities=True)
    day._rooms = rooms(FOUR, caution=caution, between_communities=True)
    for number, member in enumerate(MEMBERS):
        day.meet(member, f"c{number % 4}")
    return day, play(day, log)
