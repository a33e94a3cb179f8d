"""Text that others wrote, made harmless for a terminal."""

from __future__ import annotations

import unicodedata


def inert(text: str) -> str:
    """The text without control characters, but for line ends and tabs.

    A terminal acts on sequences that begin with such a character and nothing else: without it the rest of a sequence
    is text like any other. So this holds for every piece of a stream, wherever it was cut.
    """
    if text.isprintable():
        return text
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc")
