"""How far the text of an answer has got into messages. Pure.

`source` is what the current message is to show, as far as it has come; what was shown of it stays where it was shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.slack import pieces
from adapters.slack.feed import Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A message that is over."""

    whole: str
    rest: str
    """What of it has not been shown."""


class Progress:
    """See the module."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._done = 0
        """Characters of the feed's text that stand in messages that are over."""
        self._opening = ""
        """What the current message begins with: a block of code that goes on."""
        self._sent = 0
        """Characters of the current message that are shown."""

    @property
    def source(self) -> str:
        rest = self._feed.text[self._done :]
        return self._opening + rest if self._opening else rest.lstrip()

    @property
    def showable(self) -> str:
        """What can be shown now beyond what was."""
        return pieces.showable(self.source, self._sent)

    @property
    def unposted(self) -> tuple[str, ...]:
        """What stands in no message that is over, in messages."""
        return pieces.whole(self.source)

    def shown(self, text: str) -> None:
        """This much more of the current message is shown."""
        self._sent += len(text)

    def cut_when_full(self) -> pieces.Cut | None:
        return pieces.cut_when_full(self.source, self._sent)

    def cut_in_time(self, *, now: bool, doubtful: str = "") -> pieces.Cut | None:
        """`doubtful` may be shown already."""
        return pieces.cut_in_time(self.source, self._sent + len(doubtful), now=now)

    def last(self) -> Page:
        """The current message as the last one."""
        whole = self.source.rstrip()
        return Page(whole=whole, rest=whole[self._sent :])

    def turn(self, cut: pieces.Cut | None) -> Page | None:
        """The current message ends there, and the next begins. None: it shows nothing of the text."""
        source = self.source
        if cut is None or cut.upto <= len(self._opening):
            self._sent = 0
            return None
        body = source[: cut.upto]
        whole = body + cut.closing if cut.closing else body.rstrip()
        page = Page(whole=whole, rest=whole[self._sent :])
        # What this message began with is not part of the feed's text, and the white space that was left out before
        # it is.
        left_out = len(self._feed.text) - self._done - (len(source) - len(self._opening))
        self._done += left_out + cut.upto - len(self._opening)
        self._opening, self._sent = cut.opening, 0
        return page
