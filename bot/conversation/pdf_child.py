"""Reads the text of one PDF from standard input: run as a program of its own, which can be ended at any moment.

A PDF can be made to take any time and memory to read, and a thread cannot be stopped. So it is read here, under limits
that the system holds, by a process that knows no secrets. It writes one line of JSON: `text` and `cut`, or `fault`.
It imports nothing of Potluck's, so that it starts quickly and can be run by its path alone.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from time import process_time

PAGES = 300
CHARACTERS = 400_000
SECONDS = 8.0
"""Of the processor, after which it makes do with the pages it has read."""
KILLED_AFTER = 15
"""Of the processor, after which the system ends it: for a page that never ends."""
MEMORY = 1024 * 2**20
"""Bytes of address space. The interpreter alone takes a fifth of it."""


def read(content: bytes, *, seconds: float = SECONDS) -> dict[str, object]:
    """The answer for one document."""
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError, PyPdfError

    logging.disable(logging.CRITICAL)  # pypdf remarks on every fault of a document
    pages: list[str] = []
    length, cut, faults = 0, False, 0
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"fault": "pdf_locked"}
        for number, page in enumerate(reader.pages):
            if number >= PAGES or length >= CHARACTERS or process_time() > seconds:
                cut = True
                break
            try:
                text = page.extract_text().strip()
            except (MemoryError, LimitReachedError):
                return {"fault": "pdf_too_heavy"}
            except Exception:  # one page that cannot be read is no reason to lose the others
                faults += 1
                continue
            if text:
                pages.append(text)
                length += len(text)
    except (MemoryError, LimitReachedError):
        return {"fault": "pdf_too_heavy"}
    except (PyPdfError, Exception):
        if not pages:
            return {"fault": "broken"}
        cut = True
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
    answer = read(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
