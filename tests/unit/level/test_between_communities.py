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
from tests.unit.level.wrong import SUDDEN, Aside, Last, OneEach, Parted


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
    assert poured_amiss(Rooms, log, rpd, weight) == ""


def poured_amiss(make: type[Rooms], log: Sequence[Question], rpd: int, weight: float) -> str:
    """What is wrong with how communities share what is left; empty: nothing."""
    rooms = make(FOUR, caution=Caution(), between_communities=True)
    rooms.weigh({"c1": weight})
    for number, question in enumerate(log):
        room = rooms.of(f"c{number % 4}")
        room.crowd.place(Standing(member=question.member, asks=1, taken=number % 3))
        room.taken += number % 3
    own = [rooms.of(f"c{number}") for number in range(4)]
    shares, sure = zip(*(rooms._shares(room, 30_000.0, float(rpd)) for room in own), strict=True)
    wants = [room.wants(30_000.0) for room in own]
    if not np.allclose(sum(shares), np.minimum(sum(wants), rpd), atol=1e-3):
        return "not all that is left, or more"
    part = rpd / sum(room.weight for room in own)
    for room, share, least, wanted in zip(own, shares, sure, wants, strict=True):
        if (least > share + EVEN).any():
            return "more is sure than there is"
        if (least < np.clip(part * room.weight - room.taken, 0, wanted) - 1e-3).any():
            return "its part is not sure, whatever the others want on any day"
    return ""


def test_controls_fixed_parts_are_not_all_and_what_others_leave_is_less_than_a_part() -> None:
    log = asked_by_all(1)[:4]
    assert "not all" in poured_amiss(Parted, log, 30, 1.0)
    assert "not sure" in poured_amiss(Last, log, 30, 1.0)


def asked_by_all(times: int) -> list[Question]:
    return [Question(600.0, member, False, False) for _ in range(times) for member in MEMBERS]


def levels_of(day: FairDay, member: str, second: float) -> tuple[float, float]:
    levels = day._levels(Standing(member=member), at(second), "")
    return levels.first, levels.more


@settings(max_examples=40)
@given(questions, st.integers(5, 120), st.integers(0, 20), st.sampled_from(MEMBERS))
def test_neither_more_left_lowers_a_community_nor_another_s_use_raises_it(
    log: list[Question], rpd: int, more: int, other: str
) -> None:
    assert moved_amiss(shared_by_four(log, rpd), rpd + more, other) == ""


def moved_amiss(played: tuple[FairDay, float], rpd: int, other: str) -> str:
    """How levels move as they never may when the account allows `rpd`, and then `other` takes a unit."""
    day, second = played

    def standings(who: Sequence[str]) -> list[float]:
        return [level for member in who for level in levels_of(day, member, second)]

    before = standings(MEMBERS)
    day.recount(0, rpd)
    if any(after < level - EVEN for after, level in zip(standings(MEMBERS), before, strict=True)):
        return "more left lowered one"
    standing = day.standing(other)
    if standing is None or not standing.asks or not day.left(at(second)):
        return ""
    if standing.waiting:
        day.release(other)
    elsewhere = [member for member in MEMBERS if day._room_of[member] is not day._room_of[other]]
    before = standings(elsewhere)
    day.let_through(other, at(second))
    if any(after > level + EVEN for after, level in zip(standings(elsewhere), before, strict=True)):
        return "another's use raised one"
    return ""


def test_controls_sudden_caution_is_lowered_by_more_left_and_stepping_aside_raises_the_others() -> None:
    log = asked_by_all(1)

    sudden = (moved_amiss(shared_by_four(log, rpd, caution=SUDDEN), rpd + 3, "m0") for rpd in range(95, 112, 3))
    assert any("more left" in amiss for amiss in sudden)
    assert "use" in moved_amiss(shared_by_four(log, 5, Aside), 5, "m0")


@settings(max_examples=40)
@given(questions, st.integers(5, 120))
def test_between_communities_nobody_waits_for_a_first_unit_while_others_go_on(log: list[Question], rpd: int) -> None:
    assert not kept_waiting(*shared_by_four(log, rpd))


def kept_waiting(day: FairDay, second: float) -> bool:
    """Somebody may not have a first unit where others go on to their next."""
    standings = (levels_of(day, member, second) for member in MEMBERS)
    return any(first < min(more, 1) - EVEN for first, more in standings)


def test_control_generous_to_those_who_go_on_keeps_somebody_waiting() -> None:
    backwards = Caution(first=0.05, more=0.99, scarce=0.99)
    assert kept_waiting(*shared_by_four(asked_by_all(1), 20, caution=backwards))


@settings(max_examples=40)
@given(questions)
def test_between_communities_nobody_is_refused_where_all_demand_fits(log: list[Question]) -> None:
    day, _ = shared_by_four(log, 100_000)
    assert day.sent == len(log)


def test_control_one_unit_each_refuses_although_all_demand_fits() -> None:
    log = asked_by_all(2)
    day, _ = shared_by_four(log, 100_000, OneEach)
    assert day.sent < len(log)


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
