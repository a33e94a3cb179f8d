"""The level: how many units each member may have taken today, as days like this one would have it.

For each past day the question is the same: if the rest of today went like that one, which level would spend
exactly what is left? The answers, weighted by how like today the days are, give the level as a quantile:
a generous one for a member's first unit of the day, a careful one for more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.quota.demand import LOTS, WIDEST, Crowd
from bot.quota.history import Array
from bot.quota.past import Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Which quantile of the days' answers counts. Lower protects those who come late, higher spends more."""

    first: float = 0.6
    """For a member's first unit of the day."""
    more: float = 0.35
    """For the next units, where there are many for each."""
    scarce: float = 0.35
    """For the next units, where there are few; not above `more`, which is not above `first`."""
    soft: float = 0.1
    """For "probably so many more today"."""

    @property
    def waits_for_few(self) -> bool:
        """It is more careful where there are few units for each."""
        return self.scarce < self.more

    def next_units(self, answers: Forecast, sure: Forecast) -> float:
        """The level for a member's next units: by `scarce` up to a level of FEW, by `more` from MANY on, and between
        the two in proportion. It rises whenever the days' answers do.

        `sure` are the answers for what is surely left, which count where there are few; none is above the day's own.
        """
        roomy = answers.level(self.more)
        if not self.waits_for_few or roomy >= MANY:
            return roomy
        careful = sure.level(self.scarce)
        return careful + (roomy - careful) * max(0.0, roomy - FEW) / (MANY - FEW)


FEW, MANY = 2.0, 6.0
"""Units for each member."""
PLAIN = Caution()
HOLDING = Caution(first=0.3, more=0.15, scarce=0.08, soft=0.05)
"""Where refused questions wait for room until the day ends, caution wastes next to nothing. Least of all where few
units are left for each: with many, a member's two held questions are soon fewer than the share that waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAnswer:
    """What one day says: the level that would spend exactly what is left if today went on like it."""

    day: int | None
    """None is the invented day of a thin history."""
    weight: float
    level: float
    """Infinite where everything wanted would fit."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """All the days' answers at one moment, from the lowest level to the highest."""

    levels: Array
    weights: Array
    _cumulated: Array
    _order: npt.NDArray[np.intp]
    _days: tuple[int | None, ...]
    """As the outlook has them: brought into order only for who looks at them."""

    @classmethod
    def of(cls, outlook: Outlook, levels: Array) -> Forecast:
        order = levels.argsort(kind="stable")
        weights = outlook.weights[order]
        return cls(levels[order], weights, weights.cumsum(), order, outlook.days)

    def level(self, quantile: float) -> float:
        """The lowest level at which the days that allow no more have at least the weight `quantile`."""
        at = int(self._cumulated.searchsorted(quantile - 1e-9))
        return float(self.levels[min(at, len(self.levels) - 1)])

    @property
    def answers(self) -> tuple[DayAnswer, ...]:
        return tuple(
            DayAnswer(day=self._days[at], weight=float(weight), level=float(level))
            for at, weight, level in zip(self._order, self.weights, self.levels, strict=True)
        )


_WIDTHS = (16, 64, WIDEST)
"""Levels looked at first, and on if the answer may lie beyond: it hardly ever does."""


def forecast(crowd: Crowd, outlook_to: Callable[[int], Outlook], left: Array) -> Forecast:
    """Ask every day of an outlook for its level, when `left` [day] requests can still be answered.

    The outlook is asked for as far as the answer may lie.
    """
    left = np.maximum(left, 0.0)
    for width in _WIDTHS:
        outlook = outlook_to(crowd.reach(width))
        fits = unbounded(crowd, outlook) <= left
        if fits.all():  # then no curve is needed, as in most hours of most pools
            levels = np.full(len(left), np.inf)
            break
        levels = np.where(fits, np.inf, spending(curves(crowd, outlook, width), left))
        if not np.any(levels == width):
            break
    return Forecast.of(outlook, levels)


@dataclass(frozen=True, slots=True)
class Curves:
    """Under each day, what the rest of today takes at each level."""

    slopes: Array
    """[day, x] for whole levels from 0, without the steps."""
    heights: Array
    """[day, row] how high a step is."""
    steps: Array
    """[row, level] how many steps lie between a whole level and the next."""
    parts: Array
    """[row, level, part] where between."""


def curves(crowd: Crowd, outlook: Outlook, width: int) -> Curves:
    """Today's curves for levels from 0 to `width`."""
    slopes = crowd.slopes(outlook, width) + outlook.newcomers[:, : width + 1]
    return Curves(slopes, *crowd.steps(outlook, width))


def unbounded(crowd: Crowd, outlook: Outlook) -> Array:
    """[day] what the rest of today takes if nothing holds anyone back."""
    return crowd.unbounded(outlook) + outlook.newcomers[:, -1]


def spending(of: Curves, left: Array) -> Array:
    """[day] the level at which each day's curve takes exactly `left`; the last one where it is not within the curve."""
    days = np.arange(len(left))
    stepped, bound = bool(of.steps.any()), left[:, np.newaxis]
    whole = of.slopes
    if stepped:
        whole = whole.copy()
        whole[:, 1:] += of.heights @ of.steps.cumsum(axis=1)
    low = _last_within(whole, bound)
    # Between two whole levels the slope is straight; the steps come in their parts.
    base, rise = whole[days, low], of.slopes[days, low + 1] - of.slopes[days, low]
    fine = np.empty((len(left), LOTS + 1))
    fine[:, 0] = base
    fine[:, 1:] = base[:, np.newaxis] + rise[:, np.newaxis] * _PARTS
    if stepped:
        fine[:, 1:] += np.einsum("kr,rkp->kp", of.heights, of.parts[:, low]).cumsum(axis=1)
    part = _last_within(fine, bound)
    below, above = fine[days, part], fine[days, part + 1]
    within = np.divide(left - below, above - below, out=np.ones_like(left), where=above > below)
    level: Array = low + (part + np.minimum(np.maximum(within, 0), 1)) / LOTS
    return level


def _last_within(curve: Array, bound: Array) -> npt.NDArray[np.intp]:
    """[day] up to where a rising curve [day, x] takes no more than `bound` [day, 1]; never its last x."""
    within = np.add.reduce(curve <= bound, axis=1, dtype=np.intp)
    last: npt.NDArray[np.intp] = np.minimum(np.maximum(within - 1, 0), curve.shape[1] - 2)
    return last


_PARTS = np.arange(1, LOTS + 1) / LOTS
