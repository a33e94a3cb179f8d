"""What communities would still take today if nothing held them back, and how the pool is poured out over them.

Each decision between communities asks this of all of them, and in most nothing has happened meanwhile. So it is worked
out for all at once, out of the two columns of the history's tables and the few counts of those here that it takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bot.quota.history import HABITS, Array
from bot.quota.past import INVENTED_WANTS, History, between_edges, credible, invented_course, size

_ROUNDS = 60
_EXACT = 1e-12
"""Part of what there is by which what is poured out may differ from it."""


def wants(histories: Sequence[History], totals: Array, seen: Array, second: float) -> Array:
    """[day, room] units the rest of the day would take, if it went like each day of the histories' outlook.

    Room by room: its history, its `Crowd.totals` and its members seen. All histories are of the same days.
    """
    newcomers, first, whole = _ends(histories, seen, second)
    plain, stepped, steps, sure = np.split(totals[:, np.newaxis], (HABITS, 2 * HABITS, 3 * HABITS), axis=2)
    # A refused member's next unit is a step of its own; what comes after it is the rest of that member's wants.
    here = whole * plain + np.maximum(whole - first, 0) * stepped + first * steps
    taken: Array = newcomers + here.sum(axis=2) + sure[..., 0]
    return taken.T


def _ends(histories: Sequence[History], seen: Array, second: float) -> tuple[Array, Array, Array]:
    """[room, day] what newcomers want in all, [room, day, habit] a returning member's next unit and all of them."""
    newcomers = np.empty((len(histories), 0))
    first = whole = np.empty((len(histories), 0, HABITS))
    if histories[0].days:
        edge, part = between_edges(second)
        near, far = (np.stack([history.ends[at] for history in histories]).astype(float) for at in (edge, edge + 1))
        now = near + part * (far - near)
        newcomers = now[..., 1] * credible(size(seen[:, np.newaxis], now[..., 0]))
        first, whole = now[..., 2 : 2 + HABITS], now[..., 2 + HABITS :]
    if histories[0].thin:
        arrivals, stay = invented_course(second, seen)
        one = np.full((len(histories), 1, HABITS), stay)
        newcomers = np.concatenate((newcomers, arrivals[:, np.newaxis] * INVENTED_WANTS), axis=1)
        first, whole = np.concatenate((first, one), axis=1), np.concatenate((whole, one * INVENTED_WANTS), axis=1)
    return newcomers, first, whole


def heights(wanted: Array, taken: Array, weights: Array, left: float) -> Array:
    """[day] how high water stands that fills rooms by weight over what they have taken, each up to its wants.

    `wanted` is [day, room], `taken` and `weights` are [room]. Where all wants fit, it covers them.
    """
    low, high = np.zeros(len(wanted)), np.full(len(wanted), float(((taken + left) / weights).max()))
    scarce = wanted.sum(axis=1) > left
    height = np.where(scarce, (left + taken.sum()) / weights.sum(), high)
    for _ in range(_ROUNDS):
        rise = height[:, np.newaxis] * weights - taken
        over = np.clip(rise, 0, wanted).sum(axis=1) - left
        unmet = scarce & (np.abs(over) > _EXACT * (1 + left + taken.sum()))
        if not unmet.any():
            break
        low, high = np.where(over <= 0, height, low), np.where(over <= 0, high, height)
        # Straight to where it would stand if the same rooms went on filling; if that is out of reach, halfway.
        slope = ((rise > 0) & (rise < wanted)) @ weights
        guess = height - np.divide(over, slope, out=np.full_like(over, np.inf), where=slope > 0)
        height = np.where(unmet, np.where((guess > low) & (guess < high), guess, (low + high) / 2), height)
    return height
