"""Where an answer is cut into Slack's messages while it grows: what was shown stays where it was shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.rendering.fences import Fence, closes, opens
from adapters.rendering.split import SMALLEST_LIMIT, Limits, split

FULL = 11_500
"""Characters of one message. A markdown block takes 12,000, a whole message some 13,000."""
SHOWN_MOST = FULL - 4 * SMALLEST_LIMIT
"""Characters shown of a message before it is known where it is cut."""
_BOUNDARIES = ("\n\n", "\n", ". ", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A message ends at `upto` and with `closing`; the next begins with `opening`."""

    upto: int
    closing: str
    opening: str


def whole(text: str) -> tuple[str, ...]:
    """An answer that nothing was shown of yet, in messages."""
    return split(text, Limits(length=FULL, most=1000)).texts


def showable(source: str, sent: int) -> str:
    """What can be shown now of a message that begins with `source` and grows, beyond what was. No cut lies in it."""
    grown = source[sent:SHOWN_MOST]
    # White space and a run of signs may turn out to belong to what comes.
    return grown.rstrip().rstrip("`~").rstrip()


def cut_when_full(source: str, sent: int) -> Cut | None:
    """Where a message ends that its text no longer fits into; None: it fits."""
    if len(source) <= FULL:
        return None
    inside = fence_at(source[:sent])
    carried = inside.opening if inside else ""
    pieces = split(carried + source[sent:], Limits(length=FULL - sent, most=2)).pieces
    if len(pieces) < 2:  # what does not fit is white space
        return None
    upto = max(sent, sent + len(pieces[0].body) - len(carried))
    return Cut(upto=upto, closing=pieces[0].closing, opening=pieces[1].opening)


def cut_in_time(source: str, sent: int, *, now: bool) -> Cut | None:
    """Where a message ends that has to: at the next good place, or right here if it must be `now`."""
    unsent = source[sent:]
    for boundary in _BOUNDARIES:
        at = unsent.rfind(boundary)
        if at >= 0 and (now or boundary == "\n\n"):
            return _cut(source, sent + at + len(boundary))
    return _cut(source, sent) if now else None


def _cut(source: str, upto: int) -> Cut:
    fence = fence_at(source[:upto])
    if fence is None:
        return Cut(upto=upto, closing="", opening="")
    closing = fence.closing if source[:upto].endswith("\n") else f"\n{fence.closing}"
    return Cut(upto=upto, closing=closing, opening=fence.opening)


def fence_at(text: str) -> Fence | None:
    """The block of code that is open at the end of a text."""
    fence: Fence | None = None
    for line in text.split("\n"):
        if fence is None:
            opened = opens(line)
            fence = opened[0] if opened else None
        elif closes(line, fence):
            fence = None
    return fence
