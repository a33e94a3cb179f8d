"""What must always hold of the day's level, on days drawn at random; each rule with a control that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_start
from bot.messages import CommunityId, Member
from bot.quota.day import ADMITTED, FairDay
from bot.quota.demand import HEAVY, LOTS, Crowd, Standing, lot
from bot.quota.history import Ask, DayTable, History, Outlook, Past, habit, tabulate
from bot.quota.level import HOLDING, PLAIN, Caution, Forecast, curves, spending
from bot.quota.rooms import Rooms
from bot.quota.sharing import FairSharing
from bot.quota.terms import MemberTerms, Reserve, Terms

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


# --- the curve and the level on it ------------------------------------------------------------------------


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
    day = FairDay(TODAY, rpd=rpd, past=past)
    day.lay_down(Terms(members=dict.fromkeys(MEMBERS[::3], MemberTerms(weight=weight))))
    second = play(day, log) // 20 * 20
    decision = day.decide(log[-1].member, at(second))
    outlook = past.everyone.outlook(second, len({question.member for question in log}))
    by_day = dict(zip(outlook.days, range(len(outlook.days)), strict=True))
    for answer in decision.days:
        row = by_day[answer.day]
        if np.isinf(answer.level):
            continue
        # A member of weight 2 takes two units between whole levels: their slope is straightened there.
        margin = 1 / LOTS if weight <= 1 else 1.0
        below = slow_curve(day, outlook, row, max(0.0, answer.level - margin))
        above = slow_curve(day, outlook, row, answer.level + margin)
        assert below - 1e-6 <= decision.left
        assert decision.left <= above + 1e-6


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


# --- the rules that always hold ---------------------------------------------------------------------------


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


@given(pasts, questions, st.integers(1, 60), st.integers(1, 30))
def test_more_left_never_lowers_the_level(past: Past, log: list[Question], rpd: int, more: int) -> None:
    day = FairDay(TODAY, rpd=rpd, past=past)
    second = play(day, log)
    before = levels(day, second)
    day.recount(0, rpd + more)
    assert all(after >= level - EVEN for after, level in zip(levels(day, second), before, strict=True))


@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 4), st.floats(0.01, 1)), min_size=1, max_size=8))
def test_caution_that_suits_the_level_rises_with_it_and_stays_between_its_two(drawn: list[tuple[float, ...]]) -> None:
    levels, rises, weights = (np.array(one) for one in zip(*drawn, strict=True))
    days = Outlook(
        days=(None,) * len(drawn),
        weights=weights / weights.sum(),
        newcomers=np.zeros((len(drawn), 2)),
        returning=np.zeros((len(drawn), 3, 2)),
    )
    before, after = Forecast.of(days, levels), Forecast.of(days, levels + rises)
    sure = Forecast.of(days, levels / 2)
    assert HOLDING.next_units(before, before) <= HOLDING.next_units(after, after) + EVEN
    assert HOLDING.next_units(before, sure) <= HOLDING.next_units(before, before) + EVEN
    assert sure.level(HOLDING.scarce) - EVEN <= HOLDING.next_units(before, sure) <= before.level(HOLDING.more) + EVEN
    assert PLAIN.next_units(before, sure) == before.level(PLAIN.more)


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
    day = FairDay(TODAY, rpd=rpd, past=past)
    second = play(day, log)
    standing = day.standing(other)
    if standing is None or not day.left(at(second)):
        return
    before = levels(day, second)
    if standing.waiting:
        day.release(other)
    day.let_through(other, at(second))
    assert all(after <= level + EVEN for after, level in zip(levels(day, second), before, strict=True))


@given(pasts, questions, st.integers(5, 60))
def test_time_alone_does_not_lower_the_level(past: Past, log: list[Question], rpd: int) -> None:
    day = FairDay(TODAY, rpd=rpd, past=past)
    second = play(day, log)
    reached = levels(day, second)
    for later in np.arange(second, DAY - 3, 1200.0):
        now = levels(day, float(later))
        assert all(after >= level - 0.05 for after, level in zip(now, reached, strict=True)), (later, reached, now)


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


# --- promises, grants, reserves ---------------------------------------------------------------------------


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
    looked, other = FairDay(TODAY, rpd=rpd, past=past), FairDay(TODAY, rpd=rpd, past=past)
    now = play(looked, log)
    play(other, log)
    member, community = Member("web", "ben"), CommunityId("web")
    for day in (looked, other):
        step(day, Question(0.0, member.key, False, False), now)
    room_at = FairSharing(looked).room_at(member, community, at(now))

    def admitted(moment: float) -> bool:
        return other.foreseen(member.key, Instant(moment), community) in ADMITTED

    if room_at is None:
        assert not admitted(at(DAY - 60))
    else:
        assert admitted(room_at)
        assert room_at == at(now) or not admitted(max(at(now), room_at - 301)), "and not much earlier"
    for later in np.linspace(now, DAY - 60, 7):
        assert levels(looked, later) == levels(other, later)


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


# --- accounts ---------------------------------------------------------------------------------------------


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


# --- between communities ----------------------------------------------------------------------------------


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


def shared_by_four(log: Sequence[Question], rpd: int, caution: Caution = HOLDING) -> tuple[FairDay, float]:
    day = FairDay(TODAY, rpd=rpd, past=FOUR, between_communities=True, caution=caution)
    for number, member in enumerate(MEMBERS):
        day.meet(member, f"c{number % 4}")
    return day, play(day, log)


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
    assert np.isinf(spending(of, np.full(28, 1e9))).all()


def test_a_history_of_nothing_is_met_with_an_invented_day() -> None:
    day = FairDay(TODAY, rpd=50, past=Past(TODAY, [], {}))
    day.ask("m1", at(90.0))
    decision = day.decide("m1", at(9 * 3600.0))
    assert [answer.day for answer in decision.days] == [None]
    assert decision.admitted
    assert History([], TODAY).days == ()
