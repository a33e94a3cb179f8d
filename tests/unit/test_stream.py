"""An answer means the same however its bytes are cut, and it is whole or a failure with a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.chat_model import ModelEnd, ModelEvent, ModelText, ModelThinking
from bot.clock import Instant
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId, Usage
from bot.openrouter import stream
from bot.openrouter.errors import Failures
from bot.openrouter.stream import AnswerDecoder, EventReader
from tests.fakes.upstream import ANSWER, DONE, USAGE, delta, event

ASKED = ModelId("acme/asked")


class StoppedClock:
    def now(self) -> Instant:
        return Instant(1_790_000_000.0)

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Heard:
    """Everything a stream said."""

    events: list[ModelEvent] = field(default_factory=list)
    failure: FailureKind | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, ModelText))

    @property
    def end(self) -> ModelEnd:
        assert isinstance(self.events[-1], ModelEnd), self.failure
        return self.events[-1]


def hear(pieces: Iterable[bytes], **named: Any) -> Heard:
    decoder = AnswerDecoder(failures=Failures(clock=StoppedClock(), secret="sk-or-v1-key"), model=ASKED, **named)
    heard = Heard()
    try:
        for piece in pieces:
            heard.events.extend(decoder.feed(piece))
            if decoder.done:
                break
        else:
            heard.events.extend(decoder.close())
        heard.events.append(decoder.end())
    except UpstreamFailure as failure:
        heard.failure = failure.kind
    return heard


def chunks(*documents: Any) -> bytes:
    return b"".join(event(document) for document in documents)


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return (data[start:end] for start, end in pairwise(edges))


# --- whole answers ---------------------------------------------------------------------------------------


def test_an_answer_is_its_text_then_one_end() -> None:
    heard = hear([ANSWER])
    assert heard.text == "Hello you"
    usage = Usage(prompt_tokens=7, completion_tokens=2, reasoning_tokens=1)
    assert heard.end == ModelEnd(model=ModelId("acme/small:free"), generation="gen-1", usage=usage)


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        pytest.param(event(delta("a", finish="stop")), "a", id="finish reason, no [DONE]"),
        pytest.param(event(delta("a")) + DONE, "a", id="[DONE], no finish reason"),
        pytest.param(event(delta("a")) + b"data: [DONE]", "a", id="[DONE] without a line end"),
        pytest.param(event(delta("a", finish="stop"))[:-2], "a", id="last chunk without a line end"),
        pytest.param(event(delta("a", finish="length")) + DONE, "a", id="length with text"),
        pytest.param(event(delta("a", finish="stop")) + DONE + b"data: {junk\n\n", "a", id="junk after [DONE]"),
        pytest.param(event(delta("a")) + DONE + DONE + event(delta("b")), "a", id="two [DONE]"),
        pytest.param(b"\xef\xbb\xbf" + event(delta("a")) + DONE, "a", id="byte order mark"),
        pytest.param(event(delta("a")).replace(b"\n", b"\r\n") + DONE, "a", id="CRLF"),
        pytest.param(event(delta("a")).replace(b"\n", b"\r") + DONE, "a", id="CR"),
        pytest.param(event(delta("a")).replace(b"data: ", b"data:") + DONE, "a", id="no space"),
        pytest.param(event(delta("a")).replace(b', "', b',\ndata: "') + DONE, "a", id="data in many lines"),
        pytest.param(b"event: x\nid: 7\nretry: 1\nfoo\n" + event(delta("a")) + DONE, "a", id="other fields"),
        pytest.param(b":\n: OPENROUTER PROCESSING\n\n" + event(delta("a")) + DONE, "a", id="comments"),
        pytest.param(b"data\n\ndata: \n\n" + event(delta("a")) + DONE, "a", id="empty data"),
        pytest.param(chunks({}, {"choices": None}, {"choices": []}, delta("a")) + DONE, "a", id="no choices"),
        pytest.param(chunks({"choices": [None]}, {"choices": {}}, delta("a")) + DONE, "a", id="odd choices"),
        pytest.param(chunks({"choices": [{"delta": None}]}, delta("a")) + DONE, "a", id="no delta"),
        pytest.param(chunks(delta("a", error=None)) + DONE, "a", id="error null"),
        pytest.param(chunks({"choices": [{"delta": {"refusal": "No."}}]}) + DONE, "No.", id="refusal in words"),
        pytest.param(
            chunks({"choices": [{"delta": {"content": [{"type": "text", "text": "a"}, {"type": "image"}, 3]}}]}) + DONE,
            "a",
            id="content in parts",
        ),
        pytest.param(chunks(delta("\n "), delta(" "), delta("a")) + DONE, "\n  a", id="leading white space"),
        pytest.param(b'data: {"choices":[{"delta":{"content":"a\xff"}}]}\n\n' + DONE, "a\ufffd", id="torn UTF-8"),
        pytest.param(chunks(delta("a\ud800b")) + DONE, "a\ufffdb", id="lone surrogate"),
        pytest.param(chunks(delta("a\ud83c"), delta("\udf72b")) + DONE, "a\U0001f372b", id="character in halves"),
        pytest.param(chunks(delta(" \ud83c"), delta("\udf72")) + DONE, " \U0001f372", id="in halves, at first"),
        pytest.param(chunks(delta("a\ud83c"), delta(finish="stop")) + DONE, "a\ufffd", id="half a character"),
    ],
)
def test_odd_but_whole(stream: bytes, text: str) -> None:
    heard = hear([stream])
    assert heard.failure is None
    assert heard.text == text
    assert heard.end
    heard.text.encode()
    assert all(item.text for item in heard.events if isinstance(item, ModelText))


def test_comments_and_reasoning_are_life() -> None:
    reasoning = [{"reasoning": "hm", "content": ""}, {"reasoning_details": [{"type": "reasoning.encrypted"}]}]
    stream = b": x\n\n" + chunks(*({"choices": [{"delta": delta}]} for delta in reasoning), delta("a")) + DONE
    assert [type(item) for item in hear([stream]).events] == [ModelThinking] * 3 + [ModelText, ModelEnd]


def test_begun_is_text_or_reasoning_and_no_comment() -> None:
    decoder = AnswerDecoder(failures=Failures(clock=StoppedClock(), secret=""), model=ASKED)
    assert list(decoder.feed(b": OPENROUTER PROCESSING\n\n" + event(delta("  ")))) == [ModelThinking()]
    before = decoder.begun
    list(decoder.feed(chunks({"choices": [{"delta": {"reasoning": "hm"}}]})))
    assert (before, decoder.begun, decoder.finished) == (False, True, False)


def test_the_model_that_answers_is_the_one_the_chunks_name() -> None:
    heard = hear([chunks(delta("a"), delta("b", model="acme/other"), {"model": 7}) + DONE])
    assert [item.model for item in heard.events if isinstance(item, ModelText)] == ["acme/small:free", "acme/other"]
    assert heard.end.model == "acme/other"
    assert hear([event({"choices": [{"delta": {"content": "a"}}]}) + DONE]).end.model == ASKED


def test_the_header_names_the_generation_before_a_chunk_does() -> None:
    assert hear([ANSWER], generation="gen-header").end.generation == "gen-header"
    assert hear([event(delta("a", id=None)) + DONE]).end.generation == ""
    assert hear([event(delta("a", id="g" * 5000)) + DONE]).end.generation == "g" * stream.NAME_MAX


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "cost": 0.0076509169}, Usage(prompt_tokens=3, cost_usd=Decimal("0.0076509169"))),
        ({}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": "12", "cost": -1}, Usage(completion_tokens=12)),
        ({"prompt_tokens": 1e300, "cost": "0.1"}, Usage(prompt_tokens=10**9, cost_usd=Decimal("0.1"))),
        ({"prompt_tokens": True, "completion_tokens": [], "completion_tokens_details": 3, "cost": {}}, Usage()),
        ({"cost": 1e300}, Usage(cost_usd=Decimal(10**6))),
        ({"cost": "1e-999999"}, Usage(cost_usd=Decimal("1e-12"))),
        ({"cost": "NaN", "prompt_tokens": "Infinity"}, Usage()),
    ],
)
def test_usage_is_clamped_to_what_makes_sense(usage: dict[str, Any], expected: Usage) -> None:
    assert hear([chunks(delta("a", finish="stop"), delta(finish="stop", usage=usage)) + DONE]).end.usage == expected


def test_the_usage_chunk_of_2025_has_no_finish_reason() -> None:
    heard = hear([chunks(delta("a", finish="stop"), delta(finish=None, usage=USAGE)) + DONE])
    assert heard.end.usage.prompt_tokens == 7


# --- answers that are not whole --------------------------------------------------------------------------

THOUGHT = {"choices": [{"delta": {"content": "", "reasoning": "hm"}, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        pytest.param(b"", FailureKind.CUT_OFF, id="nothing"),
        pytest.param(event(delta("a")), FailureKind.CUT_OFF, id="no finish reason, no [DONE]"),
        pytest.param(event(delta("a")) + event(delta("b"))[:30], FailureKind.CUT_OFF, id="inside a chunk"),
        pytest.param(event(delta("a")) + b"data: [DON", FailureKind.CUT_OFF, id="inside [DONE]"),
        pytest.param(b": OPENROUTER PROC", FailureKind.CUT_OFF, id="inside a comment"),
        pytest.param(DONE, FailureKind.EMPTY_ANSWER, id="only [DONE]"),
        pytest.param(event(delta(finish="stop")) + DONE, FailureKind.EMPTY_ANSWER, id="no text"),
        pytest.param(event(delta(" \n", finish="stop")) + DONE, FailureKind.EMPTY_ANSWER, id="white space"),
        pytest.param(event(delta("\ud800", finish="stop")) + DONE, FailureKind.EMPTY_ANSWER, id="half a character"),
        pytest.param(event(delta(finish="tool_calls")) + DONE, FailureKind.EMPTY_ANSWER, id="a tool nobody offered"),
        pytest.param(event(delta(finish="length")) + DONE, FailureKind.LENGTH, id="length without text"),
        pytest.param(chunks(THOUGHT, delta(finish="length")) + DONE, FailureKind.REASONING_ONLY, id="reasoning"),
        pytest.param(
            chunks(delta("a"), delta(finish="content_filter")), FailureKind.CONTENT_FILTER, id="content filter"
        ),
        pytest.param(chunks(delta("a"), delta(finish="error")), FailureKind.ERROR_IN_STREAM, id="finish error"),
        pytest.param(
            chunks({"choices": [{"delta": {}, "finish_reason": "stop", "native_finish_reason": "network_error"}]}),
            FailureKind.ERROR_IN_STREAM,
            id="native finish reason",
        ),
        pytest.param(b"data: {junk\n\n" + DONE, FailureKind.ERROR_IN_STREAM, id="no JSON"),
        pytest.param(b"data: [1]\n\n" + DONE, FailureKind.ERROR_IN_STREAM, id="no object"),
        pytest.param(b"data: " + b"[" * 90_000 + b"\n\n", FailureKind.ERROR_IN_STREAM, id="nested too deep"),
        pytest.param(b"data: " + b"9" * 9_000 + b"\n\n", FailureKind.ERROR_IN_STREAM, id="a number too long"),
        pytest.param(
            event({"error": {"code": 502, "message": "gone"}}), FailureKind.PROVIDER_DOWN, id="an error as first event"
        ),
        pytest.param(
            chunks(delta("a", error={"code": 429, "message": "Rate limit exceeded"})),
            FailureKind.UPSTREAM_MODEL,
            id="an error beside choices",
        ),
        pytest.param(
            chunks({"choices": [{"delta": {}, "error": {"code": 502}, "finish_reason": "error"}]}),
            FailureKind.PROVIDER_DOWN,
            id="an error inside choices",
        ),
        pytest.param(event({"error": "boom"}), FailureKind.ERROR_IN_STREAM, id="an error that is a string"),
        pytest.param(event({"error": {}}), FailureKind.ERROR_IN_STREAM, id="an error that says nothing"),
        pytest.param(
            chunks(THOUGHT | {"choices": [{"delta": {"reasoning": "x"}, "finish_reason": "length"}]})
            + chunks(delta(error={"code": 400, "message": "Token limit reached"}))
            + DONE,
            FailureKind.LENGTH,
            id="an error after the finish reason",
        ),
    ],
)
def test_not_whole(stream: bytes, kind: FailureKind) -> None:
    heard = hear([stream])
    assert heard.failure is kind
    assert not any(isinstance(item, ModelEnd) for item in heard.events)


def test_text_that_came_before_an_error_is_kept() -> None:
    assert hear([chunks(delta("a"), delta("b", error={"code": 502}))]).text == "ab"


# --- bounds ----------------------------------------------------------------------------------------------


def test_more_text_than_an_answer_may_have_is_endless() -> None:
    part = event(delta("x" * 1000))
    assert hear([part] * 400 + [DONE]).failure is None
    assert hear([part] * 401 + [DONE]).failure is FailureKind.ENDLESS


def test_more_bytes_than_an_answer_may_have_are_endless() -> None:
    comments = b": " + b"x" * (2**20 - 4) + b"\n\n"
    assert hear([comments] * 31 + [ANSWER]).failure is None
    heard = hear([comments] * 40)
    assert heard.failure is FailureKind.ENDLESS
    assert len(heard.events) < 33


@pytest.mark.parametrize("line", [b"x", b"data: x", b":", b"data: x\ndata: "])
def test_a_line_or_event_without_end_is_endless(line: bytes) -> None:
    reader = EventReader()
    pieces = [line * 1024] * (2**21 // (len(line) * 1024) + 2)
    with pytest.raises(UpstreamFailure) as failed:
        list(chain.from_iterable(map(reader.feed, pieces)))
    assert failed.value.kind is FailureKind.ENDLESS


def test_white_space_before_the_first_letter_is_kept_within_bounds() -> None:
    heard = hear([event(delta(" " * 900)) * 50 + event(delta("a")) + DONE])
    assert heard.text == " " * stream.HELD_MAX + "a"


# --- any cut ---------------------------------------------------------------------------------------------

MIXED = (
    b"\xef\xbb\xbf: OPENROUTER PROCESSING\r\n\r\n"
    + 'data: {"choices":[{"delta":{"content":"gr\u00fc\u00df \U0001f372 \u2028"}}]}\n\n'.encode()
    + event(delta("more")).replace(b"\n", b"\r\n")
    + event(delta("and more")).replace(b"\n", b"\r")
    + event(delta("lines")).replace(b', "', b',\r\ndata: "')
    + ANSWER
)


@given(places=st.lists(st.integers(0, len(MIXED))))
@example(places=list(range(len(MIXED))))
def test_any_cut_of_a_stream_says_the_same(places: list[int]) -> None:
    assert hear(cut(MIXED, places)) == hear([MIXED])


def test_control_a_reader_that_splits_each_piece_does_not() -> None:
    def naive(pieces: Iterable[bytes]) -> list[Any]:
        lines = [line for piece in pieces for line in piece.split(b"\n\n") if line.startswith(b"data: {")]
        return [json.loads(line[6:]) for line in lines]

    stream = event(delta("a"))
    assert naive([stream])
    with pytest.raises(ValueError, match="Expecting"):
        naive(cut(stream, [20]))


SCRAPS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"data: ", b"data:", b"\n", b"\r\n", b"\r", b":", b"\n\n", b"[DONE]", b"\xef\xbb\xbf", b"{", b"}"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=5,
    ).flatmap(
        lambda value: st.sampled_from(
            [
                event(value),
                *(event({field: value}) for field in ("choices", "error", "usage", "model", "id")),
                *(event({"choices": [{field: value}]}) for field in ("delta", "error", "finish_reason")),
                *(event({"choices": [{"delta": {field: value}}]}) for field in ("content", "reasoning", "refusal")),
                *(event({"error": {field: value}}) for field in ("code", "message", "metadata", "availability")),
                *(event({"error": {"code": 429, "metadata": {field: value}}}) for field in ("headers", "raw")),
            ]
        )
    ),
)


@given(scraps=st.lists(SCRAPS, max_size=12), places=st.lists(st.integers(0, 400), max_size=8))
def test_no_bytes_raise_anything_but_an_upstream_failure(scraps: list[bytes], places: list[int]) -> None:
    data = b"".join(scraps)
    heard = hear(cut(data, places))
    assert heard == hear([data])
    assert (heard.failure is None) == any(isinstance(item, ModelEnd) for item in heard.events)
    heard.text.encode()
