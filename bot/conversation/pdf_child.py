"""Reads the text of one PDF from standard input: run as a program of its own, which can be ended at any moment.

A PDF can be made to take any time and memory to read, and a thread cannot be stopped. So it is read here, under limits
that the system holds, by a process that knows no secrets. It writes one line of JSON: `text` and `cut`, or `fault`.
It imports nothing of Potluck's, so that it starts quickly and can be run by its path alone.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from time import process_time
from typing import Any

PAGES = 300
CHARACTERS = 400_000
SECONDS = 6.0
"""Of the processor, after which it makes do with the pages it has read."""
KILLED_AFTER = 10
"""Of the processor, after which the system ends it: for a page that never ends."""
MEMORY = 512 * 2**20
"""Bytes of address space."""
UNPACKED = 25_000_000
"""Bytes that a page may unpack to. What a page shows is a thousandth of it."""
OPERATIONS = 300_000
"""Operators and operands of a page, ten times what a full one has."""


def read(content: bytes, *, seconds: float = SECONDS) -> dict[str, object]:
    """The answer for one document."""
    from pypdf import apply_configuration
    from pypdf.errors import LimitReachedError

    logging.disable(logging.CRITICAL)  # pypdf remarks on every fault of a document
    limits: dict[str, Any] = {
        **{f"{name}_maximum_output_length": UNPACKED for name in ("zlib", "lzw", "run_length", "brotli")},
        "stream_parsing_work_maximum_count": OPERATIONS,
        "jbig2dec_binary": None,
    }
    try:
        with apply_configuration(**limits):
            return _pages(content, seconds)
    except (MemoryError, LimitReachedError):
        return {"fault": "pdf_too_heavy"}
    except Exception:  # what a document can be made to raise has no end
        return {"fault": "broken"}


def _pages(content: bytes, seconds: float) -> dict[str, object]:
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError

    pages: list[str] = []
    length, cut, faults, began = 0, False, 0, process_time()
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"fault": "pdf_locked"}
    for number, page in enumerate(reader.pages):
        if number >= PAGES or length >= CHARACTERS or process_time() - began > seconds:
            cut = True
            break
        try:
            text = page.extract_text().strip()
        except (MemoryError, LimitReachedError):
            raise
        except Exception:  # one page that cannot be read is no reason to lose the others
            faults += 1
            continue
        if text:
            pages.append(text)
            length += len(text)
    if not pages:
        return {"fault": "pdf_too_heavy" if cut else "broken" if faults else "pdf_without_text"}
    return {"text": "\n\n".join(pages)[:CHARACTERS], "cut": cut or faults > 0 or length > CHARACTERS}


def main() -> None:
    try:
        import resource
    except ImportError:  # Windows: whoever started it ends it by the clock
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CPU, (KILLED_AFTER, KILLED_AFTER + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        os.nice(10)  # answers under way come first
    answer = read(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
