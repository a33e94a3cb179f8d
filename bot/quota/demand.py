"""Who is here today and what they stand at, kept as counts so that no decision walks over the members.

A `Crowd` counts members by how often they have asked, by the units they have taken and by their weight, and
keeps apart two things that are known rather than guessed: a question that waits (it will certainly be sent,
once the level reaches it) and a refused member (who takes the next unit only once the level passes the
member's own lot). Both are steps of today's curve; everything else is a slope out of the history's tables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from bot.quota.history import HABITS, LEVELS, Array, habit
from bot.quota.past import Outlook

HEAVY = 12
"""Asked so often, a member is taken to ask as often again: a flooder does not look like an average."""
LOTS = 64
"""Into how many parts the steps between two whole levels are sorted."""

WIDEST = LEVELS - 1
"""The highest level a curve is worked out for."""

_ENDLESS = LEVELS + 1
_SURE = HABITS


def lot(member: str, day: int, unit: int) -> float:
    """In [0, 1): where, between two whole levels, a member's next unit lies. Asking again never changes it."""
    digest = blake2b(f"{day}/{unit}/{member}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


@dataclass(slots=True, kw_only=True)
class Standing:
    """One member's day so far. Units are requests."""

    member: str
    weight: float = 1.0
    """Multiplies the level: 0.5 for an account too young to be trusted with a whole share."""
    grant: int = 0
    """Units on top of the level, out of the pool's reserve, used first."""
    grant_after: int = 0
    """Units after which they were granted: those before them count against the level, and cannot have used them."""
    asks: int = 0
    taken: int = 0
    promised: int = 0
    promised_until: float = 0.0
    waiting: int = 0
    """Questions held."""
    refused: bool = False
    """The last answer was no, and nothing has been sent since."""

    @property
    def charged(self) -> int:
        """Units that count against the level: those the grant has not given."""
        return self.taken + self.promised - self.granted_used

    @property
    def granted_used(self) -> int:
        return min(self.grant, max(0, self.taken + self.promised - self.grant_after))

    @property
    def granted_left(self) -> int:
        return self.grant - self.granted_used


class _Group:
    """The counts of all members of one weight."""

    def __init__(self) -> None:
        self.starts = np.zeros((2, HABITS, _ENDLESS + 1))
        """[stepped, habit, unit] members whose requests to come are counted from that unit on."""
        self.floods = np.zeros(_ENDLESS + 2)
        """[unit] heavy members who begin less those who end to take one request for each level."""
        self.flood = 0


class Crowd:
    """Counts over the members seen today. `place` costs the same for ten members as for a million."""

    def __init__(self, day: int) -> None:
        self.day = day
        self._groups: dict[float, _Group] = {}
        self._steps = np.zeros((HABITS + 1, _ENDLESS, LOTS))
        self._steps_by_level = np.zeros((HABITS + 1, _ENDLESS))
        self._sure_beyond = 0

    def place(self, standing: Standing, sign: int = 1) -> None:
        """Count a member in (`sign` 1) or out (-1). Between the two, the standing must not change."""
        if standing.asks == 0:
            return
        group = self._groups.get(standing.weight)
        if group is None:
            group = self._groups[standing.weight] = _Group()
        base, heavy = standing.charged, standing.asks >= HEAVY
        stepped = standing.refused and not standing.waiting
        for unit in range(base, base + standing.waiting):
            self._step(standing, _SURE, unit, sign)
        if stepped:
            self._step(standing, _SURE if heavy else habit(standing.asks), base, sign)
        if heavy:
            first = base + standing.waiting + stepped
            group.floods[min(first, _ENDLESS)] += sign
            group.floods[min(first + standing.asks, _ENDLESS)] -= sign
            group.flood += sign * standing.asks
        else:
            group.starts[int(stepped), habit(standing.asks), min(base + standing.waiting + stepped, _ENDLESS)] += sign

    def _step(self, standing: Standing, row: int, unit: int, sign: int) -> None:
        at = (unit + lot(standing.member, self.day, unit)) / standing.weight
        level = int(at)
        if level < _ENDLESS:
            self._steps[row, level, int((at - level) * LOTS)] += sign
            self._steps_by_level[row, level] += sign
        else:
            self._sure_beyond += sign

    def reach(self, width: int) -> int:
        """Up to which of a member's own units the curves up to a level of `width` look."""
        return max(width, *(_own(width, weight) for weight in self._groups), 0)

    def slopes(self, outlook: Outlook, width: int) -> Array:
        """[day, level] what those here will still take at whole levels from 0 to `width`, the steps apart."""
        curve = np.zeros((len(outlook.days), width + 1))
        for weight, group in self._groups.items():
            reach = _own(width, weight)
            wants = outlook.returning[:, :, : reach + 2]
            # A refused member's next unit is a step of its own: from there on, what comes after it.
            after = np.maximum(wants[:, :, 1:] - wants[:, :, 1:2], 0)
            rows = np.concatenate((wants[:, :, :-1], after), axis=1).reshape(len(curve), -1)
            own = rows @ _shifts(group.starts.reshape(-1, _ENDLESS + 1), reach)
            if group.flood:
                own[:, 1:] += group.floods[:reach].cumsum().cumsum()
            curve += own if weight == 1 else _stretched(own, weight, width)
        return curve

    def steps(self, outlook: Outlook, width: int) -> tuple[Array, Array, Array]:
        """What is known to be taken, and where.

        Returns [day, row] the height of a step, [row, level] how many there are, [row, level, part] in detail.
        """
        return _heights(outlook), self._steps_by_level[:, :width], self._steps

    def unbounded(self, outlook: Outlook) -> Array:
        """[day] what those here will still take if nothing holds them back, steps and all."""
        total: Array = _heights(outlook) @ self._steps_by_level.sum(axis=1) + self._sure_beyond
        everything, first = outlook.returning[:, :, -1], outlook.returning[:, :, 1]
        wants = np.concatenate((everything, np.maximum(everything - first, 0)), axis=1)
        for group in self._groups.values():
            total += wants @ group.starts.sum(axis=2).ravel() + group.flood
        return total

    def totals(self) -> Array:
        """By habit the members here, by habit those of them whose next unit is a step, by habit the steps, and then
        the units that are sure: all it takes to tell what those here want without a bound."""
        starts = sum((group.starts.sum(axis=2) for group in self._groups.values()), np.zeros((2, HABITS)))
        steps = self._steps_by_level.sum(axis=1)
        sure = steps[_SURE] + self._sure_beyond + sum(group.flood for group in self._groups.values())
        return np.concatenate((starts.ravel(), steps[:HABITS], (sure,)))


def _heights(outlook: Outlook) -> Array:
    """[day, row] how high a step is: a member's next unit as far as it is likely, and what is sure."""
    heights = np.ones((len(outlook.days), HABITS + 1))
    heights[:, :HABITS] = outlook.returning[:, :, 1]
    return heights


def _own(width: int, weight: float) -> int:
    """The units a member of a weight may have taken at a level of `width`."""
    return min(WIDEST, math.ceil(width * weight))


def _shifts(starts: Array, reach: int) -> Array:
    """[row · y, x] how many members of a row stand x - y units up: turns one member's wants into all members'."""
    padded = np.zeros((len(starts), 2 * reach + 1))
    padded[:, reach:] = starts[:, : reach + 1]
    row, one = padded.strides
    # Each y begins one place before the y below it, in the same row.
    shifted: Array = np.ndarray(
        (len(starts), reach + 1, reach + 1), buffer=padded, offset=reach * one, strides=(row, -one, one)
    )
    return shifted.reshape(-1, reach + 1)


def _stretched(curve: Array, weight: float, width: int) -> Array:
    """A curve over a member's own units, as one over the level: at level x the member may take weight·x."""
    last = curve.shape[1] - 1
    at = np.minimum(np.arange(width + 1) * weight, last)
    low = at.astype(int)
    part = at - low
    stretched: Array = curve[:, low] * (1 - part) + curve[:, np.minimum(low + 1, last)] * part
    return stretched
