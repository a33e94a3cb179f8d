"""A sentence as data: English with named values, put into words for its reader by `adapters/rendering/saying`.

The English text is also the key of the catalogues: `make texts` gathers every `say(…)` and `says(…)`, so their first
arguments are written out where they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeAlias

from bot.clock import Instant
from bot.messages import Member


@dataclass(frozen=True, slots=True)
class At:
    """A moment, shown by the reader's clock."""

    moment: Instant


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time in seconds, shown in the largest units that fit."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Usd:
    """US dollars."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Percent:
    """A part of one."""

    part: float


@dataclass(frozen=True, slots=True)
class Code:
    """A name that must be copied exactly: a model, a command, a number of a change. Shown as code where there is."""

    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """A role or a user group of a platform."""

    kind: str
    """`role` or `group`."""
    id: str


Value: TypeAlias = "str | int | float | Member | At | Span | Usd | Percent | Code | Group | Say"
"""What a sentence may hold. A `str` was written by a person or another program: shown as it is, never as markup."""


@dataclass(frozen=True, slots=True)
class Say:
    """Made by `say` and `says`."""

    text: str
    values: Mapping[str, Value] = field(default_factory=dict)
    plural: str = ""
    """The text for other counts than one; empty: the sentence counts nothing."""
    count: int = 1

    def given(self, **values: Value) -> Say:
        """The same, with values for its slots."""
        return replace(self, values={**self.values, **values})

    def counting(self, count: int) -> Say:
        """The same for another count."""
        return replace(self, values={**self.values, "count": count}, count=count)


def say(text: str, /, **values: Value) -> Say:
    """A sentence. `{name}` in it stands for the value of that name."""
    return Say(text, values)


def says(one: str, many: str, count: int, /, **values: Value) -> Say:
    """A sentence that counts: `one` where the count is one (in English), else `many`. `{count}` is the count."""
    return Say(one, {**values, "count": count}, plural=many, count=count)
