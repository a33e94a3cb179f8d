"""What admins lay down for a pool: who counts how much, who has units besides, who is kept out, what is held back.

The whole of it is one value. A change makes a new one, checked as a whole before anything takes effect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.clock import Instant
from bot.messages import Member

WEIGHT_MAX = 100.0
"""Its inverse is the least."""
UNITS_MAX = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A member is kept out."""

    until: Instant | None = None
    """None: until an admin says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTerms:
    """How one member is treated.

    Raises:
        ValueError: a number that makes no sense; says which and what would.
    """

    weight: float = 1.0
    """Multiplies the level, and the turns in line."""
    every_day: int = 0
    """Units besides the share, each day."""
    on_day: Mapping[int, int] = field(default_factory=dict)
    """Units besides the share on single UTC days."""
    block: Block | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        for units in (self.every_day, *self.on_day.values()):
            _check_units(units)

    def together(self, other: MemberTerms) -> MemberTerms:
        """Those of one person, of two accounts: what holds the person back of both, and of what is given the larger."""
        held_back = min(self.weight, other.weight)
        blocks = [terms.block for terms in (self, other) if terms.block is not None]
        return MemberTerms(
            weight=held_back if held_back < 1 else max(self.weight, other.weight),
            every_day=max(self.every_day, other.every_day),
            on_day={
                day: max(self.on_day.get(day, 0), other.on_day.get(day, 0)) for day in {*self.on_day, *other.on_day}
            },
            block=max(blocks, key=lambda block: math.inf if block.until is None else block.until, default=None),
        )

    def grant(self, day: int) -> int:
        """Units besides the share on a day."""
        return self.every_day + self.on_day.get(day, 0)

    def blocked(self, moment: Instant) -> bool:
        """Kept out at that moment."""
        return self.block is not None and (self.block.until is None or moment < self.block.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Units held back for an event that an admin has announced, until it begins."""

    units: int
    until: Instant

    def __post_init__(self) -> None:
        _check_units(self.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """See the module."""

    members: Mapping[str, MemberTerms] = field(default_factory=dict)
    """By `Member.key`. Whoever is not named has the default."""
    communities: Mapping[str, float] = field(default_factory=dict)
    """Weights between communities, by `CommunityId`; 1 where not named."""
    reserves: tuple[Reserve, ...] = ()
    """Each counts on every day until its moment."""

    def __post_init__(self) -> None:
        for weight in self.communities.values():
            _check_weight(weight)

    def member(self, key: str) -> MemberTerms:
        return self.members.get(key, _DEFAULT)

    def by_person(self, person: Callable[[Member], Member]) -> Terms:
        """The same over persons: what is laid down for any of their accounts holds for them, once."""
        members: dict[str, MemberTerms] = {}
        for key, own in self.members.items():
            whose = person(Member.parse(key)).key
            members[whose] = own if whose not in members else members[whose].together(own)
        return replace(self, members=members)


class TermsStore(Protocol):
    """Keeps a pool's terms. What was saved before a crash holds after it."""

    async def load(self) -> Terms: ...

    async def save(self, terms: Terms) -> None:
        """In place of those that were, whole or not at all."""
        ...


def _check_weight(weight: float) -> None:
    if not (math.isfinite(weight) and 1 / WEIGHT_MAX <= weight <= WEIGHT_MAX):
        raise ValueError(f"a weight is from {1 / WEIGHT_MAX:g} to {WEIGHT_MAX:g}")


def _check_units(units: int) -> None:
    if not 0 <= units <= UNITS_MAX:
        raise ValueError(f"units are a whole number from 0 to {UNITS_MAX:,}")


_DEFAULT = MemberTerms()
NO_TERMS = Terms()
"""Everyone alike."""
