"""Where a line of text must not be cut: code spans, links, addresses, mentions, emoji, single visible characters.

Everything here is decided from the text before a place and the one character after it, never from what comes later:
a stretch that has begun and not ended counts as going on.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from adapters.rendering.fences import LONGEST_RUN

_TOKEN = re.compile(
    r"""
    (?P<ticks>`++)
  | <[@#:!/\w][^\s<>|]*+(?:\|[^\n<>]*+)?+>?+                       # <@1>  <:name:1>  <t:1:R>  <https://x|words>
  | !?+\[(?:[^\[\]\n]++|\[[^\[\]\n]*+\])*+(?:\](?:\((?:[^()\n]++|\([^()\n]*+\))*+\)?+)?+)?+      # [words](address)
  | [Hh][Tt][Tt][Pp][Ss]?+://[^\s<>]++
  | :[\w+-]++:?+                                                   # :name:
    """,
    re.VERBOSE,
)
_SENTENCE = re.compile(r"[.!?…:;]['\")\]*_]*+$")
_IDEOGRAPHIC_STOPS = "。！？；：、"
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to before `end` belongs together."""

    start: int
    end: int
    ticks: int = 0
    """Of a code span: how many backticks it opens with. 0: it is none."""


def stretches(text: str, start: int, end: int, *, ticks: int = 0) -> list[Stretch]:
    """What belongs together in a line, known up to `end`. `ticks`: at its start a code span of so many is open."""
    found: list[Stretch] = []
    at = start
    if ticks:
        at = _end_of_span(text, start, end, ticks)
        found.append(Stretch(start, at, ticks))
    while (token := _TOKEN.search(text, at, end)) is not None:
        at = token.end()
        run = len(token["ticks"] or "")
        if 0 < run <= LONGEST_RUN:
            at = _end_of_span(text, at, end, run)
            found.append(Stretch(token.start(), at, run))
        elif not run:
            found.append(Stretch(token.start(), at))
    return found


def _end_of_span(text: str, at: int, end: int, ticks: int) -> int:
    """Where the code span ends that is open at `at`: behind the next run of as many backticks, or not yet."""
    for found in re.compile("`++").finditer(text, at, end):
        if found.end() - found.start() == ticks and found.end() < end:
            return found.end()
    return end


def apart(text: str, at: int) -> bool:
    """Between the characters before and at this place there is a boundary a reader would see."""
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return (before, after) != ("\r", "\n") and not (before == after and after in "`~")
    if before == _JOINER or after == _JOINER or _extends(after):
        return False
    if _flag(before) and _flag(after):
        first = at
        while first > 0 and _flag(text[first - 1]):
            first -= 1
        return (at - first) % 2 == 0
    return not ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _extends(character: str) -> bool:
    """Shown as part of what stands before it: accents, variation selectors, skin tones, tags, later parts of Hangul."""
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"
    )


def _flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def begins_word(text: str, at: int) -> bool:
    return text[at - 1].isspace() and not text[at].isspace()


def begins_sentence(text: str, at: int) -> bool:
    if text[at - 1] in _IDEOGRAPHIC_STOPS:
        return True
    return begins_word(text, at) and _SENTENCE.search(text[max(0, at - 12) : at].rstrip()) is not None
