"""Where a message that is full is best cut. Pure.

Whatever is decided here is decided from the text up to where the message is full, and from nothing behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from adapters.rendering.fences import Fence, may_yet_close
from adapters.rendering.unbroken import apart, begins_sentence, begins_word, stretches
from adapters.rendering.window import NOTHING, Inside, Line, Window


class Rank(IntEnum):
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
class Cut:
    at: int
    rank: Rank
    inside: Inside = NOTHING


class Cuts:
    """Those of one window."""

    def __init__(self, window: Window) -> None:
        self._window, self._text, self._lines = window, window.text, window.lines
        self._begin, self._full = window.begin, window.full

    def best(self) -> Cut:
        """A good place in the second half; else the last before something long; else one inside that."""
        found = [*self._between_lines(), *self._within(self._lines[-1])]
        half = (self._begin + self._full) // 2
        for rank in range(Rank.CHARACTER + 1):
            late = [cut for cut in found if cut.rank == rank and cut.at >= half]
            if late:
                return max(late, key=lambda cut: cut.at)
        for line in reversed(self._lines[:-1]):
            if any(cut.rank <= Rank.CHARACTER for cut in found):
                break
            found += self._within(line)
        for ranks in ((Rank.PARAGRAPH, Rank.WORD), (Rank.CHARACTER, Rank.CHARACTER)):
            early = [cut for cut in found if ranks[0] <= cut.rank <= ranks[1]]
            if early:
                return max(early, key=lambda cut: cut.at)
        found.append(Cut(at=self._full - 1, rank=Rank.LAST, inside=self._lines[-1].before or NOTHING))
        return min(found, key=lambda cut: (cut.rank, -cut.at))

    def _between_lines(self) -> Iterator[Cut]:
        text = self._text
        for previous, line in zip(self._lines, self._lines[1:], strict=False):
            known = text[line.start : self._full]
            if line.before is not None:
                # Neither an empty block at the end of a message nor one at the start of the next.
                code = text[self._code_start(line.start) : line.start]
                if code.strip() and not may_yet_close(known, line.before):
                    yield Cut(at=line.start, rank=Rank.LINE, inside=line.before)
                elif code.strip():
                    yield Cut(at=line.start, rank=Rank.LAST, inside=line.before)
            elif text[line.start : line.end].strip() and text[self._begin : line.start].strip():
                new = (
                    line.kind == "opening"
                    or previous.kind == "closing"
                    or not text[previous.start : previous.end].strip()
                )
                yield Cut(at=line.start, rank=Rank.PARAGRAPH if new else Rank.LINE)

    def _within(self, line: Line) -> list[Cut]:
        """The last place of each rank."""
        start = max(line.start, self._begin)
        if line.kind == "closing" or (
            line.before is not None and may_yet_close(self._text[start : line.end], line.before)
        ):
            return []
        if line.kind == "opening":
            return [
                Cut(at=at, rank=Rank.TORN, inside=line.fence or NOTHING)
                for at in range(line.run_end + 1, line.end)
                if apart(self._text, at)
            ][-1:]
        found: dict[Rank, Cut] = {}
        cuts = self._in_prose(line, start) if line.before is None else self._in_code(line, start, line.before)
        for cut in cuts:
            found.setdefault(cut.rank, cut)
        return list(found.values())

    def _in_code(self, line: Line, start: int, fence: Fence) -> Iterator[Cut]:
        text = self._text
        first = self._visible_from(self._code_start(line.start))
        for at in range(line.end - 1, max(first, start), -1):
            if begins_word(text, at):
                yield Cut(at=at, rank=Rank.WORD, inside=fence)
            elif apart(text, at) and not text[at].isspace():
                yield Cut(at=at, rank=Rank.CHARACTER, inside=fence)

    def _in_prose(self, line: Line, start: int) -> Iterator[Cut]:
        text = self._text
        carried = self._window.inside if isinstance(self._window.inside, str) and start == self._begin else NOTHING
        together = stretches(text, start, line.end, ticks=len(carried))
        for at in range(line.end - 1, self._visible_from(start), -1):
            while together and together[-1].start >= at:
                together.pop()
            around = together[-1] if together and at < together[-1].end else None
            if text[at].isspace() or text.startswith(("```", "~~~"), at) or not apart(text, at):
                continue
            if around is None:
                if begins_sentence(text, at):
                    yield Cut(at=at, rank=Rank.SENTENCE)
                else:
                    yield Cut(at=at, rank=Rank.WORD if begins_word(text, at) else Rank.CHARACTER)
            elif around.ticks:
                ticks = "`" * around.ticks
                inner = around.start + (0 if carried and around.start == start else around.ticks)
                fits = self._window.count(text[self._begin : at]) <= self._window.room
                if inner < at and "`" not in (text[at - 1], text[at]) and fits and text[inner:at].strip():
                    yield Cut(at=at, rank=Rank.SPAN, inside=ticks)
            else:
                yield Cut(at=at, rank=Rank.TORN)

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
