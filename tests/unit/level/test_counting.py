"""What is sent, given back, failed and used elsewhere is counted once, and a refusal explains itself."""

from __future__ import annotations

import pytest

from bot.clock import DAY, day_start
from bot.quota.day import FairDay
from tests.unit.level.days import MEMBERS, PASTS, TODAY, Question, at, levels, play


def test_what_failures_cost_lowers_what_is_left_for_answers() -> None:
    calm, failing = (FairDay(TODAY, rpd=30, past=PASTS[0]) for _ in range(2))
    for day, answered in ((calm, True), (failing, False)):
        for _ in range(10):
            day.settle(answered=answered)
    assert (calm.cost, failing.cost) == (1.0, 1.5)
    assert levels(failing, 3600.0)[1] < levels(calm, 3600.0)[1]


def test_a_unit_that_was_never_sent_goes_back_to_the_pool_and_a_failed_one_only_to_the_member() -> None:
    day = FairDay(TODAY, rpd=10, past=PASTS[0])
    day.ask("m1", at(90.0))
    day.let_through("m1", at(90.0))
    day.give_back("m1", unsent=True)
    assert day.left_in_all() == 10
    day.let_through("m1", at(90.0))
    day.send()
    day.give_back("m1", unsent=False)
    assert day.left_in_all() == 9
    standing = day.standing("m1")
    assert standing is not None
    assert standing.taken == 0


def test_what_the_account_counts_on_top_is_gone_and_a_spent_pool_says_so() -> None:
    day = FairDay(TODAY, rpd=10, past=PASTS[0])
    day.ask("m1", at(90.0))
    day.recount(10)
    assert day.decide("m1", at(100.0)).verdict == "pool_spent"
    day.recount(-2)
    assert day.left_in_all() == 12


def test_a_refusal_explains_itself() -> None:
    day = FairDay(TODAY, rpd=20, past=PASTS[0])
    log = [Question(600.0, "m1", False, False)] * 20
    second = play(day, log)
    decision = day.decide("m1", at(second))
    assert decision.verdict == "above_level"
    assert decision.held_back_for_others == decision.left > 0
    assert decision.resets_at == day_start(TODAY + 1)
    assert decision.taken + 1 > decision.level
    assert len(decision.days) == 28
    assert sum(answer.weight for answer in decision.days) == pytest.approx(1)
    assert list(decision.days) == sorted(decision.days, key=lambda answer: answer.level)
    assert day.probably("m1", at(second)) == 0


def test_at_the_end_of_the_day_everything_left_may_be_taken() -> None:
    day = FairDay(TODAY, rpd=30, past=PASTS[0])
    play(day, [Question(600.0, member, False, False) for member in MEMBERS])
    assert levels(day, DAY - 20)[1] > 15
