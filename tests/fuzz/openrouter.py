"""Coverage-guided fuzzing of everything that reads OpenRouter's bytes.

`python -m tests.fuzz.openrouter [libFuzzer options]`, where atheris is installed; `-max_total_time=300` ends it.
It starts from the table of shapes. Whatever breaks a property is left in a file and named.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

STATUSES = (200, 302, 400, 401, 402, 403, 404, 408, 429, 500, 503, 529)


ACCOUNT: tuple[Any, ...] = (
    {"limit": 1, "limit_remaining": "0.5", "is_free_tier": True, "free_model_daily_requests": {"limit": 50, "used": 1}},
    {"total_credits": 5, "total_usage": "5.25"},
    {"model": "acme/large", "total_cost": 0.1, "usage": 0.1, "cancelled": True, "tokens_prompt": 9},
    [
        {
            "id": "acme/small:free",
            "pricing": {"prompt": "0", "completion": "0", "overrides": [{"min_prompt_tokens": 9, "prompt": "1e-9"}]},
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "top_provider": {"context_length": 9, "max_completion_tokens": None},
            "expiration_date": "2026-09-22",
        }
    ],
)
"""What `/key`, `/credits`, `/generation` and `/models` say, within `data`."""


def main() -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["bot.openrouter", "bot.routing.judges", "json", "email._parseaddr"]):
        loose = importlib.import_module("bot.openrouter.loose")
        properties = importlib.import_module("tests.fuzz.properties")

    def once(data: bytes) -> None:
        if len(data) < 2:
            return
        kind, rest = data[0], data[2:]
        if kind % 4 == 0:
            properties.check_stream(rest, range(0, len(rest), 1 + data[1] % 16))
        elif kind % 4 == 1:
            hint, _, body = rest.partition(b"\n")
            said = hint.decode("latin-1")
            headers = {"retry-after": said, "x-ratelimit-reset": said, "x-ratelimit-limit": said, "content-type": said}
            properties.check_answer(STATUSES[data[1] % len(STATUSES)], headers, body)
        elif kind % 4 == 2:
            properties.check_documents(rest)
        else:
            try:
                document = loose.parse(rest)
            except loose.Unreadable:
                return
            properties.check_error(document)

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], once)
        atheris.Fuzz()


def seeds() -> list[bytes]:
    """The table of shapes, and what is said of the account, in the form `once` takes."""
    from bot.clock import Instant
    from tests.fakes.openrouter_shapes import SHAPES

    now = Instant(1_790_000_000.0)
    found = []
    for shape in SHAPES:
        if shape.stream is not None:
            found.append(b"\x00\x03" + b"".join(shape.events(now)))
        else:
            found.append(b"\x01" + bytes([STATUSES.index(shape.status) if shape.status in STATUSES else 2]))
            found[-1] += b"Mon, 21 Sep 2026 14:14:20 GMT\n" + shape.written(now)
            found.append(b"\x03\x00" + shape.written(now))
    return found + [b"\x02\x00" + json.dumps({"data": data}).encode() for data in ACCOUNT]


if __name__ == "__main__":
    main()
