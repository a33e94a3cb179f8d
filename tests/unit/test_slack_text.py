"""Slack's text: what people wrote is read as they see it, what models write calls nobody, cuts keep every letter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack import pieces, plain_text
from adapters.slack.inbound import Spot, written
from adapters.slack.limits import Bucket, Window

READ = {
    "<@UBOT> hello": "hello",
    "hello <@UBOT|potluck>": "hello",
    "ask <@U2> or <@U3|cy>": "ask @U2 or @cy",
    "see <#C1|general>": "see #general",
    "see <https://a.example/?x=1&amp;y=2>": "see https://a.example/?x=1&y=2",
    "see <https://a.example|the page>": "see the page (https://a.example)",
    "see <https://a.example|a.example>": "see https://a.example",
    "<!here> and <!subteam^S1|@team>": "@here and @team",
    "1 &lt; 2 &amp;&amp; 3 &gt; 2": "1 < 2 && 3 > 2",
    "&amp;lt;": "&lt;",
}


@pytest.mark.parametrize("text", READ)
def test_what_a_person_wrote_is_read_as_they_see_it(text: str) -> None:
    assert plain_text.read(text, bot_user="UBOT") == READ[text]


@given(parts=st.lists(st.sampled_from(["<", "!", "@", "#", "channel>", "U1>", " ", "<!here>", "x", "\n", "&"])))
def test_nothing_a_model_writes_calls_anybody_however_it_is_cut_up(parts: list[str]) -> None:
    text = "".join(parts)
    shown = plain_text.defuse(text)
    assert not re.search(r"<[!@#]", shown)
    assert shown.replace("\u200b", "") == text.replace("\u200b", "")


@given(text=st.text())
def test_escaped_text_is_itself_again_when_read(text: str) -> None:
    escaped = plain_text.escape(text)
    assert "<" not in escaped
    assert plain_text.unescape(escaped) == text


_lines = st.sampled_from(
    ["words and words. " * 40, "```python", "```", "", "| a | b |", "x" * 300, "    code", "~~~", "- item", "`a` b"]
)
_texts = st.lists(_lines, min_size=20, max_size=120).map("\n".join)


@given(text=_texts, share=st.floats(0, 1))
def test_a_message_that_is_full_ends_behind_what_is_shown_and_fits(text: str, share: float) -> None:
    sent = len(pieces.showable(text, 0))
    sent = len(text[: int(sent * share)].rstrip().rstrip("`~").rstrip())
    cut = pieces.cut_when_full(text, sent)
    if cut is None:
        assert len(text) <= pieces.FULL or not text[pieces.FULL :].strip()
        return
    assert sent <= cut.upto <= len(text)
    assert len(text[: cut.upto]) + len(cut.closing) <= 12_000
    assert cut.upto > 0


@given(text=_texts, share=st.floats(0, 1), now=st.booleans())
def test_a_message_that_is_old_ends_behind_what_is_shown_with_its_code_closed(
    text: str, share: float, now: bool
) -> None:
    sent = len(text[: int(len(text) * share)].rstrip())
    cut = pieces.cut_in_time(text, sent, now=now)
    if cut is None:
        assert not now
        return
    assert sent <= cut.upto <= len(text)
    assert bool(cut.closing) == bool(cut.opening) == (pieces.fence_at(text[: cut.upto]) is not None)
    assert pieces.fence_at(text[: cut.upto] + cut.closing) is None


def test_of_events_only_what_a_person_wrote_is_read() -> None:
    event = {"type": "message", "user": "U1", "ts": "1.2", "channel": "C1", "text": "hi <@UBOT>"}

    def read(**more: object) -> bool:
        return written({**event, **more}, team="T1", bot_user="UBOT") is not None

    assert read()
    assert read(subtype="file_share")
    assert read(subtype="thread_broadcast")
    for other in (
        {"bot_id": "B1"},
        {"app_id": "A1"},
        {"hidden": True},
        {"subtype": "message_changed"},
        {"subtype": "bot_message"},
        {"user": "USLACKBOT"},
        {"user": "UBOT"},
        {"user": None},
        {"ts": None},
        {"channel": 7},
    ):
        assert not read(**other), other


@given(parts=st.lists(st.text(), max_size=4).map("/".join))
def test_only_our_own_conversations_are_threads(parts: str) -> None:
    spot = Spot.parse(f"slack:{parts}")
    assert spot is None or spot.conversation == f"slack:{parts}"
    assert Spot.parse(f"discord:{parts}") is None


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(steps=st.lists(st.floats(0, 30), min_size=1, max_size=200), most=st.integers(1, 20))
def test_no_minute_has_more_calls_than_slack_takes(steps: list[float], most: int) -> None:
    time = Time()
    window, taken = Window(most, time), []
    for step in steps:
        time.now += step
        if window.take():
            taken.append(time.now)
    for moment in taken:
        assert sum(moment - 60 < other <= moment for other in taken) <= most


def test_a_bucket_that_slack_paused_is_not_idle() -> None:
    time = Time()
    bucket = Bucket(3, 1.0, time)

    def idle() -> bool:
        return bucket.idle

    assert idle()
    bucket.pause(5)
    assert not idle()
    time.now = 6
    assert idle()
