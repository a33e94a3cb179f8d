"""What is measured of a pool. Times are in milliseconds, sizes in megabytes."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.decision.pools import TODAY, Clock, Size, claim, days_before, member, scheduler_of
from bot.errors import Refused
from bot.quota.history import Ask
from bot.quota.ledger import Lease, Outcome
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import FairDays

_APART = 1.0
"""Seconds of the pool's day between two questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one pool."""

    size: Size
    decision_p50: float
    decision_p95: float
    """To explain why a member's next question may go, after something has changed."""
    whole_p50: float
    whole_p95: float
    """From asking through a lease of the ledger in memory to its settling."""
    refusal_p50: float | None
    """From asking to the refusal; None: there were none."""
    admitted: int
    day_table: float
    """To make the busiest day's table: once a day, in a thread."""
    all_tables: float
    """To make those of all days: once, at the start, in a thread."""
    begin: float
    """To begin the day on them, on the loop."""
    memory: float
    """What the tables and the day that begins on them hold."""


def measure(size: Size, rounds: int) -> Costs:
    """All costs of one pool."""
    past = days_before(size)
    days, all_tables, day_table = _remembered(size, past)
    began = perf_counter()
    days.begin(TODAY, 50)
    begin = (perf_counter() - began) * 1000
    decisions, wholes, refusals = asyncio.run(_asked(size, days, rounds))
    return Costs(
        size=size,
        decision_p50=_percentile(decisions, 50),
        decision_p95=_percentile(decisions, 95),
        whole_p50=_percentile(wholes, 50),
        whole_p95=_percentile(wholes, 95),
        refusal_p50=_percentile(refusals, 50) if refusals else None,
        admitted=len(wholes),
        day_table=day_table,
        all_tables=all_tables,
        begin=begin,
        memory=_memory(size, past),
    )


def _remembered(size: Size, past: Mapping[int, Sequence[Ask]]) -> tuple[FairDays, float, float]:
    days, times = FairDays(between_communities=size.communities > 1), []
    for day, asks in past.items():
        began = perf_counter()
        days.remember(day, asks)
        times.append((perf_counter() - began) * 1000)
    return days, sum(times), max(times)


def _memory(size: Size, past: Mapping[int, Sequence[Ask]]) -> float:
    tracemalloc.start()
    try:
        days, _, _ = _remembered(size, past)
        sharing = days.begin(TODAY, 50)
        held = tracemalloc.get_traced_memory()[0] / 1e6
        del sharing
    finally:
        tracemalloc.stop()
    return held


async def _asked(size: Size, days: FairDays, rounds: int) -> tuple[list[float], list[float], list[float]]:
    clock, chance = Clock(), random.Random(1)
    scheduler = await scheduler_of(size, days, clock)
    decisions, wholes, refusals = list[float](), list[float](), list[float]()
    for number in range(rounds + rounds // 10):
        clock.at += _APART
        who = chance.randrange(size.today + size.today // 10)  # some come for the first time
        began = perf_counter()
        scheduler.decision(*member(who, size))
        decided = perf_counter()
        admitted = await _ask(scheduler, who, size, number)
        ended = perf_counter()
        if number >= rounds // 10:  # those before it warm up
            decisions.append((decided - began) * 1000)
            (wholes if admitted else refusals).append((ended - decided) * 1000)
    await scheduler.close()
    return decisions, wholes, refusals


async def _ask(scheduler: Scheduler, who: int, size: Size, number: int) -> bool:
    whose, community = member(who, size)
    with suppress(Refused):
        async for step in scheduler.admit(whose, community, lambda: claim(whose, community, str(number))):
            if isinstance(step, Lease):
                scheduler.sent(step)
                await scheduler.settle(step, Outcome(result="answered"))
                return True
    return False


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")
