"""What past days say about the rest of this one: which of them it may go like, and what members would still want then.

A day that began like today counts more, and one that was larger or smaller is scaled to it. Few members' habits lean on
those of all days, and one community's on everybody's. With hardly any past a day is invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from bot.clock import DAY
from bot.quota.history import DAYS, HABITS, LEVELS, SLOT, SLOTS, Array, DayTable, Table, tabulate

_Number = TypeVar("_Number", np.float32, np.float64)

COLUMNS = LEVELS + 2
_UNBOUNDED = LEVELS + 1
_ALL_LEVELS = range(LEVELS + 2)
_FEW_LEVELS = (0, 1, 2, _UNBOUNDED)
_AGEING = 0.97
_SAME_WEEKDAY, _SAME_KIND, _OTHER_KIND = 1.0, 0.6, 0.15
_SEEN_PRIOR = 32
"""Members added to both sides of "seen so far, today against then": early counts are mostly noise."""
_SPREAD = 0.5
_DAY_PRIOR, _FIRST_ASK_PRIOR = 3, 5
"""What one day's few members are worth against all days', and all days' against what a first question says."""
_FEW_DAYS = 7
_INVENTED_WEIGHT = 2
_INVENTED_STAY = 0.75
"""The invented day: after each question three of four members ask another, so four on average."""


def _levels(table: Table, levels: Sequence[int]) -> Table:
    """A table's columns for these levels; beyond those it has, the last bounded one says the same."""
    last = table.shape[-1] - 2
    chosen: Table = table[..., [-1 if level == _UNBOUNDED else min(level, last) for level in levels]]
    return chosen


def _widened(table: Table) -> Table:
    """A table for all levels."""
    bounded = table.shape[-1] - 1
    wide: Table = np.empty((*table.shape[:-1], COLUMNS), dtype=table.dtype)
    wide[..., :bounded] = table[..., :bounded]
    wide[..., bounded:-1] = table[..., bounded - 1 : bounded]
    wide[..., -1] = table[..., -1]
    return wide


