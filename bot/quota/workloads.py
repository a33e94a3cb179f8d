"""Made traffic of known character, seeded: what a rule is tried on besides what people really did.

Each kind is a community of members who come on about every second day, in sittings of a few questions, more
by day than by night. What sets the kinds apart is what goes wrong with the day: nothing, a flood, a wave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from bot.clock import DAY
from bot.quota.history import DAYS, Ask

Kind: TypeAlias = Literal[
    "poisson",
    "heavytail",
    "flat",
    "flooder",
    "flooder_new",
    "latewave",
    "latewave_new",
    "regime3x",
    "volatile",
    "burst",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

FIRST_DAY = 20_454
"""2026-01-01."""

_HOUR = 3600.0
_COMMUNITIES = 3
_OVERLOAD = 2.0
"""Mean demand ÷ rpd."""
_PRESENT = 0.5
_SITTING = 3.0
"""Questions in a row, on average."""
_PAUSE, _THINKING = 15.0, 90.0
"""Seconds from one question of a sitting to the next: at least, and on average on top."""
_FLOOD_START, _FLOOD_PAUSE, _FLOOD = 420.0, 3.5, 2000
_CHANGE = DAYS
"""Days until what comes unannounced sets in: after the warm-up."""

Profile: TypeAlias = npt.NDArray[np.float64]


def _profile(*weights: float) -> Profile:
    """Shares of the 24 hours out of weights of equally long spells."""
    hours = np.repeat(np.array(weights), 24 // len(weights))
    shares: Profile = hours / hours.sum()
    return shares


_BY_DAY = _profile(3, 2, 2, 3, 4, 4.5, 5.5, 6, 5.5, 5, 5, 4.5)
_ROUND_THE_CLOCK = _profile(1)
_EVENING = _profile(1, 1, 1, 1, 1, 1, 3, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regulars:
    """Members of one kind, and what a day of theirs is like."""

    name: str
    size: int
    mean: float
    """Questions a day of one who comes."""
    spread: float = 1.0
    """Standard deviation of the logarithm of how many a member asks."""
    present: float = _PRESENT
    hours: Profile
    sittings: bool = True
    """False: each question at a time of its own."""

    def day(self, rng: np.random.Generator) -> list[Ask]:
        asks: list[Ask] = []
        here = np.flatnonzero(rng.random(self.size) < self.present)
        wanted = rng.poisson(self.mean * rng.lognormal(-(self.spread**2) / 2, self.spread, len(here)))
        for index, questions in zip(here, wanted, strict=True):
            community = f"c{index % _COMMUNITIES}"
            times = self._times(rng, int(questions))
            asks.extend(Ask(second, community, f"{self.name}{index}") for second in times if second < DAY)
        return asks

    def _times(self, rng: np.random.Generator, questions: int) -> list[float]:
        times: list[float] = []
        while len(times) < questions:
            in_a_row = int(rng.geometric(1 / _SITTING)) if self.sittings else 1
            pauses = _PAUSE + rng.exponential(_THINKING, min(in_a_row, questions - len(times)) - 1)
            start = _HOUR * (rng.choice(24, p=self.hours) + rng.random())
            times.extend(float(start + waited) for waited in (0.0, *np.cumsum(pauses)))
        return times


def make(kind: Kind, *, rpd: int = 50, days: int = DAYS + 30, seed: int = 0) -> dict[int, list[Ask]]:
    """Days of traffic from FIRST_DAY on, questions in order of time, demand about twice `rpd`.

    What is unannounced (`flooder_new`, `latewave_new`, `regime3x`) sets in after the warm-up.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    size = 80 if rpd <= 100 else 400
    usual = Regulars(name="m", size=size, mean=_OVERLOAD * rpd / (size * _PRESENT), hours=_BY_DAY)
    return {FIRST_DAY + number: sorted(_MAKERS[kind](usual, number, rng)) for number in range(days)}


def _poisson(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    return replace(usual, spread=0.0, sittings=False).day(rng)


def _heavytail(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    return replace(usual, spread=1.3).day(rng)


def _flat(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    return replace(usual, hours=_ROUND_THE_CLOCK).day(rng)


def _flooder(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    flood = [Ask(_FLOOD_START + _FLOOD_PAUSE * number, "c0", "flooder") for number in range(_FLOOD)]
    return usual.day(rng) + flood


def _flooder_new(usual: Regulars, number: int, rng: np.random.Generator) -> list[Ask]:
    return usual.day(rng) if number < _CHANGE else _flooder(usual, number, rng)


def _latewave(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    return replace(usual, hours=_EVENING).day(rng)


def _latewave_new(usual: Regulars, number: int, rng: np.random.Generator) -> list[Ask]:
    """Every second day or so, as many members again come after 19:00."""
    calm = replace(usual, mean=usual.mean * 2 / 3)
    asks = calm.day(rng)
    if number >= _CHANGE and rng.random() < 0.5:
        wave = replace(calm, name=f"guest{number}-", hours=_EVENING).day(rng)
        asks += [ask for ask in wave if ask.second >= 19 * _HOUR]
    return asks


def _regime3x(usual: Regulars, number: int, rng: np.random.Generator) -> list[Ask]:
    """Ten days after the warm-up the members are three times as many, and stay."""
    before = replace(usual, mean=usual.mean / 2)
    more = replace(before, name="new", size=2 * usual.size)
    return before.day(rng) + (more.day(rng) if number >= _CHANGE + 10 else [])


def _volatile(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    """Some days see several times the demand of others, half in members and half in how much they ask."""
    size = float(np.sqrt(rng.lognormal(-0.18, 0.6)))
    return replace(usual, mean=usual.mean * size, present=min(1.0, _PRESENT * size)).day(rng)


def _burst(usual: Regulars, _number: int, rng: np.random.Generator) -> list[Ask]:
    """At 20:00 sixty guests ask three questions each within minutes: more than the minute lets through."""
    asks = replace(usual, mean=usual.mean * 0.6).day(rng)
    for guest in range(60):
        start = 20 * _HOUR + rng.uniform(0, 300)
        pauses = _PAUSE + rng.exponential(20, 2)
        asks += [Ask(float(start + wait), "c0", f"guest{guest}") for wait in (0.0, *np.cumsum(pauses))]
    return asks


_MAKERS: dict[Kind, Callable[[Regulars, int, np.random.Generator], list[Ask]]] = {
    "poisson": _poisson,
    "heavytail": _heavytail,
    "flat": _flat,
    "flooder": _flooder,
    "flooder_new": _flooder_new,
    "latewave": _latewave,
    "latewave_new": _latewave_new,
    "regime3x": _regime3x,
    "volatile": _volatile,
    "burst": _burst,
}
