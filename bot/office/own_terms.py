"""What admins laid down for one member, or for all with a role: read from what is kept, and put together. Pure.

What is not set is left to others: a member's own terms come first, value by value, then the best of their roles',
then the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.clock import Instant
from bot.errors import StorageError
from bot.office.edits import Json
from bot.quota.terms import UNITS_MAX, Block, MemberTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTerms:
    """See the module. None, or a day that is not named: not set.

    Raises:
        ValueError: a number that makes no sense; says which would.
    """

    weight: float | None = None
    every_day: int | None = None
    """Units besides the share, each day."""
    on_day: Mapping[int, int] = field(default_factory=dict)
    """The same on single UTC days."""
    after: Mapping[int, int] = field(default_factory=dict)
    """Units taken of such a day before: see `bot.quota.terms.MemberTerms.after`."""
    block: Block | None = None

    def __post_init__(self) -> None:
        MemberTerms(weight=self.weight or 1.0, every_day=self.every_day or 0, on_day=self.on_day, after=self.after)
        if self.weight == 0:
            raise ValueError("a weight is not 0")

    @classmethod
    def read(cls, kept: Json) -> OwnTerms:
        """Raises: StorageError: they are no terms. Taken for none, they would let in whoever was blocked."""
        if kept is None:
            return NOT_SET
        try:
            found: Any = kept
            block = found.get("block")
            return cls(
                weight=found.get("weight"),
                every_day=found.get("every_day"),
                on_day={int(day): units for day, units in found.get("on_day", {}).items()},
                after={int(day): units for day, units in found.get("after", {}).items()},
                block=None if block is None else Block(until=_instant(block["until"])),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StorageError(f"What admins laid down for a member cannot be read: {error!r}.") from error

    def written(self, *, today: int) -> Json:
        """As it is kept. Days that are over are left out, and None is left of what sets nothing."""
        kept: dict[str, Json] = {}
        if self.weight is not None:
            kept["weight"] = self.weight
        if self.every_day is not None:
            kept["every_day"] = self.every_day
        if to_come := {str(day): units for day, units in sorted(self.on_day.items()) if day >= today and units}:
            kept["on_day"] = to_come
            if after := {day: self.after[int(day)] for day in to_come if self.after.get(int(day))}:
                kept["after"] = after
        if self.block is not None:
            kept["block"] = {"until": self.block.until}
        return kept or None

    def granting(self, units: int, *, day: int | None, after: int = 0) -> OwnTerms:
        """With so many units more, on a day or every day; no more than there can be.

        Args:
            after: units taken of that day that none of the day's granted ones were used for.
        """
        if day is None:
            return replace(self, every_day=min(UNITS_MAX, (self.every_day or 0) + units))
        on_day = {**self.on_day, day: min(UNITS_MAX, self.on_day.get(day, 0) + units)}
        return replace(self, on_day=on_day, after={**self.after, day: after})

    @property
    def sets_nothing(self) -> bool:
        """But for a block, which is no terms of those who may ask."""
        return self.weight is None and self.every_day is None and not self.on_day


NOT_SET = OwnTerms()


def best(terms: Sequence[OwnTerms]) -> OwnTerms:
    """Of several roles', the best for who has them, value by value."""
    days = {day for one in terms for day in one.on_day}
    return OwnTerms(
        weight=max((one.weight for one in terms if one.weight is not None), default=None),
        every_day=max((one.every_day for one in terms if one.every_day is not None), default=None),
        on_day={day: max(one.on_day.get(day, 0) for one in terms) for day in days},
        after={day: max(one.after.get(day, 0) for one in terms) for day in days},
    )


def together(terms: Sequence[OwnTerms]) -> MemberTerms:
    """What holds of several, the first that sets a value first. Blocks are not put together: see `Terms.blocks`."""
    days = {day for one in terms for day in one.on_day}
    return MemberTerms(
        weight=next((one.weight for one in terms if one.weight is not None), 1.0),
        every_day=next((one.every_day for one in terms if one.every_day is not None), 0),
        on_day={day: next(one.on_day[day] for one in terms if day in one.on_day) for day in sorted(days)},
        after={day: next(one.after.get(day, 0) for one in terms if day in one.on_day) for day in sorted(days)},
    )


def _instant(value: float | None) -> Instant | None:
    return None if value is None else Instant(value)
