"""What the kernel says of a process: whose child it is, and how long it has had a processor."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
"""In a second."""


def seconds(pid: int) -> float:
    """Of a processor, that a process has had; 0 where there is none."""
    found = stat(pid)
    return 0.0 if found is None else sum(int(value) for value in found[11:13]) / TICKS


def stat(pid: int) -> list[str] | None:
    """`/proc/PID/stat` without the number: the name, the parent, and from place 11 on the ticks, its own and its ended
    children's. None: there is no such process here."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return [name, fields[1], *fields[2:]]
