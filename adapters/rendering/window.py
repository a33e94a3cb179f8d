"""The part of a text that fits into one message, line by line, and what each line is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from adapters.rendering.fences import LONGEST_CLOSING, Fence, closes, opens

NOTHING = ""
Inside: TypeAlias = Fence | str
"""What a place is inside of: a block of code, a code span (its backticks), or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    start: int
    end: int
    """Without the line break, and not behind what is known."""
    kind: Literal["prose", "opening", "code", "closing"]
    before: Fence | None
    fence: Fence | None
    """What its end is inside of; for `opening`, what follows it is."""
    run_end: int = 0
    """Of an opening: where its run of signs ends."""


class Window:
    """The text from `start` to where a message of so many characters is full."""

    def __init__(self, text: str, start: int, inside: Inside, *, length: int, count: Callable[[str], int]) -> None:
        self.text, self.start, self.inside, self.count = text, start, inside, count
        self.opening = inside.opening if isinstance(inside, Fence) else inside
        begin = start
        while not inside and text[begin].isspace():
            begin += 1
        self.begin = begin
        self.room = length - count(self.opening) - count(LONGEST_CLOSING)
        """What fits of the text. There is always room to close whatever is open."""
        self.full = self._until_full(begin)
        """Behind the first character that does not fit; behind the text if all of it does."""
        self.lines = list(self._read_lines())
        if self.overflows and self._outside and text[self.full - 1].isspace():
            self._pass_white_space()

    def _until_full(self, begin: int) -> int:
        text, room, count = self.text, self.room, self.count
        end = min(begin + room + 1, len(text))
        if count is not len and count(text[begin:end]) > room:
            end, taken = begin, 0
            while taken <= room:
                taken += count(text[end])
                end += 1
        self.overflows = count(text[begin:end]) > room
        return end

    @property
    def _outside(self) -> bool:
        """What fills the message is neither code nor in a code span that came with it."""
        last = self.lines[-1]
        in_span = isinstance(self.inside, str) and self.inside != NOTHING and len(self.lines) == 1
        return last.kind != "code" and not in_span

    def _pass_white_space(self) -> None:
        """White space at the end of a message is not sent: it is full with the next character that is."""
        text, full, lines = self.text, self.full, self.lines
        while self.full < len(text) and text[self.full - 1].isspace():
            self.full += 1
        self.lines = list(self._read_lines())
        if self.lines[-1].kind == "code":
            self.full, self.lines = full, lines  # what looked like the end of a block was a line of it
        else:
            self.overflows = not text[self.full - 1].isspace()

    def _read_lines(self) -> Iterator[Line]:
        text, at = self.text, self.begin
        fence = self.inside if isinstance(self.inside, Fence) else None
        whole = not self.inside or isinstance(self.inside, Fence)
        line_start = text.rfind("\n", 0, at) + 1
        whole = whole and not text[line_start:at].strip()
        while at < self.full:
            found = text.find("\n", at, self.full)
            end = self.full if found < 0 else found
            line = self._line(line_start if whole and line_start < at else at, end, fence, whole)
            yield line
            fence, at, whole, line_start = line.fence, end + 1, True, end + 1

    def _line(self, start: int, end: int, fence: Fence | None, whole: bool) -> Line:
        line = self.text[start:end]
        if fence is None:
            opened = opens(line) if whole else None
            if opened is None:
                return Line(start=start, end=end, kind="prose", before=None, fence=None)
            return Line(start=start, end=end, kind="opening", before=None, fence=opened[0], run_end=start + opened[1])
        if whole and closes(line, fence):
            return Line(start=start, end=end, kind="closing", before=fence, fence=None)
        return Line(start=start, end=end, kind="code", before=fence, fence=fence)
