"""What came of a play, held against the caps, the clairvoyant and the books."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.processes.asking import Asking
from bot.openrouter.sandbox import SandboxAttempt
from bot.quota.ledger import WINDOW, Caps
from bot.quota.measure import max_min_ratio
from tests.acceptance.audit import CUT, Books
from tests.fakes.deployment import most_in_any


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One play's figures."""

    asked: int
    answered: int
    """Whole or stopped at the end: what its member got."""
    used: int
    """Units of the day's, those included that a kill cut off."""
    cut: int
    worst_minute: int
    """The most requests the sandbox saw in any sixty seconds."""
    refused: int
    """429s."""
    fairness: float
    """The max-min ratio, by who was answered: the part that happened of what a clairvoyant had given, who knew every
    question in advance and had all units that the caps allowed in that time but those that kills cut off."""
    evenness: float
    """The same, had the clairvoyant had no more units than were answered: whatever was left over is not counted."""
    faults: Sequence[str]
    """Where ledger and sandbox do not agree."""
    late: float
    """Seconds by which the latest question was asked too late: those who ask were not what the play waited for."""
    endings: Mapping[str, int]
    """What the members heard."""
    kills: int = 0
    busy: float = 0.0
    """Seconds of a processor that all processes together had, without PostgreSQL."""


def findings(
    seconds: float,
    caps: Caps,
    wanted: Counter[str],
    books: Books,
    attempts: Sequence[SandboxAttempt],
    asking: Asking,
) -> Findings:
    """Measure a play of so many seconds, in which each member wanted so much."""
    given = Counter(lease.member for lease in books.leases if lease.outcome in ("answered", "stopped"))
    cut = sum(lease.outcome in CUT for lease in books.leases)
    units = min(caps.rpd, caps.rpm * math.ceil(seconds / WINDOW))
    return Findings(
        asked=wanted.total(),
        answered=given.total(),
        used=sum(books.used.values()),
        cut=cut,
        worst_minute=most_in_any(60, [attempt.at for attempt in attempts]),
        refused=sum(attempt.status == 429 for attempt in attempts),
        fairness=max_min_ratio(wanted, given, units - cut),
        evenness=max_min_ratio(wanted, given, given.total()),
        faults=list(books.faults()),
        late=asking.sent_late,
        endings=dict(asking.endings),
    )
