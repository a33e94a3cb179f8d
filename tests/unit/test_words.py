"""Every event and error has words, whole ones, and they hold together."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rendering import failures, reasons, words
from adapters.rendering.files import FAULTS
from adapters.rendering.why import Why, why
from bot.clock import DAY, Instant
from bot.errors import (
    AnswerCode,
    AttachmentFault,
    ErrorCode,
    FailureKind,
    FailureReason,
    NoRoute,
    NotAllowed,
    PaidOffer,
    RefusalCode,
)
from bot.messages import DayLooked, Explanation, Lane, ModelId, NoticeKind, Verdict
from bot.telemetry import operators

CODES: tuple[ErrorCode, ...] = (*get_args(RefusalCode), *get_args(AnswerCode), "stopped", "internal")
NOON = Instant(1_790_000_000.0 // DAY * DAY + DAY / 2)
VIENNA = timezone(timedelta(hours=2), "CEST")
SHUT = ("bad_key", "out_of_credit", "no_free_models", "cost_seen", "guard", "admin")
"""Why a pool can be shut (`bot.ports.PoolView.shut_for`)."""
JARGON = re.compile(r"\b(upstream|ledger|lease|ticket|ratelimit|rpd|rpm|http|tokens?|null|none|error|invalid)\b", re.I)


CODED = re.compile(r"\b[45]\d\d\b|\bHTTP|\bJSON|https?:|\bsk-|_id\b|\buser_|\borg_")
"""Provider talk, and what could identify an account. Variables' names are the operator's own words."""


def short(text: str) -> bool:
    """No sentence longer than one can take in."""
    return all(len(sentence) <= 200 for sentence in re.split(r"(?<=[.:]) ", text))


def bounded(text: str) -> bool:
    """Short, and nothing of what OpenRouter itself would have said."""
    return short(text) and not CODED.search(text)


def whole(text: str) -> bool:
    """Sentences: a capital first, a full stop last, nothing unfilled, no doubled or stray space."""
    return bool(re.fullmatch(r"[A-Z0-9](?!.*  )[^{}<>]*[.]", text)) and text == text.strip()


def test_the_closed_sets_are_covered() -> None:
    assert len(CODES) == len(set(CODES)) == 21
    assert set(failures.ERRORS) == set(CODES)
    assert set(words.NOTICES) == set(get_args(NoticeKind))
    assert set(reasons.NOT_ALLOWED) == set(get_args(NotAllowed))
    assert set(reasons.REASONS) == set(get_args(FailureReason))
    assert set(FAULTS) == set(get_args(AttachmentFault))
    assert set(failures.SHUT) == set(operators._SHUT) == set(SHUT)
    assert set(operators._KINDS) == set(FailureKind)
    assert set(operators._ROUTES) == set(get_args(NoRoute))


@pytest.mark.parametrize("code", CODES)
def test_an_error_reads_as_sentences(code: ErrorCode) -> None:
    for again, limit, partial, may_hold in product(
        (None, "tomorrow at 00:00 UTC"), (None, 1, 131_072), (False, True), (False, True)
    ):
        said = words.explain(code, again=again, limit=limit, partial=partial, may_hold=may_hold)
        assert whole(said.headline), said
        assert whole(str(said)), said
        assert not JARGON.search(str(said)), said
        assert code not in str(said) or code == "stopped"
        assert len(str(said)) < 330, said


@pytest.mark.parametrize("reason", get_args(FailureReason))
def test_a_reason_says_what_its_code_cannot(reason: FailureReason) -> None:
    for code, partial in product(get_args(AnswerCode), (False, True)):
        said = words.explain(code, reason=reason, partial=partial)
        assert whole(said.headline), said
        assert whole(str(said)), said
        assert said.headline != words.explain(code).headline, "or it need not be there"
        assert bounded(str(said)), said
        assert not JARGON.search(str(said)), said
        assert len(said.detail) > 20, "there is always something to do"
    assert "at 18:05" in str(words.explain("upstream_busy", reason=reason, again="at 18:05"))


def test_each_reason_is_told_apart() -> None:
    said = [words.explain("upstream_failed", reason=reason).headline for reason in get_args(FailureReason)]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("why", get_args(NotAllowed))
def test_a_model_that_may_not_be_had_says_why(why: NotAllowed) -> None:
    said = words.explain("model_not_allowed", why_not=why)
    assert whole(said.headline), said
    assert whole(str(said)), said
    assert said.headline != words.explain("model_not_allowed").headline
    assert bounded(str(said)), said
    assert not JARGON.search(str(said)), said


@pytest.mark.parametrize("fault", get_args(AttachmentFault))
def test_a_file_that_cannot_be_used_says_why_and_what_would_do(fault: AttachmentFault) -> None:
    for name, limit in (("", 5), ("cat.png", 5 * 2**20), ("{0} {file} {x}", 36_000_000)):
        said = words.explain("attachment_refused", file_fault=fault, file_name=name, limit=limit)
        plain = str(said).replace(name, "x") if name else str(said)
        assert whole(plain[:1].replace("“", "X") + plain[1:]), said
        assert bounded(plain), said
        assert not JARGON.search(plain), said
        assert "Nothing was taken from your share." in str(said)
        assert "None" not in str(said)
    large = words.explain("attachment_refused", file_fault="too_large", file_name="a.png", limit=5 * 2**20)
    assert large.headline == "“a.png” is too large: a file may have 5 MB."


def test_an_offer_names_the_model_and_the_most_it_costs() -> None:
    offer = PaidOffer(model=ModelId("maker/model"), most=Decimal("0.0512"))
    said = str(words.explain("pool_spent", again="tomorrow at 00:00 UTC", limit=50, offer=offer))
    assert said.endswith("Or ask maker/model at once: it costs $0.06 at most.")
    assert whole(said)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("0", "$0.00"),
        ("0.0512", "$0.06"),
        ("12.5", "$12.50"),
        ("0.0012341", "$0.0013"),
        ("0.000000001", "$0.0000000010"),
    ],
)
def test_a_sum_is_never_rounded_down(amount: str, said: str) -> None:
    assert words.dollars(Decimal(amount)) == said


@pytest.mark.parametrize("reason", SHUT)
def test_a_shut_pool_says_why_to_members_and_to_the_operator(reason: str) -> None:
    said = words.explain("pool_paused", shut_for=reason)
    assert said.headline == words.pool_state(reason, None)
    assert words.explain("line_full", shut_for=reason) == words.explain("line_full"), "the control"
    for text in (str(said), words.pool_state(reason, "at 18:05")):
        assert whole(text), text
        assert bounded(text), text
        assert not JARGON.search(text), text
    assert bounded(operators.shut(reason))


def test_an_open_pool_says_nothing_and_a_break_says_when_it_ends() -> None:
    assert words.pool_state(None, None) == ""
    assert words.pool_state(None, "at 18:05") == "The pool takes a break and goes on at 18:05."
    assert words.pool_state("something new", None) == "The pool is shut."


@pytest.mark.parametrize("kind", FailureKind)
def test_the_operator_gets_one_sentence_for_every_failure(kind: FailureKind) -> None:
    said = operators.for_operator(kind)
    assert re.fullmatch(r"[A-Z][^.]*[.]", re.sub(r"\.(?=\w)", "", said)), "one sentence"
    assert bounded(said), said
    assert "_" not in kind.value or kind.value not in said


@pytest.mark.parametrize("route", get_args(NoRoute))
def test_the_operator_is_told_what_keeps_a_question_from_being_routed(route: NoRoute) -> None:
    said = operators.for_operator(FailureKind.NO_ENDPOINTS, route)
    assert bounded(said), said
    assert route != "data_policy" or "turn on free model training and publication" in said


@pytest.mark.parametrize("code", [code for code in CODES if code != "stopped"])
def test_an_error_says_what_can_be_done(code: ErrorCode) -> None:
    assert words.explain(code).detail


@pytest.mark.parametrize("code", CODES)
def test_when_it_works_again_is_said_where_it_is_known(code: ErrorCode) -> None:
    assert "at 18:05" in str(words.explain(code, again="at 18:05"))


def test_a_refusal_says_that_nothing_was_taken() -> None:
    assert "Nothing was taken" in str(words.explain("line_full"))
    assert "Nothing was taken" in str(words.explain("upstream_failed"))
    assert "Nothing was taken" not in str(words.explain("upstream_failed", partial=True))
    assert "Nothing was taken" not in str(words.explain("moderated"))


def test_a_share_that_may_wait_says_so() -> None:
    assert "wait" in str(words.explain("daily_share_spent", may_hold=True))
    assert "wait" not in str(words.explain("daily_share_spent"))


@pytest.mark.parametrize("kind", get_args(NoticeKind))
def test_a_notice_reads_as_a_sentence(kind: NoticeKind) -> None:
    assert all(whole(words.notice(kind, count)) for count in (0, 1, 2, 1000))


def test_a_notice_counts() -> None:
    assert "1 message from" in words.notice("history_shortened", 1)
    assert "12 messages from" in words.notice("history_shortened", 12)


def test_lanes_have_words() -> None:
    assert {words.lane(lane) for lane in get_args(Lane)} == {"free", "paid", "your own key"}


def test_the_line() -> None:
    assert words.queued(1, None) == "You are next in line."
    assert words.queued(3, 41) == "You are number 3 in line: about 45 seconds."
    assert words.queued(1, 0.4) == "You are next in line: a few seconds."


def test_a_held_question() -> None:
    assert "at 18:05 at the earliest" in words.held("at 18:05")
    assert "earliest" not in words.held(None)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((3, 50.0, 47), "3 of today's 50 used · 47 left"),
        ((0, 1000.0, 1000), "0 of today's 1,000 used · 1,000 left"),
        ((3, 4.7, 1), "3 of today's 4 used · 1 left"),
        ((5, 4.2, 0), "5 used today · none left for now"),
        ((0, 0.6, 0), "nothing used yet · none left for now, more may come later"),
        ((0, 0.0, 0), "nothing used yet · none left for now, more may come later"),
        ((0, 0.6, 1), "nothing used yet · 1 left"),
        ((1, 6.0, 5, 2, "15:40"), "1 of today's 6 used · 5 left · 2 kept for you until 15:40"),
    ],
)
def test_a_share(numbers: tuple[int, float, int], said: str) -> None:
    assert words.share(*numbers) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a moment"),
        (1, "1 second"),
        (19.2, "20 seconds"),
        (41, "45 seconds"),
        (55, "55 seconds"),
        (60, "1 minute"),
        (75, "1 minute"),
        (90, "2 minutes"),
        (3599, "1 hour"),
        (3600, "1 hour"),
        (5 * 3600 + 60, "5 hours"),
        (3 * DAY, "3 days"),
    ],
)
def test_a_duration(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@given(st.floats(min_value=0, max_value=1e8), st.floats(min_value=0, max_value=1e8))
def test_longer_never_reads_shorter(one: float, other: float) -> None:
    units = {"moment": 0.5, "second": 1, "minute": 60, "hour": 3600, "day": DAY}

    def seconds(text: str) -> float:
        count, _, unit = text.partition(" ")
        return float(count.replace("a", "1").replace(",", "")) * units[unit.removesuffix("s")]

    short, long = sorted((one, other))
    assert seconds(words.duration(short)) <= seconds(words.duration(long))


def test_a_moment() -> None:
    assert words.at(Instant(NOON + 3600), NOON) == "at 13:00 UTC"
    assert words.at(Instant(NOON + DAY / 2), NOON) == "tomorrow at 00:00 UTC"
    assert words.at(Instant(NOON + 3 * DAY), NOON) == "on 24 September at 12:00 UTC"
    assert words.at(Instant(NOON + DAY / 2), NOON, VIENNA) == "tomorrow at 02:00"


def test_a_moment_is_never_named_too_early() -> None:
    assert words.at(Instant(NOON + 31), NOON) == "at 12:01 UTC"


NUMBERS = st.integers(min_value=0, max_value=2000)
DAY_LOOKED = st.builds(
    DayLooked,
    began=st.just(Instant(NOON - DAY)),
    weight=st.floats(min_value=0.01, max_value=1),
    level=st.floats(min_value=0, max_value=50) | st.just(float("inf")),
)
EXPLANATIONS = st.builds(
    Explanation,
    verdict=st.sampled_from(get_args(Verdict)),
    level=st.floats(min_value=0, max_value=2000) | st.just(float("inf")),
    taken=NUMBERS,
    left=NUMBERS,
    held_back_for_others=NUMBERS,
    probably=NUMBERS,
    resets_at=st.just(Instant(NOON + DAY / 2)),
    room_at=st.none() | st.just(Instant(NOON + 3600)),
    may_hold=st.booleans(),
    days=st.lists(DAY_LOOKED, max_size=28).map(tuple),
)


def _why(explanation: Explanation | None) -> Why:
    return why(explanation, resets_at=Instant(NOON + DAY / 2), at=lambda moment: words.at(moment, NOON))


@given(EXPLANATIONS | st.none())
def test_why_reads_as_sentences_without_jargon(explanation: Explanation | None) -> None:
    said = _why(explanation)
    for text in (said.headline, *(point.said for point in said.points)):
        assert whole(text), text
        assert short(text), text
        assert not JARGON.search(text), text
    assert "tomorrow at 00:00 UTC" in said.points[-1].said, "when it resets is always said"


@given(EXPLANATIONS)
def test_why_says_what_waiting_would_do_to_those_who_are_refused(explanation: Explanation) -> None:
    waiting = [point.said for point in _why(explanation).points if point.about == "Waiting"]
    assert bool(waiting) == (not explanation.admitted)
    if waiting and explanation.verdict != "pool_spent":
        assert ("at 13:00" in waiting[0]) == (explanation.room_at is not None)
        assert ("let a question wait" in waiting[0] or "you let wait" in waiting[0]) == explanation.may_hold


def test_why_in_full() -> None:
    explanation = Explanation(
        verdict="above_level",
        level=4.0,
        taken=4,
        left=12,
        held_back_for_others=12,
        probably=2,
        resets_at=Instant(NOON + DAY / 2),
        room_at=Instant(NOON + 3600),
        may_hold=True,
        days=tuple(DayLooked(began=Instant(NOON - k * DAY), weight=1.0, level=3.0 + (k > 9)) for k in range(1, 13)),
    )
    said = _why(explanation)
    assert said.headline == "Not now: what is left is kept for others who usually come later today."
    assert [point.said for point in said.points] == [
        "You have taken 4 today. As things stand you may have 4; it grows when others leave theirs unused. "
        "You will probably get 2 more today; that is likely, not promised.",
        "12 requests are left for everyone. All of them are kept for others, most of whom usually come later.",
        "It looked at the last 12 days: if today goes on like most of them, each may have about 3.",
        "If nobody takes anything meanwhile, there is room for you at 13:00 UTC. A question you let wait is answered "
        "as soon as there is, and costs nothing before.",
        "Everyone starts afresh tomorrow at 00:00 UTC.",
    ]
