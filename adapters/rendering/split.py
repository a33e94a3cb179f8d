"""An answer cut into messages a platform takes: pure, the same for Discord and Slack.

What holds for every text and every cut of it (`tests/unit/test_split.py` tries it):

* No piece is longer than the limit, none is empty.
* The bodies of the pieces, joined, are the text. What is shown of a piece is `opening + body + closing`, with the
  white space at a seam left out; `opening` and `closing` close a block of code or a code span in one message and open
  it again, with its language, in the next.
* No link, address, mention, emoji or code span that fits into a message is cut, nor any single visible character.
* A text that grows never splits anew: the pieces before the last are the same for every longer text. So whatever is
  decided about a cut is decided from the text up to where the message is full, and from nothing behind it.
* After `most` pieces the rest belongs into a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

from adapters.rendering.fences import LONGEST_CLOSING, Fence, closes, may_yet_close, opens
from adapters.rendering.unbroken import apart, begins_sentence, begins_word, stretches

SMALLEST_LIMIT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a platform takes."""

    length: int
    """Of one message, as `count` counts."""
    most: int
    """Pieces of one answer; at least 1."""
    count: Callable[[str], int] = len
    """The length of a text: code points for Discord, what escaping makes of them for Slack. The length of two texts
    joined is the sum of theirs, and no character is longer than 8."""

    def __post_init__(self) -> None:
        if self.length < SMALLEST_LIMIT or self.most < 1:
            raise ValueError(f"pieces of {self.length}, at most {self.most}: too small to cut text into")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One message. `text` is what is sent."""

    body: str
    """The part of the answer it stands for."""
    opening: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        # White space at the ends is lost on every platform, but for what stands inside code.
        body = self.body if self.opening else self.body.lstrip()
        return f"{self.opening}{body if self.closing else body.rstrip()}{self.closing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    pieces: tuple[Piece, ...]
    """None for a text of white space alone."""
    rest_as_file: bool
    """The text goes on behind the last piece, and there may be no more pieces: attach the whole of it as a file."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What is sent, message by message."""
        return tuple(piece.text for piece in self.pieces)


def split(text: str, limits: Limits) -> Pieces:
    """Cut `text`. Takes time in proportion to its length."""
    pieces: list[Piece] = []
    start = 0
    inside: _Inside = _NOTHING
    while start < len(text) and text[start:].strip():
        if len(pieces) == limits.most:
            return Pieces(pieces=tuple(pieces), rest_as_file=True)
        piece, inside = _Window(text, start, inside, limits).piece()
        pieces.append(piece)
        start += len(piece.body)
    if pieces and start < len(text):
        last = pieces.pop()
        pieces.append(Piece(body=last.body + text[start:], opening=last.opening, closing=last.closing))
    return Pieces(pieces=tuple(pieces), rest_as_file=False)


# --- one piece -------------------------------------------------------------------------------------------


_NOTHING = ""
_TICKS = re.compile("`++")
_Inside: TypeAlias = Fence | str
"""What a place is inside of: a block of code, a code span (its backticks), or nothing."""


class _Rank(IntEnum):
    """How good a place for a cut is, the best first."""

    PARAGRAPH = 0
    LINE = 1
    SENTENCE = 2
    WORD = 3
    CHARACTER = 4
    SPAN = 5
    """In a code span, which goes on in the next message."""
    TORN = 6
    """In something that is longer than a message."""
    LAST = 7
    """Anything, so as to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    start: int
    end: int
    """Without the line break, and not behind what is known."""
    kind: Literal["prose", "opening", "code", "closing"]
    before: Fence | None
    fence: Fence | None
    """What its end is inside of; for `opening`, what follows it is."""
    run_end: int = 0
    """Of an opening: where its run of signs ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    at: int
    rank: _Rank
    inside: _Inside = _NOTHING


