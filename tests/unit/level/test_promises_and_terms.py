"""Promises are kept, an estimate changes nothing, and what admins lay down holds at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import DAY, Instant
from bot.messages import CommunityId, Member
from bot.quota.day import ADMITTED, FairDay
from bot.quota.past import Past
from bot.quota.sharing import FairSharing
from bot.quota.terms import MemberTerms, Reserve, Terms
from tests.unit.level.days import BEGINS, MEMBERS, PASTS, TODAY, Question, at, levels, pasts, play, questions, step
from tests.unit.level.wrong import Hourly


@given(pasts, questions, st.integers(1, 30), st.integers(1, 2))
def test_promises_are_kept_and_never_more_than_is_left(past: Past, log: list[Question], rpd: int, units: int) -> None:
    assert broken_promise(FairDay(TODAY, rpd=rpd, past=past, promise_units=units), log) is None


def broken_promise(day: FairDay, log: Sequence[Question]) -> str | None:
    second = 0.0
    for question in log:
        second = min(second + question.gap, DAY - 10)
        standing = day.standing(question.member)
        sure = standing is not None and standing.promised > 0 and second + BEGINS < standing.promised_until
        admitted = step(day, question, second, promises=True)
        if sure and not admitted:
            return "a promised unit was refused"
        if day.promised > day.left_in_all():
            return "more is promised than is left"
    return None


def test_control_promises_without_a_look_at_what_is_left_are_broken() -> None:
    class Careless(FairDay):
        def promise(self, member: str, moment: Instant) -> int:
            with self._changing(self._standings[member]) as standing:
                standing.promised, standing.promised_until = 2, moment + 3600
            return 2

    log = [Question(20.0, member, False, False) for member in MEMBERS]
    careless = (Careless(TODAY, rpd=rpd, past=PASTS[0], promise_units=2) for rpd in range(5, 40))
    assert any(broken_promise(day, log) for day in careless)


def test_a_promise_runs_out_after_an_hour_and_goes_back_to_all() -> None:
    day = FairDay(TODAY, rpd=40, past=PASTS[0], promise_units=2)
    step(day, Question(0, "m1", False, False), 3600.0, promises=True)
    assert day.promised == 2
    left = day.left(at(3600.0))
    assert day.decide("m1", at(7199.0)).verdict == "promised"
    day.decide("m2", at(7200.0))
    assert (day.promised, day.left(at(7200.0))) == (0, left + 2)


def test_an_estimate_for_one_member_leaves_the_promises_to_others() -> None:
    """It looks at moments at which they will have run out."""
    day = FairDay(TODAY, rpd=20, past=PASTS[0], promise_units=1)
    step(day, Question(0.0, "web:ann", False, False), 9 * 3600)
    assert day.promise("web:ann", at(9 * 3600)) == 1
    sharing, ben, now = FairSharing(day), Member("web", "ben"), at(9 * 3600 + 60)
    before = day.decide("web:ann", now), day.decide(ben.key, now)
    sharing.room_at(ben, CommunityId("web"), now)
    assert day.promised == 1
    assert repr((day.decide("web:ann", now), day.decide(ben.key, now))) == repr(before)
    assert before[0].verdict == "promised"
    day.decide(ben.key, at(12 * 3600))
    assert day.promised == 0, "control: one who decides at that moment would have dropped it"


@settings(max_examples=20)  # each looks at the whole rest of its day
@given(pasts, questions, st.integers(3, 40))
def test_the_estimate_is_the_first_moment_with_room_and_looking_for_it_changes_nothing(
    past: Past, log: list[Question], rpd: int
) -> None:
    assert misjudged(FairSharing, past, log, rpd) == ""


def misjudged(sharing: type[FairSharing], past: Past, log: Sequence[Question], rpd: int) -> str:
    """What is wrong with the estimate for a member who comes after this log; empty: nothing."""
    looked, other = FairDay(TODAY, rpd=rpd, past=past), FairDay(TODAY, rpd=rpd, past=past)
    now = play(looked, log)
    play(other, log)
    member, community = Member("web", "ben"), CommunityId("web")
    for day in (looked, other):
        step(day, Question(0.0, member.key, False, False), now)
    room_at = sharing(looked).room_at(member, community, at(now))

    def admitted(moment: float) -> bool:
        return other.foreseen(member.key, Instant(moment), community) in ADMITTED

    if room_at is None:
        if admitted(at(DAY - 60)):
            return "there will be room"
    elif not admitted(room_at):
        return "there is no room"
    elif room_at != at(now) and admitted(max(at(now), room_at - 301)):
        return "there is room much earlier"
    if any(levels(looked, later) != levels(other, later) for later in np.linspace(now, DAY - 60, 7)):
        return "looking for it changed something"
    return ""


def test_control_looking_every_hour_is_late() -> None:
    log = [Question(1800.0, member, False, False) for member in MEMBERS]
    assert any("earlier" in misjudged(Hourly, PASTS[0], log, rpd) for rpd in range(10, 40, 3))


def test_a_grant_comes_on_top_and_is_taken_off_the_pool_at_once() -> None:
    day = FairDay(TODAY, rpd=8, past=PASTS[0])
    for number in range(8):
        step(day, Question(0, f"m{number}", False, False), 3600.0)
    left = day.left(at(3600.0))
    assert left >= 2
    one = next(member for member in MEMBERS if (standing := day.standing(member)) and standing.taken == 1)
    day.lay_down(Terms(members={one: MemberTerms(every_day=left)}))
    assert day.left(at(3600.0)) == 1  # the unit taken before is now out of the grant
    assert day.decide(one, at(3600.0)).verdict == "granted"
    assert day.decide("m2", at(3600.0)).verdict in ("above_level", "within_level")


def test_units_held_back_for_an_event_are_not_there_before_it_begins() -> None:
    event = Reserve(units=8, until=at(19 * 3600.0))
    day = FairDay(TODAY, rpd=12, past=PASTS[0], terms=Terms(reserves=(event,)))
    assert day.left(at(18 * 3600.0)) == 4
    assert day.left(at(19 * 3600.0)) == 12
    without = FairDay(TODAY, rpd=12, past=PASTS[0])
    assert levels(day, 12 * 3600.0) < levels(without, 12 * 3600.0)


@given(pasts, questions, st.integers(5, 40))
def test_half_the_weight_is_half_the_level(past: Past, log: list[Question], rpd: int) -> None:
    day = FairDay(TODAY, rpd=rpd, past=past)
    day.lay_down(Terms(members={"young": MemberTerms(weight=0.5)}))
    second = play(day, log)
    assert day.decide("young", at(second)).level == 0.5 * day.decide("somebody else", at(second)).level