def _up_to(table: npt.NDArray[_Number], reach: int) -> npt.NDArray[_Number]:
    """A table for all levels, as far as the level after `reach`."""
    narrow: npt.NDArray[_Number] = np.concatenate((table[..., : reach + 2], table[..., -1:]), axis=-1)
    return narrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How the rest of today may go, one row for each day it may go like."""

    days: tuple[int | None, ...]
    """None is the invented day."""
    weights: Array
    """[day] how like today it is; they add up to 1."""
    newcomers: Array
    """[day, x] units members not yet seen will want under level x, scaled to today's size."""
    returning: Array
    """[day, habit, x] units one member already here will still want."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stacked:
    """The tables of several days together, for some levels."""

    seen: Table
    """[edge, day]"""
    counts: Table
    """[edge, day, habit]"""
    newcomers: Table
    """[edge, day, x]"""
    sums: Table
    """[edge, day, habit, x]"""
    mean: Table
    """[edge, habit, x] what a member already here still wants, over all days."""


_EdgeRows: TypeAlias = tuple[Array, Array, Array]
"""[day] seen, [day, x] newcomers, [day, habit, x] returning."""
_Quarter: TypeAlias = list[tuple[Array, Array]]
"""The rows of the edge where a quarter of an hour begins, and by how much they grow until it ends."""


class History:
    """The last days, ready to be asked about one day."""

    def __init__(self, tables: Sequence[DayTable], day: int, *, wider: History | None = None) -> None:
        """`tables` are consecutive days before `day`, empty ones included; the newest DAYS count.

        `wider` is the history of all communities where this one is of a single one: few members' habits
        lean on everybody's.
        """
        self._tables = [table for table in tables if day - DAYS <= table.day < day]
        self._wider = wider
        self.day = day
        self.days = tuple(table.day for table in self._tables)
        self.thin = len(self.days) < _FEW_DAYS
        """So few days that the invented one counts too."""
        self._quarters: dict[tuple[int, int], _Quarter] = {}
        """By edge and level, those about the last moment asked for."""
        self._latest: tuple[tuple[float, int, int], Outlook] | None = None
        if self.days:
            self._likeness = np.array([_likeness(day, past) for past in self.days])

    @cached_property
    def _all(self) -> _Stacked:
        """Every column: put together once somebody here asks for a level."""
        bounded = max(table.newcomers.shape[1] for table in self._tables) - 1
        own = [*range(bounded), _UNBOUNDED]
        # What others want may go on where no member here ever did.
        return self._stacked(own, _ALL_LEVELS if self._wider is not None and self._wider.days else own)

    @cached_property
    def ends(self) -> Table:
        """[edge, day, …] of each table what members want first and in all: seen, newcomers in all, then by habit a
        returning member's next unit, then all of them. It is asked of communities in which nobody decides."""
        few = self._stacked(_FEW_LEVELS, _FEW_LEVELS)
        counts = few.counts[..., np.newaxis] + _DAY_PRIOR
        returning = (few.sums + _DAY_PRIOR * few.mean[:, np.newaxis]) / counts
        parts = few.seen[..., np.newaxis], few.newcomers[..., -1:], returning[..., 1], returning[..., -1]
        return np.concatenate(parts, axis=-1)

    def _stacked(self, columns: Sequence[int], of_mean: Sequence[int]) -> _Stacked:
        """These levels of the tables and of their mean."""
        newcomers = np.stack([_levels(table.newcomers, columns) for table in self._tables], axis=1)
        sums = np.stack([_levels(table.returning, columns) for table in self._tables], axis=1)
        counts = np.stack([table.counted for table in self._tables], axis=1)
        total, first = sums.sum(axis=1), _after_first(newcomers.sum(axis=1))[:, np.newaxis]
        if self._wider is not None and self._wider.days:
            first = _levels(self._wider.mean, of_mean)
        weight = counts.sum(axis=1)[..., np.newaxis] + _FIRST_ASK_PRIOR
        return _Stacked(
            seen=np.stack([table.seen for table in self._tables], axis=1),
            counts=counts,
            newcomers=newcomers,
            sums=sums,
            mean=(_levels(total, of_mean) + _FIRST_ASK_PRIOR * first) / weight,
        )

    @property
    def mean(self) -> Table:
        """[edge, habit, x] what a member already here still wants, over all days."""
        return self._all.mean

    @property
    def outlooks(self) -> int:
        """How many days an outlook has, the invented one included."""
        return len(self.days) + self.thin

    def outlook(self, second: float, seen: int, reach: int = LEVELS - 1) -> Outlook:
        """The rest of the day as it looks at `second`, when `seen` members have asked today.

        The tables go up to the level after `reach`, and then comes "unbounded": as much as an answer needs.
        """
        key = (second, seen, reach)
        if self._latest is None or self._latest[0] != key:
            self._latest = key, self._outlook(second, seen, reach)
        return self._latest[1]

    def _outlook(self, second: float, seen: int, reach: int) -> Outlook:
        if not self.days:
            newcomers, returning = _invented(second, seen, reach)
            return Outlook(days=(None,), weights=np.ones(1), newcomers=newcomers, returning=returning)
        edge, part = between_edges(second)
        then, newcomers, returning = (near + part * growth for near, growth in self._quarter(edge, reach))
        scale = size(seen, then)
        weights = self._likeness * np.exp(-(np.log(scale) ** 2) / (2 * _SPREAD**2))
        weights /= weights.sum()
        newcomers *= credible(scale)[:, np.newaxis]
        days: tuple[int | None, ...] = self.days
        if self.thin:
            invented = _invented(second, seen, reach)
            newcomers, returning = np.concatenate((newcomers, invented[0])), np.concatenate((returning, invented[1]))
            share = _INVENTED_WEIGHT / (len(days) + _INVENTED_WEIGHT)
            weights = np.append(weights * (1 - share), share)
            days = (*days, None)
        return Outlook(days=days, weights=weights, newcomers=newcomers, returning=returning)

    @property
    def usual_members(self) -> float:
        """Members a day, on average; 0 without history."""
        return float(self._all.seen[-1].mean()) if self.days else 0.0

    @property
    def usual_course(self) -> Array:
        """[edge] the part of a day's questions that has come by then, over all days; steady without history."""
        if not self.days or not self._all.newcomers[0, :, -1].any():
            return np.linspace(0, 1, SLOTS + 1)
        to_come = (self._all.newcomers[..., -1] + self._all.sums[..., -1].sum(axis=-1)).sum(axis=1)
        course: Array = 1 - to_come.astype(float) / to_come[0]
        return course

    def _quarter(self, edge: int, reach: int) -> _Quarter:
        """What holds in the quarter of an hour after an edge. As the day goes on it is asked for often."""
        if (edge, reach) not in self._quarters:
            self._quarters = {at: known for at, known in self._quarters.items() if abs(at[0] - edge) <= 1}
            ends = zip(self._edge_rows(edge, reach), self._edge_rows(edge + 1, reach), strict=True)
            self._quarters[edge, reach] = [(near, far - near) for near, far in ends]
        return self._quarters[edge, reach]

    def _edge_rows(self, edge: int, reach: int) -> _EdgeRows:
        """What holds at one edge of a quarter of an hour."""
        all_ = self._all
        prior = _DAY_PRIOR * _widened(all_.mean[edge])
        returning = (_widened(all_.sums[edge]) + prior) / (all_.counts[edge, ..., np.newaxis] + _DAY_PRIOR)
        newcomers = _widened(all_.newcomers[edge])
        return (
            all_.seen[edge].astype(float),
            _up_to(newcomers, reach).astype(float),
            _up_to(returning, reach).astype(float),
        )