class _Window:
    """The text from `start` to where a message is full, and the best cut in it."""

    def __init__(self, text: str, start: int, inside: _Inside, limits: Limits) -> None:
        self._text, self._start, self._inside, self._count = text, start, inside, limits.count
        self._opening = inside.opening if isinstance(inside, Fence) else inside
        begin = start
        while not inside and text[begin].isspace():
            begin += 1
        self._begin = begin
        self._room = limits.length - limits.count(self._opening) - limits.count(LONGEST_CLOSING)
        """What fits of the text. There is always room to close whatever is open."""
        self._full = self._until_full(begin)
        """Behind the first character that does not fit; behind the text if all of it does."""
        self._lines = list(self._read_lines())
        if self._overflows and self._outside and text[self._full - 1].isspace():
            self._pass_white_space()

    def piece(self) -> tuple[Piece, _Inside]:
        """The piece, and what the text behind it is inside of."""
        cut = (
            self._best()
            if self._overflows
            else _Cut(at=self._full, rank=_Rank.LAST, inside=self._lines[-1].fence or "")
        )
        body = self._text[self._start : cut.at]
        opening = self._opening
        if isinstance(self._inside, str) and cut.rank is not _Rank.SPAN and not self._span_ends(self._inside):
            opening = _NOTHING  # it was no code span: its backticks stand alone on their line
        return Piece(body=body, opening=opening, closing=self._closing(body, cut.inside)), cut.inside

    def _span_ends(self, ticks: str) -> bool:
        line = self._lines[0]
        return any(found.group() == ticks for found in _TICKS.finditer(self._text, line.start, line.end))

    def _closing(self, body: str, inside: _Inside) -> str:
        if isinstance(inside, Fence):
            return inside.closing if body.endswith("\n") else f"\n{inside.closing}"
        return inside

    def _until_full(self, begin: int) -> int:
        text, room, count = self._text, self._room, self._count
        end = min(begin + room + 1, len(text))
        if count is not len and count(text[begin:end]) > room:
            end, taken = begin, 0
            while taken <= room:
                taken += count(text[end])
                end += 1
        self._overflows = count(text[begin:end]) > room
        return end

    @property
    def _outside(self) -> bool:
        """What fills the message is neither code nor in a code span that came with it."""
        last = self._lines[-1]
        in_span = isinstance(self._inside, str) and self._inside != _NOTHING and len(self._lines) == 1
        return last.kind != "code" and not in_span

    def _pass_white_space(self) -> None:
        """White space at the end of a message is not sent: it is full with the next character that is."""
        text, full, lines = self._text, self._full, self._lines
        while self._full < len(text) and text[self._full - 1].isspace():
            self._full += 1
        self._lines = list(self._read_lines())
        if self._lines[-1].kind == "code":
            self._full, self._lines = full, lines  # what looked like the end of a block was a line of it
        else:
            self._overflows = not text[self._full - 1].isspace()

    def _read_lines(self) -> Iterator[_Line]:
        text, at = self._text, self._begin
        fence = self._inside if isinstance(self._inside, Fence) else None
        whole = not self._inside or isinstance(self._inside, Fence)
        line_start = text.rfind("\n", 0, at) + 1
        whole = whole and not text[line_start:at].strip()
        while at < self._full:
            found = text.find("\n", at, self._full)
            end = self._full if found < 0 else found
            line = self._line(line_start if whole and line_start < at else at, end, fence, whole)
            yield line
            fence, at, whole, line_start = line.fence, end + 1, True, end + 1

    def _line(self, start: int, end: int, fence: Fence | None, whole: bool) -> _Line:
        line = self._text[start:end]
        if fence is None:
            opened = opens(line) if whole else None
            if opened is None:
                return _Line(start=start, end=end, kind="prose", before=None, fence=None)
            return _Line(start=start, end=end, kind="opening", before=None, fence=opened[0], run_end=start + opened[1])
        if whole and closes(line, fence):
            return _Line(start=start, end=end, kind="closing", before=fence, fence=None)
        return _Line(start=start, end=end, kind="code", before=fence, fence=fence)

    # --- where to cut ------------------------------------------------------------------------------------

    def _best(self) -> _Cut:
        """A good place in the second half; else the last before something long; else one inside that."""
        found = [*self._between_lines(), *self._within(self._lines[-1])]
        half = (self._begin + self._full) // 2
        for rank in range(_Rank.CHARACTER + 1):
            late = [cut for cut in found if cut.rank == rank and cut.at >= half]
            if late:
                return max(late, key=lambda cut: cut.at)
        for line in reversed(self._lines[:-1]):
            if any(cut.rank <= _Rank.CHARACTER for cut in found):
                break
            found += self._within(line)
        for ranks in ((_Rank.PARAGRAPH, _Rank.WORD), (_Rank.CHARACTER, _Rank.CHARACTER)):
            early = [cut for cut in found if ranks[0] <= cut.rank <= ranks[1]]
            if early:
                return max(early, key=lambda cut: cut.at)
        found.append(_Cut(at=self._full - 1, rank=_Rank.LAST, inside=self._lines[-1].before or _NOTHING))
        return min(found, key=lambda cut: (cut.rank, -cut.at))

    def _between_lines(self) -> Iterator[_Cut]:
        text = self._text
        for previous, line in zip(self._lines, self._lines[1:], strict=False):
            known = text[line.start : self._full]
            if line.before is not None:
                # Neither an empty block at the end of a message nor one at the start of the next.
                code = text[self._code_start(line.start) : line.start]
                if code.strip() and not may_yet_close(known, line.before):
                    yield _Cut(at=line.start, rank=_Rank.LINE, inside=line.before)
                elif code.strip():
                    yield _Cut(at=line.start, rank=_Rank.LAST, inside=line.before)
            elif text[line.start : line.end].strip() and text[self._begin : line.start].strip():
                new = (
                    line.kind == "opening"
                    or previous.kind == "closing"
                    or not text[previous.start : previous.end].strip()
                )
                yield _Cut(at=line.start, rank=_Rank.PARAGRAPH if new else _Rank.LINE)

    def _within(self, line: _Line) -> list[_Cut]:
        """The last place of each rank."""
        start = max(line.start, self._begin)
        if line.kind == "closing" or (
            line.before is not None and may_yet_close(self._text[start : line.end], line.before)
        ):
            return []
        if line.kind == "opening":
            return [
                _Cut(at=at, rank=_Rank.TORN, inside=line.fence or _NOTHING)
                for at in range(line.run_end + 1, line.end)
                if apart(self._text, at)
            ][-1:]
        found: dict[_Rank, _Cut] = {}
        cuts = self._in_prose(line, start) if line.before is None else self._in_code(line, start, line.before)
        for cut in cuts:
            found.setdefault(cut.rank, cut)
        return list(found.values())

    def _in_code(self, line: _Line, start: int, fence: Fence) -> Iterator[_Cut]:
        text = self._text
        first = self._visible_from(self._code_start(line.start))
        for at in range(line.end - 1, max(first, start), -1):
            if begins_word(text, at):
                yield _Cut(at=at, rank=_Rank.WORD, inside=fence)
            elif apart(text, at) and not text[at].isspace():
                yield _Cut(at=at, rank=_Rank.CHARACTER, inside=fence)

    def _in_prose(self, line: _Line, start: int) -> Iterator[_Cut]:
        text = self._text
        carried = self._inside if isinstance(self._inside, str) and start == self._begin else _NOTHING
        together = stretches(text, start, line.end, ticks=len(carried))
        for at in range(line.end - 1, self._visible_from(start), -1):
            while together and together[-1].start >= at:
                together.pop()
            around = together[-1] if together and at < together[-1].end else None
            if text[at].isspace() or text.startswith(("```", "~~~"), at) or not apart(text, at):
                continue
            if around is None:
                if begins_sentence(text, at):
                    yield _Cut(at=at, rank=_Rank.SENTENCE)
                else:
                    yield _Cut(at=at, rank=_Rank.WORD if begins_word(text, at) else _Rank.CHARACTER)
            elif around.ticks:
                ticks = "`" * around.ticks
                inner = around.start + (0 if carried and around.start == start else around.ticks)
                fits = self._count(text[self._begin : at]) <= self._room
                if inner < at and "`" not in (text[at - 1], text[at]) and fits and text[inner:at].strip():
                    yield _Cut(at=at, rank=_Rank.SPAN, inside=ticks)
            else:
                yield _Cut(at=at, rank=_Rank.TORN)

    def _visible_from(self, at: int) -> int:
        while at < self._full and self._text[at].isspace():
            at += 1
        return at

    def _code_start(self, line_start: int) -> int:
        """Where the code begins that the line belongs to, in this message."""
        for line in reversed(self._lines):
            if line.kind == "opening" and line.start < line_start:
                return line.end
        return self._begin
