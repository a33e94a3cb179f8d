"""Any bytes at all, through everything that reads OpenRouter's: one ending, the same in any cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.openrouter.stream import EventReader
from tests.fakes.openrouter_shapes import SHAPES
from tests.fuzz.properties import check_answer, check_documents, check_error, check_stream, cut

NOW = Instant(1_790_000_000.0)
STREAMS = [b"".join(shape.events(NOW)) for shape in SHAPES if shape.stream is not None]
BODIES = [shape.written(NOW) for shape in SHAPES if shape.stream is None]


@st.composite
def spoilt(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Something real, cut out of, spliced into another and with foreign bytes in it."""
    first, second = draw(st.sampled_from(whole)), draw(st.sampled_from(whole))
    start, end = draw(st.integers(0, len(first))), draw(st.integers(0, len(second)))
    between = draw(
        st.binary(max_size=8) | st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\n", b"data: ", b"\xef\xbb\xbf"])
    )
    return first[:start] + between + second[end:]


places = st.lists(st.integers(0, 10_000), max_size=6)


@given(st.binary(max_size=300) | spoilt(STREAMS), places)
def test_any_stream_ends_in_one_way_and_the_same_in_any_cut(data: bytes, where: list[int]) -> None:
    check_stream(data, where)


@given(
    st.integers(200, 599),
    st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset", "content-type"]), st.text(max_size=40)),
    st.binary(max_size=300) | spoilt(BODIES),
)
def test_any_answer_is_one_failure_that_can_be_kept(status: int, headers: dict[str, str], body: bytes) -> None:
    check_answer(status, headers, body)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "message", "metadata", "headers", "availability", "retry_after", "raw"]),
            inner,
        )
    ),
)


@given(documents)
def test_any_error_object_is_one_failure(error: object) -> None:
    check_error(error)


@given(st.binary(max_size=300) | spoilt(BODIES))
def test_any_document_is_read_or_refused(body: bytes) -> None:
    check_documents(body)


class _Forgetful(EventReader):
    """Without the rule that a carriage return and the line feed after it are one line end."""

    def feed(self, piece: bytes):  # type: ignore[no-untyped-def]  # the control changes nothing but this
        self._after_cr = False
        return super().feed(piece)


def test_control_a_reader_that_forgets_a_carriage_return_hears_another_thing() -> None:
    stream = b"data: a\r\ndata: b\r\n\r\n"

    def heard(reader: EventReader, pieces: list[bytes]) -> list[bytes | None]:
        return [event for piece in pieces for event in reader.feed(piece)]

    pieces = cut(stream, [8])
    assert heard(EventReader(), pieces) == heard(EventReader(), [stream])
    with pytest.raises(AssertionError):
        assert heard(_Forgetful(), pieces) == heard(EventReader(), [stream])
