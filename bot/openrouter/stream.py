"""An answer as it streams: bytes to server-sent events, events to `ModelEvent`s. No I/O, no clock.

Both halves take what comes in any cut and of any content: the only exception is `UpstreamFailure`, and what
they keep is bounded. How a stream may end is decided here and nowhere else: an answer is whole when visible
text came and then a finish reason or `[DONE]`; everything else is a failure with a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.chat_model import ModelEnd, ModelText, ModelThinking
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId, Usage
from bot.openrouter import loose, wire
from bot.openrouter.errors import Failures

LINE_MAX = 1024 * 1024
LINES_MAX = 500_000
"""Of a whole stream, two an event: five minutes of eight hundred events a second. Each takes time to be read."""
STREAM_MAX = 32 * 1024 * 1024
TEXT_MAX = 400_000
"""Characters of visible text; what the largest models write at once is a third of it."""
HELD_MAX = 1000
"""Characters of white space kept from before the first letter."""
NAME_MAX = 200
"""Characters kept of a model's or a generation's name."""

_BOM = b"\xef\xbb\xbf"
_DONE = b"[DONE]"


class EventReader:
    """Server-sent events out of bytes, however they are cut.

    Yields each event's data, and None for a comment: OpenRouter's sign that it is still at work.
    Fields other than `data` are of no use here and are skipped.
    """

    def __init__(self) -> None:
        self._total = 0
        self._count = 0
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._first = True
        self._after_cr = False

    def feed(self, piece: bytes) -> Iterator[bytes | None]:
        """The events that end in this piece.

        Raises:
            UpstreamFailure: ENDLESS, a line, an event or the whole is longer than it may be.
        """
        room = STREAM_MAX - self._total
        self._total += len(piece)
        yield from self._lines(piece[:room])
        if len(piece) > room:
            raise UpstreamFailure(FailureKind.ENDLESS, detail="more bytes than an answer may have")

    def close(self) -> Iterator[bytes | None]:
        """What the stream broke off in, as if its last line and event were whole."""
        yield from self._lines(b"\n\n")

    def _lines(self, piece: bytes) -> Iterator[bytes | None]:
        if not piece:
            return
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        # bytes.splitlines knows exactly the three line ends of the event stream format.
        for line in piece.splitlines(keepends=True):
            self._line += line
            if len(self._line) > LINE_MAX:
                raise UpstreamFailure(FailureKind.ENDLESS, detail="a line without end")
            if line[-1] not in b"\r\n":
                return
            self._count += 1
            if self._count > LINES_MAX:
                raise UpstreamFailure(FailureKind.ENDLESS, detail="more lines than an answer may have")
            whole = bytes(self._line).rstrip(b"\r\n")
            self._line.clear()
            if self._first:
                self._first = False
                whole = whole.removeprefix(_BOM)
            yield from self._whole_line(whole)

    def _whole_line(self, line: bytes) -> Iterator[bytes | None]:
        if not line:
            if self._data:
                data = b"\n".join(self._data)
                self._data, self._size = [], 0
                yield data
        elif line.startswith(b":"):
            yield None
        elif line == b"data" or line.startswith(b"data:"):
            self._size += len(line)
            if self._size > LINE_MAX:
                raise UpstreamFailure(FailureKind.ENDLESS, detail="an event without end")
            self._data.append(line[5:].removeprefix(b" "))


class AnswerDecoder:
    """Model events out of the bytes of one stream."""

    def __init__(self, *, failures: Failures, model: ModelId, generation: str = "") -> None:
        self._failures = failures
        self._reader = EventReader()
        self._model = model
        self._generation = loose.encodable(generation[:NAME_MAX])
        self._usage: Usage | None = None
        self._length = 0
        self._held = ""
        self._reasoned = False
        self._shown = False
        self._finish = ""
        self.done = False
        """`[DONE]` came: nothing after it counts."""

    @property
    def generation(self) -> str:
        """OpenRouter's id of the answer; empty: it has named none so far."""
        return self._generation

    @property
    def usage(self) -> Usage | None:
        """What OpenRouter said the answer cost; None: it has not said so far."""
        return self._usage

    @property
    def begun(self) -> bool:
        """The model has written: text or reasoning."""
        return self._shown or self._reasoned

    @property
    def finished(self) -> bool:
        """The model has said that it is done, though OpenRouter may not have closed the stream yet."""
        return self.done or bool(self._finish)

    def feed(self, piece: bytes) -> Iterator[ModelText | ModelThinking]:
        """What the events say that end in this piece.

        Raises:
            UpstreamFailure: there will be no whole answer, or it cannot be understood.
        """
        for data in self._reader.feed(piece):
            yield from self._event(data)
            if self.done:
                return

    def close(self) -> Iterator[ModelText | ModelThinking]:
        """What the event says that the stream broke off in, where it says anything. `end` tells how it ended."""
        for data in self._reader.close():
            if _is_whole(data):
                yield from self._event(data)

    def end(self) -> ModelEnd:
        """The end of the stream.

        Raises:
            UpstreamFailure: the answer is not whole.
        """
        if not self.finished:
            raise self._failures.of(FailureKind.CUT_OFF)
        if not self._shown:
            if self._reasoned:
                raise self._failures.of(FailureKind.REASONING_ONLY)
            empty = FailureKind.LENGTH if self._finish == "length" else FailureKind.EMPTY_ANSWER
            raise self._failures.of(empty)
        return ModelEnd(model=self._model, generation=self._generation, usage=self._usage or Usage())

    def _event(self, data: bytes | None) -> Iterator[ModelText | ModelThinking]:
        if data is None or not data.strip():
            yield ModelThinking()
        elif data.strip() == _DONE:
            self.done = True
        else:
            try:
                chunk = loose.parse(data)
            except loose.Unreadable:
                raise self._failures.of(FailureKind.ERROR_IN_STREAM, detail="a chunk that is no JSON") from None
            if not isinstance(chunk, dict):
                raise self._failures.of(FailureKind.ERROR_IN_STREAM, detail="a chunk that is no object")
            yield from self._chunk(chunk)

    def _chunk(self, chunk: Mapping[str, object]) -> Iterator[ModelText | ModelThinking]:
        self._model = ModelId(self._name(chunk.get("model"))) or self._model
        self._generation = self._generation or self._name(chunk.get("id"))
        if isinstance(chunk.get("usage"), dict):
            self._usage = wire.usage(chunk["usage"])
        choice = loose.first(chunk.get("choices"))
        delta = loose.mapping(choice.get("delta"))
        if loose.text(delta.get("reasoning")) or delta.get("reasoning_details"):
            self._reasoned = True
            yield ModelThinking()
        if text := loose.text(delta.get("content")) or loose.text(delta.get("refusal")):
            yield from self._text(text)
        for error in (chunk.get("error"), choice.get("error")):
            if error is not None:
                raise self._failures.in_stream(error, provider=chunk.get("provider"))
        self._finish = loose.text(choice.get("finish_reason")) or self._finish
        if self._finish == "error" or choice.get("native_finish_reason") in ("error", "network_error"):
            raise self._failures.of(FailureKind.ERROR_IN_STREAM)
        if self._finish == "content_filter":
            raise self._failures.of(FailureKind.CONTENT_FILTER)
        if self._finish and self._shown and self._held:
            half, self._held = self._held, ""
            yield ModelText(text=loose.encodable(half), model=self._model)

    def _text(self, text: str) -> Iterator[ModelText]:
        self._length += len(text)
        if self._length > TEXT_MAX:
            raise self._failures.of(FailureKind.ENDLESS, detail="more text than an answer may have")
        text = self._held + text
        # JavaScript cuts strings between the halves of a character: the other half comes next.
        ready = len(text) - ("\ud800" <= text[-1] <= "\udbff")
        if not self._shown and not text[:ready].strip():
            # White space alone is no answer: it waits for the first letter.
            ready = 0
        self._held = text[ready:][-HELD_MAX:]
        if ready:
            self._shown = True
            yield ModelText(text=loose.encodable(text[:ready]), model=self._model)

    @staticmethod
    def _name(value: object) -> str:
        return loose.encodable(loose.text(value)[:NAME_MAX])


def _is_whole(data: bytes | None) -> bool:
    if data is None or data.strip() == _DONE:
        return True
    try:
        loose.parse(data)
    except loose.Unreadable:
        return False
    return True
