"""What admins lay down for a pool: who counts how much, who has units besides, who is kept out, what is held back.

The whole of it is one value. A change makes a new one, checked as a whole before anything takes effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.clock import Instant
from bot.messages import CommunityId

WEIGHT_MAX = 100.0
"""Its inverse is the least."""
UNITS_MAX = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A member is kept out."""

    until: Instant | None = None
    """None: until an admin says otherwise."""

    def stands(self, moment: Instant) -> bool:
        """Kept out at that moment."""
        return self.until is None or moment < self.until


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
    after: Mapping[int, int] = field(default_factory=dict)
    """How many units the member had taken of such a day when units were granted: those are not used up by them."""
    block: Block | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        for units in (self.every_day, *self.on_day.values(), *self.after.values()):
            _check_units(units)

    def grant(self, day: int) -> int:
        """Units besides the share on a day."""
        return self.every_day + self.on_day.get(day, 0)


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
    blocks: Mapping[tuple[str, CommunityId], Block] = field(default_factory=dict)
    """Members who are kept out of a community; of all of them, where it is named by no letter."""

    def __post_init__(self) -> None:
        for weight in self.communities.values():
            _check_weight(weight)

    def member(self, key: str) -> MemberTerms:
        return self.members.get(key, _DEFAULT)

    def barred(self, key: str, community: CommunityId, moment: Instant) -> Block | None:
        """What keeps a member out of a community at that moment; None: nothing does."""
        everywhere = self.blocks.get((key, CommunityId("")))
        for block in (self.member(key).block, everywhere, self.blocks.get((key, community))):
            if block is not None and block.stands(moment):
                return block
        return None


def _check_weight(weight: float) -> None:
    if not (math.isfinite(weight) and 1 / WEIGHT_MAX <= weight <= WEIGHT_MAX):
        raise ValueError(f"a weight is from {1 / WEIGHT_MAX:g} to {WEIGHT_MAX:g}")


def _check_units(units: int) -> None:
    if not 0 <= units <= UNITS_MAX:
        raise ValueError(f"units are a whole number from 0 to {UNITS_MAX:,}")


_DEFAULT = MemberTerms()
NO_TERMS = Terms()
"""Everyone alike."""
