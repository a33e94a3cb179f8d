"""What one look came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "failure"]
"""`failure`: Potluck would not start, or could answer nothing."""

_SHOWN = 100
"""Characters of what came from outside."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, for whoever runs this Potluck."""

    check: str
    level: Level
    found: str
    fix: str = ""


def ok(check: str, found: str, fix: str = "") -> Finding:
    return Finding(check, "ok", found, fix)


def warning(check: str, found: str, fix: str) -> Finding:
    return Finding(check, "warning", found, fix)


def failure(check: str, found: str, fix: str) -> Finding:
    return Finding(check, "failure", found, fix)


def shown(text: str) -> str:
    """What came from outside, on one line."""
    return "".join(char for char in text if char.isprintable())[:_SHOWN]


def stops(findings: Iterable[Finding]) -> bool:
    """One of them would keep Potluck from running."""
    return any(finding.level == "failure" for finding in findings)
