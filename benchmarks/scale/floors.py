"""What nothing can be faster than that has to be on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

_ROUNDS = 400


def syncs(folder: Path) -> float:
    """Appends of 256 bytes a second, each on the disk before the next."""
    file = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        began = perf_counter()
        for _ in range(_ROUNDS):
            os.write(file, bytes(256))
            os.fdatasync(file)
        return _ROUNDS / (perf_counter() - began)
    finally:
        os.close(file)
