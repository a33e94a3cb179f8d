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
from collections.abc import Callable
from dataclasses import dataclass

from adapters.rendering.cuts import Cut, Cuts, Rank
from adapters.rendering.fences import Fence
from adapters.rendering.window import NOTHING, Inside, Window

SMALLEST_LIMIT = 128
_TICKS = re.compile("`++")


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
    inside: Inside = NOTHING
    while start < len(text) and text[start:].strip():
        if len(pieces) == limits.most:
            return Pieces(pieces=tuple(pieces), rest_as_file=True)
        window = Window(text, start, inside, length=limits.length, count=limits.count)
        piece, inside = _piece(window)
        pieces.append(piece)
        start += len(piece.body)
    if pieces and start < len(text):
        last = pieces.pop()
        pieces.append(Piece(body=last.body + text[start:], opening=last.opening, closing=last.closing))
    return Pieces(pieces=tuple(pieces), rest_as_file=False)


def _piece(window: Window) -> tuple[Piece, Inside]:
    """The piece, and what the text behind it is inside of."""
    cut = (
        Cuts(window).best()
        if window.overflows
        else Cut(at=window.full, rank=Rank.LAST, inside=window.lines[-1].fence or NOTHING)
    )
    body, inside, opening = window.text[window.start : cut.at], window.inside, window.opening
    if isinstance(inside, str) and cut.rank is not Rank.SPAN and not _span_ends(window, inside):
        opening = NOTHING  # it was no code span: its backticks stand alone on their line
    return Piece(body=body, opening=opening, closing=_closing(body, cut.inside)), cut.inside


def _span_ends(window: Window, ticks: str) -> bool:
    line = window.lines[0]
    return any(found.group() == ticks for found in _TICKS.finditer(window.text, line.start, line.end))


def _closing(body: str, inside: Inside) -> str:
    if isinstance(inside, Fence):
        return inside.closing if body.endswith("\n") else f"\n{inside.closing}"
    return inside