class Past:
    """A pool's last days as one day sees them: over everyone and, for a level of its own each, by community."""

    def __init__(self, day: int, everyone: Sequence[DayTable], communities: Mapping[str, Sequence[DayTable]]) -> None:
        """`communities` may leave out days on which nobody of a community asked."""
        self.day = day
        self.everyone = History(everyone, day)
        self.communities = tuple(sorted(communities))
        self._tables = {name: {table.day: table for table in tables} for name, tables in communities.items()}

    def of(self, community: str) -> History:
        """One community's days, the same days as everyone's. An unknown community has had empty ones."""
        known = self._tables.get(community, {})
        tables = [known.get(day) or tabulate(day, ()) for day in self.everyone.days]
        return History(tables, self.day, wider=self.everyone)


def between_edges(second: float) -> tuple[int, float]:
    """The quarter of an hour a second lies in, and how much of it has passed."""
    edge = min(int(second // SLOT), SLOTS - 1)
    return edge, second / SLOT - edge


def size(seen: float | Array, then: Array) -> Array:
    """How full today is beside a past day, by the members seen so far."""
    sizes: Array = (seen + _SEEN_PRIOR) / (then + _SEEN_PRIOR)
    return sizes


def credible(sizes: Array) -> Array:
    """The same as far as newcomers are scaled by it."""
    scale: Array = np.minimum(np.maximum(sizes, 0.25), 4)  # np.clip takes three times as long
    return scale


def _likeness(day: int, past: int) -> float:
    """How much a past day is worth before anything of today is known."""
    weekday, then = (day + 3) % 7, (past + 3) % 7  # 1970-01-01 was a Thursday; 5 and 6 are the weekend
    alike = _SAME_KIND if (weekday >= 5) == (then >= 5) else _OTHER_KIND
    kind = _SAME_WEEKDAY if weekday == then else alike
    return float(kind * _AGEING ** (day - past))


def _after_first(newcomers: Table) -> Table:
    """[edge, x] what a newcomer wants after the first question: fills the habits while nobody has been seen."""
    first = newcomers[:, 1:2]
    shifted = np.concatenate((newcomers[:, 1:-1], newcomers[:, -2:-1], newcomers[:, -1:]), axis=1)
    after: Table = np.divide(shifted - first, first, out=np.zeros_like(shifted), where=first > 0)
    after[:, 0] = 0
    return after


_INVENTED: Array = (1 - _INVENTED_STAY ** np.append(np.arange(LEVELS + 1.0), np.inf)) / (1 - _INVENTED_STAY)
"""[x] what a member of the invented day asks under level x."""


def _invented(second: float, seen: int, reach: int) -> tuple[Array, Array]:
    """A day made up where history is thin: arrivals go on as so far, each member with four questions."""
    wants = _up_to(_INVENTED, reach)
    arrivals, stay = invented_course(second, seen)
    return (arrivals * wants)[np.newaxis], np.tile(stay * wants, (1, HABITS, 1))


INVENTED_WANTS = 1 / (1 - _INVENTED_STAY)
"""Questions of one member on the invented day, on average."""


def invented_course(second: float, seen: int | Array) -> tuple[Array, float]:
    """Of the invented day: members still to come, and how much of a day's questions those here still ask."""
    rest = DAY - second
    return np.asarray((seen + 3) / (second + 3 * 3600) * rest), min(1.0, rest / (DAY / 2))
