"""Logs: one line per event, as text for a person or as JSON for a machine, and no secret in either.

`logger(__name__).info("a human sentence", extra={"action": "lease", …})`: the sentence is fixed, what varies stands
in `extra`, so that the same line can be read and searched. Message text is never logged above DEBUG.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET = re.compile(
    r"sk-or-[\w-]{4,}|xox[a-z]-[\w-]{4,}|xapp-[\w-]{4,}|[MNO][\w-]{20,}\.[\w-]{6}\.[\w-]{20,}"
    r"|(?i:bearer )[\w.~+/=-]{4,}"
)


def logger(name: str) -> logging.Logger:
    """The logger of a module."""
    return logging.getLogger(name)


def _redact(text: str) -> str:
    return _SECRET.sub("[secret]", text)


def _visible(text: str) -> str:
    """What varies may come from outside: a line stays one line, and no character moves the cursor or hides."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in _extras(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _redact(_visible(json.dumps(line, default=str, ensure_ascii=False)))


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        extras = "".join(f" {name}={value}" for name, value in _extras(record).items() if name != "action")
        lines = [_visible(f"{at} {record.levelname.lower():<7} {record.getMessage()}{extras}")]
        if record.exc_info:
            # Set in, so that none of them can pass for a line of its own.
            lines += [f"    {_visible(line)}" for line in self.formatException(record.exc_info).splitlines()]
        return _redact("\n".join(lines))


def set_up(*, level: str, form: str | None, stream: TextIO = sys.stderr) -> None:
    """Send all logs to a stream: `form` is text, json, or None for text on a terminal and json elsewhere."""
    handler = logging.StreamHandler(stream)
    text = form == "text" or (form is None and stream.isatty())
    handler.setFormatter(_Text() if text else _Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiosqlite", "asyncio", "alembic", "httpx", "aiohttp.access", "discord", "matplotlib"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
