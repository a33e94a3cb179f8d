"""What a simulated run came to: the figures of its days, together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import numpy as np

from bot.clock import DAY
from bot.quota.measure import DayMeasure, clairvoyant, community_shares, measure, satisfaction, two_level_ratio
from bot.quota.simulated import Fate, Promises
from bot.quota.traffic import Request

_Who: TypeAlias = tuple[str, str]
"""Community, if they share by communities, and member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Means over days with requests, unless it says otherwise. Times are seconds; None: there was nothing to measure.

    A member's part of a day is what was sent and did not fail in the end.
    """

    policy: str
    days: int
    max_min_ratio: float
    worst_tenth: float
    """The max-min ratio that a tenth of the days stay below."""
    utilisation: float
    satisfaction: float
    worst_satisfaction: float
    """Of each day's lowest twentieth of members."""
    jain: float
    with_nothing: float
    early: float | None
    late: float | None
    wait_p50: float | None
    wait_p95: float | None
    """From the question to its sending, over those that were not held."""
    held: int
    held_sent: int
    held_median: float | None
    """From the question to its sending, over those that were held and sent."""
    sent: int
    refused: int
    expired: int
    failed: int
    units_on_retries: int
    promised: int
    """Units set aside for a member after an answer, in all of the run."""
    promises_kept: int
    """All of them but those whose member asked in time and was not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The same, day by day and member by member."""

    figures: Figures
    ratios: Sequence[tuple[int, float]]
    """Each day with requests and its max-min ratio."""
    satisfied: Sequence[tuple[float, float]]
    """For each member and day, the second of the first question and the satisfaction."""


def figures(
    policy: str,
    fates: Sequence[Fate],
    *,
    rpd: int,
    between_communities: bool = False,
    promises: Promises | None = None,
) -> Figures:
    """The figures of a run. Between communities, the max-min ratio is that of sharing in two levels."""
    return course(policy, fates, rpd=rpd, between_communities=between_communities, promises=promises).figures


def course(
    policy: str,
    fates: Sequence[Fate],
    *,
    rpd: int,
    between_communities: bool = False,
    promises: Promises | None = None,
) -> Course:
    """The figures of a run with the days they come from."""
    promises = promises or Promises()
    days = _by_day(fates)
    measured = [_measured(day, rpd) for day in days]
    ratios = [
        _two_level(day, rpd) if between_communities else one.max_min_ratio
        for day, one in zip(days, measured, strict=True)
    ]
    waits = [fate.sent_at - fate.request.at for fate in fates if fate.sent_at is not None and not fate.held]
    held = [fate.sent_at - fate.request.at for fate in fates if fate.sent_at is not None and fate.held]
    endings = Counter(fate.ending for fate in fates)
    found = Figures(
        policy=policy,
        days=len(days),
        max_min_ratio=fmean(ratios),
        worst_tenth=_quantile(ratios, 0.1) or 0.0,
        utilisation=fmean(one.utilisation for one in measured),
        satisfaction=fmean(one.satisfaction for one in measured),
        worst_satisfaction=fmean(one.worst_satisfaction for one in measured),
        jain=fmean(one.jain for one in measured),
        with_nothing=fmean(one.with_nothing for one in measured),
        early=_mean(one.early for one in measured),
        late=_mean(one.late for one in measured),
        wait_p50=_quantile(waits, 0.5),
        wait_p95=_quantile(waits, 0.95),
        held=sum(fate.held for fate in fates),
        held_sent=len(held),
        held_median=_quantile(held, 0.5),
        sent=len(waits) + len(held),
        refused=endings["refused"],
        expired=endings["expired"],
        failed=endings["failed"],
        units_on_retries=sum(fate.retried for fate in fates),
        promised=promises.given,
        promises_kept=promises.given - promises.broken,
    )
    return Course(
        figures=found,
        ratios=[(day[0].request.day, ratio) for day, ratio in zip(days, ratios, strict=True)],
        satisfied=[one for day in days for one in _satisfied(day, rpd)],
    )


def of_the_clairvoyant(fates: Sequence[Fate], *, rpd: int, between_communities: bool = False) -> Course:
    """The course of someone who had known every request: each is sent at once, or is none of those to send."""
    known: list[Fate] = []
    for day in _by_day(fates):
        best = _allocation(day, rpd, between=between_communities)
        for fate in day:
            who = _who(fate.request, between=between_communities)
            sent = best[who] > 0
            best[who] -= sent
            known.append(
                Fate(fate.request, sent_at=fate.request.at if sent else None, ending="answered" if sent else "refused")
            )
    return course("clairvoyant", known, rpd=rpd, between_communities=between_communities)


def _allocation(day: Sequence[Fate], units: int, *, between: bool) -> Counter[_Who]:
    """Max-min over members, or over communities first. What is over goes to those who asked first."""
    wanted = Counter(_who(fate.request, between=between) for fate in day)
    totals: Counter[str] = Counter()
    for (community, _), count in wanted.items():
        totals[community] += count
    best: Counter[_Who] = Counter()
    for name, share in community_shares(totals, units, {}).items():
        group = {who: count for who, count in wanted.items() if who[0] == name}
        fair = clairvoyant(group.values(), share)
        best.update({who: min(count, fair.level) for who, count in group.items()})
        best.update([who for who, count in group.items() if count > fair.level][: fair.over])
    return best


def _who(request: Request, *, between: bool) -> _Who:
    return (request.community if between else "", request.user)


def _by_day(fates: Iterable[Fate]) -> list[list[Fate]]:
    days: dict[int, list[Fate]] = {}
    for fate in fates:
        days.setdefault(fate.request.day, []).append(fate)
    return list(days.values())


def _measured(day: Sequence[Fate], rpd: int) -> DayMeasure:
    first: dict[str, float] = {}
    for fate in day:
        first.setdefault(fate.request.user, fate.request.at % DAY)
    demand = Counter(fate.request.user for fate in day)
    return measure(demand, Counter(fate.request.user for fate in day if fate.given), rpd, first)


def _satisfied(day: Sequence[Fate], rpd: int) -> list[tuple[float, float]]:
    demand = Counter(fate.request.user for fate in day)
    satisfied = satisfaction(demand, Counter(fate.request.user for fate in day if fate.given), rpd)
    first: dict[str, float] = {}
    for fate in day:
        first.setdefault(fate.request.user, fate.request.at % DAY)
    return [(second, satisfied[member]) for member, second in first.items()]


def _two_level(day: Sequence[Fate], rpd: int) -> float:
    demand: dict[str, Counter[str]] = {}
    given: dict[str, Counter[str]] = {}
    for fate in day:
        community, user = fate.request.community, fate.request.user
        demand.setdefault(community, Counter())[user] += 1
        given.setdefault(community, Counter())[user] += fate.given
    return two_level_ratio(demand, given, rpd)


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else None


def _quantile(values: Sequence[float], part: float) -> float | None:
    return float(np.quantile(values, part)) if values else None
