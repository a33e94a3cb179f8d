"""A day that is over: its questions, and the tables made of them once, per quarter of an hour.

A day is kept as its questions (second, community, member under the day's own pseudonym), asked rather than
sent: what people wanted, not what they were given. Two tables come out of it, for any level x from 0 to 200
and for "no level at all" (the last column):

- newcomers: what members not yet seen will want in the rest of the day, Σ min(x, their questions);
- returning: what members already seen will still want, by how often they have asked so far.

No identity crosses midnight, so a table never says who.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from bot.clock import DAY

Array: TypeAlias = npt.NDArray[np.float64]
Table: TypeAlias = npt.NDArray[np.float32]
_Whole: TypeAlias = npt.NDArray[np.int64]

SLOTS = 96
SLOT = DAY / SLOTS
LEVELS = 200
"""The highest level the tables tell apart; column LEVELS + 1 is unbounded demand."""
HABITS = 3
"""Members are told apart by how often they have asked today: once, two or three times, more."""
DAYS = 28


class Ask(NamedTuple):
    """One question of a day."""

    second: float
    """Since 00:00 UTC."""
    community: str
    member: str


def habit(asks: int) -> int:
    """Which of the HABITS a member belongs to after so many questions today (at least one)."""
    return 0 if asks <= 1 else 1 if asks <= 3 else 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTable:
    """One past day. Rows are the SLOTS + 1 edges of its quarters of an hour.

    Columns x end with the most anyone asked that day, as more changes nothing, and then comes "unbounded".
    """

    day: int
    seen: Table
    """[edge] members who had asked by then."""
    newcomers: Table
    """[edge, x] Σ min(x, questions) over members who first ask after it."""
    returning: Table
    """[edge, habit, x] Σ min(x, questions still to come) over members who had asked by then."""
    counted: Table
    """[edge, habit] over how many members that is."""


def tabulate(day: int, asks: Iterable[Ask]) -> DayTable:
    """Build the table of one day, in time that grows with its questions only."""
    questions = list(asks)
    who = np.unique(np.array([ask.member for ask in questions], dtype=np.str_), return_inverse=True)[1]
    edge = np.minimum((np.array([ask.second for ask in questions]) // SLOT).astype(np.int64) + 1, SLOTS)
    total = np.bincount(who)
    columns = 2 + min(LEVELS, int(total.max(initial=0)))
    order = np.lexsort((edge, who))
    who, edge = who[order], edge[order]
    # At 00:00 everyone has yet to come. Each question moves its member on, with one less still to come.
    asked = np.arange(len(who)) - np.repeat(np.cumsum(total) - total, total)
    still, none = total[who] - asked, np.zeros_like(total)
    cells = _counted(none, none, total, columns)
    cells += _counted(edge, asked + 1, still - 1, columns) - _counted(edge, asked, still, columns)
    np.cumsum(cells, axis=0, out=cells)
    members, amounts = cells[..., :-1], cells[..., -1]
    sums = np.zeros(members.shape, dtype=np.float32)
    # One level more adds one unit for each who wants at least that much.
    sums[..., 1:] = members[..., :0:-1].cumsum(axis=-1)[..., ::-1].cumsum(axis=-1)
    sums[..., -1] = amounts
    counted = members.sum(axis=-1)[:, 1:].astype(np.float32)
    return DayTable(
        day=day,
        seen=counted.sum(axis=-1),
        newcomers=np.ascontiguousarray(sums[:, 0]),
        returning=np.ascontiguousarray(sums[:, 1:]),
        counted=counted,
    )


def _counted(edge: _Whole, asked: _Whole, still: _Whole, columns: int) -> Array:
    """[edge, group, x] how many of these have so much still to come, then how much that is in all.

    Group 0 has yet to come, the others are habits.
    """
    group = edge * (HABITS + 1) + np.digitize(asked, (1, 2, 4))
    shape = (SLOTS + 1, HABITS + 1, columns + 1)
    cells = np.empty(shape)
    many = np.bincount(group * columns + np.minimum(still, columns - 1), minlength=cells[..., :-1].size)
    cells[..., :-1] = many.reshape(*shape[:2], columns)
    cells[..., -1] = np.bincount(group, weights=still, minlength=shape[0] * shape[1]).reshape(shape[:2])
    return cells
