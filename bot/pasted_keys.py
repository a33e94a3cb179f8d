"""Recognises an OpenRouter key that somebody wrote into a message, so that it is refused and not stored. Pure."""

from __future__ import annotations

import re

_DASHES = re.compile("[‐‑‒–—−﹣-]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Characters that a chat puts between others and nobody sees."""
_KEY = re.compile(r"sk-or-(?:v\d+-)?[0-9a-z]{24,}", re.IGNORECASE)
"""The shape of a key, `sk-or-v1-` and 64 hex digits, with room for what it may become. A label that shows only its
ends (`sk-or-v1-au7...890`) and a placeholder in words are none."""


def is_key(text: str) -> bool:
    """True: it looks like a key, and is nothing else."""
    return _KEY.fullmatch(text) is not None


def holds_key(text: str) -> bool:
    """True: something in it could be a key."""
    return _KEY.search(_DASHES.sub("-", _UNSEEN.sub("", text))) is not None
