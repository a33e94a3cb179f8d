"""Every event and error has words, whole ones, and they hold together."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rendering import words
from bot.clock import DAY, Instant
from bot.errors import AnswerCode, ErrorCode, RefusalCode
from bot.messages import Lane, NoticeKind

CODES: tuple[ErrorCode, ...] = (*get_args(RefusalCode), *get_args(AnswerCode), "stopped", "internal")
NOON = Instant(1_790_000_000.0 // DAY * DAY + DAY / 2)
VIENNA = timezone(timedelta(hours=2), "CEST")
JARGON = re.compile(r"\b(upstream|ledger|lease|ticket|ratelimit|rpd|rpm|http|tokens?|null|none|error|invalid)\b", re.I)


def whole(text: str) -> bool:
    """Sentences: a capital first, a full stop last, nothing unfilled, no doubled or stray space."""
    return bool(re.fullmatch(r"[A-Z0-9](?!.*  )[^{}<>]*[.]", text)) and text == text.strip()


def test_the_closed_sets_are_covered() -> None:
    assert len(CODES) == len(set(CODES)) == 20
    assert set(words._ERRORS) == set(CODES)
    assert set(words._NOTICES) == set(get_args(NoticeKind))


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
    assert "probably at 18:05" in words.held("at 18:05")
    assert "probably" not in words.held(None)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((3, 50.0, 47), "3 of today's 50 used · 47 left"),
        ((0, 1000.0, 1000), "0 of today's 1,000 used · 1,000 left"),
        ((3, 4.7, 1), "3 of today's 4 used · 1 left"),
        ((5, 4.2, 0), "5 used today · none left for now"),
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
