"""The rules of the level where communities share a pool before their members do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quota.day import FairDay
from bot.quota.demand import Standing
from bot.quota.level import HOLDING, Caution
from bot.quota.rooms import Rooms
from tests.unit.level.days import EVEN, FOUR, MEMBERS, TODAY, Question, at, questions, shared_by_four


def test_many_accounts_take_from_their_own_community_only() -> None:
    def taken(accounts: int, *, between: bool) -> int:
        day = FairDay(TODAY, rpd=16, past=FOUR, between_communities=between)
        for number in range(200):
            member, moment = f"red {number % accounts}", at(30_000.0 + number * 60)
            day.ask(member, moment, "c1")
            if day.decide(member, moment).admitted:
                day.let_through(member, moment)
                day.send()
            else:
                day.refuse(member)
        return day.sent

    assert taken(20, between=True) <= 16 / 4 + 1
    assert taken(20, between=False) > 2 * 16 / 4, "control: one level for all"


@given(questions, st.integers(5, 60), st.floats(0.5, 3))
def test_communities_share_all_that_is_left_and_no_more(log: list[Question], rpd: int, weight: float) -> None:
    rooms = Rooms(FOUR, caution=Caution(), between_communities=True)
    rooms.weigh({"c1": weight})
    for number, question in enumerate(log):
        room = rooms.of(f"c{number % 4}")
        room.crowd.place(Standing(member=question.member, asks=1, taken=number % 3))
        room.taken += number % 3
    own = [rooms.of(f"c{number}") for number in range(4)]
    shares, sure = zip(*(rooms._shares(room, 30_000.0, float(rpd)) for room in own), strict=True)
    wants = [room.wants(30_000.0) for room in own]
    assert np.allclose(sum(shares), np.minimum(sum(wants), rpd), atol=1e-3)
    part = rpd / sum(room.weight for room in own)
    for room, share, least, wanted in zip(own, shares, sure, wants, strict=True):
        assert (least <= share + EVEN).all()
        # Whatever the others want on any day, its part of what is left is sure.
        assert (least >= np.clip(part * room.weight - room.taken, 0, wanted) - 1e-3).all()


def levels_of(day: FairDay, member: str, second: float) -> tuple[float, float]:
    levels = day._levels(Standing(member=member), at(second), "")
    return levels.first, levels.more


@settings(max_examples=40)
@given(questions, st.integers(5, 120), st.integers(0, 20), st.sampled_from(MEMBERS))
def test_neither_more_left_lowers_a_community_nor_another_s_use_raises_it(
    log: list[Question], rpd: int, more: int, other: str
) -> None:
    day, second = shared_by_four(log, rpd)

    def standings(who: Sequence[str]) -> list[float]:
        return [level for member in who for level in levels_of(day, member, second)]

    before = standings(MEMBERS)
    day.recount(0, rpd + more)
    assert all(after >= level - EVEN for after, level in zip(standings(MEMBERS), before, strict=True))
    standing = day.standing(other)
    if standing is None or not standing.asks or not day.left(at(second)):
        return
    if standing.waiting:
        day.release(other)
    elsewhere = [member for member in MEMBERS if day._room_of[member] is not day._room_of[other]]
    before = standings(elsewhere)
    day.let_through(other, at(second))
    assert all(after <= level + EVEN for after, level in zip(standings(elsewhere), before, strict=True))


@settings(max_examples=40)
@given(questions, st.integers(5, 120))
def test_between_communities_nobody_waits_for_a_first_unit_while_others_go_on(log: list[Question], rpd: int) -> None:
    day, second = shared_by_four(log, rpd)
    for member in MEMBERS:
        first, more = levels_of(day, member, second)
        assert first >= min(more, 1) - EVEN


@settings(max_examples=40)
@given(questions)
def test_between_communities_nobody_is_refused_where_all_demand_fits(log: list[Question]) -> None:
    day, _ = shared_by_four(log, 100_000)
    assert day.sent == len(log)


def test_what_others_may_need_on_any_day_is_kept_for_them_control_on_most_days() -> None:
    """Beyond its own part, one community gets early only what the others leave on every day looked at."""

    def taken(caution: Caution) -> int:
        day = FairDay(TODAY, rpd=60, past=FOUR, between_communities=True, caution=caution)
        for number in range(200):
            member, moment = f"red {number % 20}", at(10_000.0 + number * 60)
            day.ask(member, moment, "c1")
            if day.decide(member, moment).admitted:
                day.let_through(member, moment)
                day.send()
            else:
                day.refuse(member)
        return day.sent

    assert taken(HOLDING) < taken(replace(HOLDING, scarce=HOLDING.more))
