"""What must hold for any bytes of OpenRouter's, whoever makes them up: hypothesis, or atheris by coverage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

from bot.chat_model import ModelEnd, ModelEvent, ModelText
from bot.clock import Instant
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId
from bot.openrouter import loose, wire
from bot.openrouter.errors import DETAIL_MAX, Failures
from bot.openrouter.retry_at import FARTHEST
from bot.openrouter.stream import NAME_MAX, AnswerDecoder, EventReader

NOW = Instant(1_790_000_000.0)
SECRET = "sk-or-v1-0123456789abcdef"


class StoppedClock:
    def now(self) -> Instant:
        return NOW

    def monotonic(self) -> float:
        return 0.0


FAILURES = Failures(clock=StoppedClock(), secret=SECRET)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places, each taken modulo the length."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


def heard(pieces: Iterable[bytes]) -> list[Any]:
    """What a decoder says of a stream, as values that compare: its events, then how it ended."""
    decoder = AnswerDecoder(failures=FAILURES, model=ModelId("acme/asked"))
    said: list[Any] = []
    try:
        said.extend(_read(decoder, pieces))
        said.append(decoder.end())
    except UpstreamFailure as failure:
        check_failure(failure)
        said.append((failure.kind, failure.status, failure.retry_at, failure.limit, failure.route, failure.detail))
    return said


def _read(decoder: AnswerDecoder, pieces: Iterable[bytes]) -> Iterator[ModelEvent]:
    for piece in pieces:
        yield from decoder.feed(piece)
        if decoder.done:
            return
    yield from decoder.close()


def events(pieces: Iterable[bytes]) -> list[bytes | None]:
    """The events of a stream; the one it broke off in too."""
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.close())


def check_stream(data: bytes, places: Iterable[int]) -> None:
    """Any bytes end in one way, the same in any cut, and what is shown of them can be written."""
    said = heard([data])
    assert isinstance(said[-1], ModelEnd | tuple)
    assert not any(isinstance(event, ModelEnd) for event in said[:-1])
    texts = [event for event in said[:-1] if isinstance(event, ModelText)]
    if isinstance(said[-1], ModelEnd):
        assert "".join(event.text for event in texts).strip()
        assert len(said[-1].model) <= NAME_MAX
        assert len(f"{said[-1].usage.cost_usd:f}") < 100
    for event in texts:
        assert event.text
        (event.text + event.model).encode()
    pieces = cut(data, places)
    assert heard(pieces) == said
    assert events(pieces) == events([data])


def check_failure(failure: UpstreamFailure) -> None:
    """It can be logged, stored and acted on, whatever it was made of."""
    assert failure.retry_at is None or NOW <= failure.retry_at <= NOW + FARTHEST
    assert failure.limit is None or 0 < failure.limit <= loose.COUNT_MAX
    assert failure.status is None or 0 <= failure.status <= loose.COUNT_MAX
    assert (failure.route is None) is (failure.kind is not FailureKind.NO_ENDPOINTS)
    assert len(failure.detail) <= DETAIL_MAX
    assert SECRET not in failure.detail
    failure.detail.encode()


def check_answer(status: int, headers: Mapping[str, str], body: bytes) -> None:
    check_failure(FAILURES.of_answer(status, headers, body))


def check_error(error: object) -> None:
    check_failure(FAILURES.in_stream(error))


def check_documents(body: bytes) -> None:
    """What `/key`, `/credits`, `/generation` and `/models` answer is read, or refused in one way."""
    for read in (wire.key_info, wire.balance, wire.generation, wire.model_list):
        with suppress(loose.Unreadable):
            read(loose.parse(body))
