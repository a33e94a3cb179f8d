"""What a command answers: parts without markup, which each adapter shows its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from bot.clock import Instant
from bot.commands.saying import Say, Value


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph of its own."""

    said: Say


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values."""

    rows: Sequence[tuple[Say, Value]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head. Figures stand right."""

    head: Sequence[Say]
    rows: Sequence[Sequence[Value]]
    none: Say
    """Said in place of a table without rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How much of something is gone. `alt` says the same in words."""

    used: float
    of: float
    kept: float = 0
    """Of what is left: set aside, so that others cannot take it."""
    alt: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPicture:
    """The day so far, for a picture: the pool's use and a member's against the clock."""

    begins: Instant
    now: Instant
    resets_at: Instant
    cap: int
    pool: Sequence[tuple[Instant, int]]
    """Units gone, each time it changed."""
    mine: Sequence[tuple[Instant, int]]
    level: float
    alt: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePicture:
    """Who used how much, for a picture; most first."""

    rows: Sequence[tuple[Value, int]]
    about: Say
    alt: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file to hand over."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An address to open, in private."""

    url: str
    said: Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A command that is offered as the next step: a button, where there are some."""

    path: tuple[str, ...]
    values: Mapping[str, str]
    said: Say
    danger: bool = False
    """It cannot be undone."""


Part: TypeAlias = Line | Facts | Table | Meter | DayPicture | UsePicture | Document | Link | Next


@dataclass(frozen=True, slots=True)
class Answer:
    """See the module."""

    parts: Sequence[Part]
    ok: bool = True
    """False: nothing was changed, and the first line says why and what to do."""
    private: bool = True
    """For the caller's eyes only. `Registry` sets it from the command."""
    change: int | None = None
    """Number of the change in the audit, if there was one."""
    ask: str | None = field(default=None)
    """A question the adapter now asks as it asks any message of the caller's: what `ask` does."""


def lines(*said: Say) -> Answer:
    """An answer of lines."""
    return Answer([Line(one) for one in said])


def refusal(said: Say) -> Answer:
    """Nothing was done, for this reason."""
    return Answer([Line(said)], ok=False)


def sentences(answer: Answer) -> list[Say]:
    """All that an answer says in words, in order: what a reader without pictures and tables is left with."""
    found: list[Say] = []
    for part in answer.parts:
        match part:
            case Line(said=said) | Link(said=said) | Next(said=said):
                found.append(said)
            case Meter(alt=alt) | DayPicture(alt=alt) | UsePicture(alt=alt):
                found.append(alt)
            case Table(rows=rows, none=none):
                if not rows:
                    found.append(none)
            case Facts() | Document():
                pass
            case _:
                assert_never(part)
    return found
