"""Answers that are none: a safety classifier's verdict on the question, such as `safe` or `unsafe S2`. Pure.

`openrouter/free` picks one of those now and then. So text that may yet become a verdict is not told before it is known.
"""

from __future__ import annotations

import re

_VERDICT = re.compile(r"\s*(?:un)?safe(?:[\s,]+s\d{1,2})*[\s.]*", re.IGNORECASE)
_WORDS = ("safe", "unsafe")
_LONGEST = 80


def is_verdict(text: str) -> bool:
    """The whole text is one."""
    return len(text) <= _LONGEST and _VERDICT.fullmatch(text) is not None


def may_become_verdict(text: str) -> bool:
    """The text is the beginning of one, or nothing yet."""
    start = text.strip().lower()
    if any(word.startswith(start) for word in _WORDS):
        return len(text) <= _LONGEST
    # A category that is not written out yet.
    return is_verdict(text.rstrip(" \t\r\n,").removesuffix("s").removesuffix("S").rstrip(" \t\r\n,"))
