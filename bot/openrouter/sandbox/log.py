"""What reached the sandbox and how it ended: the truth an audit of Potluck's own books is held against.

In the file every request has a line at its arrival and another at its end, so a process killed in between
still leaves what was received.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bot.clock import Instant

Outcome: TypeAlias = Literal["finished", "rejected", "failed", "cut_by_client", "cut_by_shutdown"]
"""`rejected`: an HTTP error instead of an answer. `failed`: an answer was begun, or nothing at all was said."""
_MONEY = ("cost", "upstream_cost")
"""Fields that stand in the file as strings, so that no cent is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAttempt:
    """One POST to `/chat/completions` whose body arrived whole."""

    number: int
    """1 for the first, in order of arrival, going on after a restart with the same file."""
    at: Instant
    account: str
    """Empty for the default account; see `Sandbox`."""
    key: str
    """Whose key it was, by the first digits of its SHA-256; empty where none was let in."""
    attempt: str | None
    """`metadata.attempt` of the body."""
    user: str | None
    session: str | None
    streamed: bool
    model_asked: str | None
    model_used: str | None
    fault: str | None
    units: int
    """Taken from the day's free allowance, answered or not."""
    generation: str
    status: int | None = None
    """HTTP status; None while there is none, or when not even a status line was sent."""
    outcome: Outcome | None = None
    """None: still under way, or the process died."""
    ended_at: Instant | None = None
    bytes_sent: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)
    """USD charged to the account."""
    byok: bool = False
    """Answered with a provider key of the account's own."""
    upstream_cost: Decimal = Decimal(0)
    """USD the provider charged that key's owner."""

    @property
    def counted(self) -> bool:
        """Took from the day's free allowance."""
        return self.units > 0


class AttemptLog:
    """The attempts in order of arrival, written through to a file where there is one."""

    def __init__(self, file: Path | None) -> None:
        self.attempts: list[SandboxAttempt] = read_log(file) if file is not None and file.exists() else []
        self._out: TextIOWrapper | None = None
        if file is not None:
            self._out = file.open("a", encoding="utf-8")
            if self._out.tell() > 0 and not file.read_bytes().endswith(b"\n"):
                self._out.write("\n")  # the last line was torn by a crash: keep it from spoiling the next

    def received(self, attempt: SandboxAttempt) -> None:
        """Add a request. Its number must be `len(attempts) + 1`."""
        self.attempts.append(attempt)
        self._write(attempt)

    def ended(self, number: int, **changes: Any) -> None:
        """Note how a request ended."""
        changed = replace(self.attempts[number - 1], **changes)
        self.attempts[number - 1] = changed
        self._write(changed)

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None

    def _write(self, attempt: SandboxAttempt) -> None:
        if self._out is not None:
            self._out.write(json.dumps(asdict(attempt) | {name: str(getattr(attempt, name)) for name in _MONEY}) + "\n")
            self._out.flush()


def read_log(file: Path) -> list[SandboxAttempt]:
    """The attempts in a sandbox's file, as far as it was written: a torn line is left out."""
    attempts: dict[int, SandboxAttempt] = {}
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            money = {name: Decimal(fields[name]) for name in _MONEY}
            attempts[fields["number"]] = SandboxAttempt(**fields | money)
    return list(attempts.values())
