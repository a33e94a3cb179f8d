"""What came with a message besides its text: what may come, and what it turns out to be."""

from __future__ import annotations

MOST_FILES = 5
"""Files that one question may come with."""
MOST_BYTES = 5 * 2**20
"""Of one file. Some providers take no larger image."""
MOST_TOGETHER = 10 * 2**20
"""Bytes of all the files of one question."""
