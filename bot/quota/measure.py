"""How fair a day was, against what someone who had known every question in advance would have done.

The clairvoyant gives everyone up to one level, as high as the pool allows (max-min). The max-min ratio is
the part of that allocation which really happened: it falls both for units left over and for units that went
to members who had had their share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

_EARLY, _LATE = 8 * 3600.0, 16 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FairAllocation:
    """What the clairvoyant gives."""

    level: int
    """Every member gets this many units, or all they asked for."""
    over: int
    """Units left once all have them: one more for so many of those who want it, whoever they are."""

    def share(self, demand: int, sharers: int) -> float:
        """The units a member with this demand may expect, `sharers` being those who want more than the level."""
        return demand if demand <= self.level else self.level + min(1.0, self.over / sharers)


def clairvoyant(demands: Iterable[int], units: int) -> FairAllocation:
    """The integer max-min allocation of `units` over members who want so many each."""
    rest = sorted(demands)
    level, left = 0, units
    while rest:
        lowest = rest[0] - level
        rise = min(lowest, left // len(rest))
        level, left = level + rise, left - rise * len(rest)
        if rise < lowest:
            break
        rest = [demand for demand in rest if demand > level]
    return FairAllocation(level=level, over=left)


def max_min_ratio(demand: Mapping[str, int], given: Mapping[str, int], units: int) -> float:
    """The part of the clairvoyant's allocation that happened, 0 to 1. A day without demand is a perfect one."""
    wanted = sum(demand.values())
    if wanted == 0 or units <= 0:
        return 1.0
    return _matched(demand, given, clairvoyant(demand.values(), units)) / min(units, wanted)


def two_level_ratio(
    demand: Mapping[str, Mapping[str, int]],
    given: Mapping[str, Mapping[str, int]],
    units: int,
    weights: Mapping[str, float] | None = None,
) -> float:
    """The same where communities share first, by weight and each up to its demand, and members within them.

    `demand` and `given` are by community, then by member.
    """
    totals = {name: sum(members.values()) for name, members in demand.items()}
    if not sum(totals.values()) or units <= 0:
        return 1.0
    matched = 0
    for name, share in community_shares(totals, units, weights or {}).items():
        matched += _matched(demand[name], given.get(name, {}), clairvoyant(demand[name].values(), share))
    return matched / min(units, sum(totals.values()))


def community_shares(demand: Mapping[str, int], units: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Units each community gets: by weight, up to its demand, one at a time so that all are used."""
    shares = dict.fromkeys(demand, 0)
    for _ in range(min(units, sum(demand.values()))):
        unmet = [name for name in demand if shares[name] < demand[name]]
        shares[min(unmet, key=lambda name: ((shares[name] + 1) / weights.get(name, 1.0), name))] += 1
    return shares


def _matched(demand: Mapping[str, int], given: Mapping[str, int], fair: FairAllocation) -> int:
    within = sum(min(given.get(member, 0), wanted, fair.level) for member, wanted in demand.items())
    above = sum(wanted > fair.level and given.get(member, 0) > fair.level for member, wanted in demand.items())
    return within + min(fair.over, above)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayMeasure:
    """One day's figures. Satisfaction is units given ÷ fair share, at most 1."""

    max_min_ratio: float
    utilisation: float
    satisfaction: float
    worst_satisfaction: float
    """The lowest twentieth's."""
    jain: float
    """Jain's index of satisfaction: 1 when all are equally satisfied."""
    with_nothing: float
    """Share of the members who asked and got nothing."""
    early: float
    """Mean satisfaction of members who first asked before 08:00 UTC; not a number where nobody did."""
    late: float
    """Of those who first asked from 16:00 UTC on."""


def satisfaction(demand: Mapping[str, int], given: Mapping[str, int], units: int) -> dict[str, float]:
    """By member, units given ÷ the clairvoyant's share; a share's whole part is enough for 1."""
    fair = clairvoyant(demand.values(), units)
    sharers = sum(wanted > fair.level for wanted in demand.values())
    result = {}
    for member, wanted in demand.items():
        share, got = fair.share(wanted, sharers), given.get(member, 0)
        result[member] = 1.0 if got >= int(share) >= 1 else min(1.0, got / share) if share else 1.0
    return result


def measure(
    demand: Mapping[str, int], given: Mapping[str, int], units: int, first_asked: Mapping[str, float]
) -> DayMeasure:
    """All figures of a day. `first_asked` is the second of the day of each member's first question."""
    satisfied = satisfaction(demand, given, units)
    values = np.array(list(satisfied.values())) if satisfied else np.ones(1)
    squares = float((values**2).sum())
    wanted = sum(demand.values())
    return DayMeasure(
        max_min_ratio=max_min_ratio(demand, given, units),
        utilisation=sum(given.values()) / max(1, min(units, wanted)) if wanted else 1.0,
        satisfaction=float(values.mean()),
        worst_satisfaction=float(np.quantile(values, 0.05)),
        jain=float(values.sum()) ** 2 / (len(values) * squares) if squares else 0.0,
        with_nothing=sum(given.get(member, 0) == 0 for member in demand) / max(1, len(demand)),
        early=_mean(satisfied[member] for member, second in first_asked.items() if second < _EARLY),
        late=_mean(satisfied[member] for member, second in first_asked.items() if second >= _LATE),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else float("nan")
