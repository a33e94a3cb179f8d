"""Fenced code: which line opens a block, which closes it, and how a block that is cut goes on elsewhere.

The lines are CommonMark's. Of Discord's and Slack's own readings this is the part they share, and what models write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_RUN = 6
"""Signs a fence has at most. A longer run is text, so that what re-opens a block has a bound."""
LONGEST_LANGUAGE = 20
DEEPEST_QUOTE = 4
_OPENING = re.compile(
    r"(?P<lead>[ \t]*+(?:>[ \t]*+|(?:[-*+]|\d{1,9}[.)])[ \t]++)*+)(?P<run>`{3,}+|~{3,}+)(?P<info>[^\n]*+)"
)
_CLOSING = re.compile(r"[ \t>]*+(?P<run>`{3,}+|~{3,}+)[ \t\r]*+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """An open block of code."""

    run: str
    language: str
    quote: str
    """The quotation marks before it: a block inside a quotation closes inside it."""

    @property
    def opening(self) -> str:
        """Opens the block again at the start of a message."""
        return f"{self.quote}{self.run}{self.language}\n"

    @property
    def closing(self) -> str:
        """Closes it at the start of a line."""
        return f"{self.quote}{self.run}"


LONGEST_CLOSING = "\n" + ">" * DEEPEST_QUOTE + "`" * LONGEST_RUN
LONGEST_OPENING = ">" * DEEPEST_QUOTE + "`" * LONGEST_RUN + "m" * LONGEST_LANGUAGE + "\n"


def opens(line: str) -> tuple[Fence, int] | None:
    """The fence a line opens and where in the line its run of signs ends; None: it opens none."""
    found = _OPENING.match(line)
    if found is None or len(found["run"]) > LONGEST_RUN or (found["run"][0] == "`" and "`" in found["info"]):
        return None
    words = found["info"].split()
    language = words[0] if words and len(words[0]) <= LONGEST_LANGUAGE else ""
    quote = ">" * min(found["lead"].count(">"), DEEPEST_QUOTE)
    return Fence(run=found["run"], language=language, quote=quote), found.end("run")


def closes(line: str, fence: Fence) -> bool:
    """The line ends the block."""
    found = _CLOSING.fullmatch(line)
    return found is not None and found["run"].startswith(fence.run)


def may_yet_close(text: str, fence: Fence) -> bool:
    """The first line with anything on it may turn out to end the block, once the rest of it is known."""
    line = text.lstrip(" \t\r\n>").partition("\n")[0].rstrip(" \t\r")
    return not line.strip(fence.run[0])
