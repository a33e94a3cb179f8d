"""What came of plays, as a person reads it, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.processes.findings import Findings
from benchmarks.processes.play import Play

GOAL = 0.01
"""By how much several processes may be less fair than one."""
_LATE = 1.0
"""Seconds a question may be asked too late; beyond that the machine was busy with something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A play, and what came of it."""

    play: Play
    found: Findings
    less_fair: float | None
    """Than one process in the same round. None: it is that one."""


def name(what: Play) -> str:
    kills = "" if what.kill_every is None else ", kill -9"
    return f"{what.processes}{kills}{'' if what.policy == 'fair' else f', {what.policy}'}"


def remarks(row: Row) -> Iterator[str]:
    """What is not as it should be."""
    found = row.found
    if found.faults:
        yield f"{len(found.faults)} findings of the audit, the first: {found.faults[0]}"
    if found.worst_minute > row.play.rpm or found.refused or found.used > row.play.rpd:
        yield "a cap did not hold"
    if row.play.policy == "fair" and row.less_fair is not None and row.less_fair > GOAL:
        yield f"less fair than one process by {row.less_fair:.3f} (goal {GOAL})"
    if found.late > _LATE:
        yield f"a question was asked {found.late:.1f} s late: the machine was busy with something else"


def table(rows: Sequence[Row]) -> Table:
    shown = Table(title="A day of 1,000: what was asked, what was answered, and how fair it was")
    shown.add_column("processes", no_wrap=True)
    for title in (
        "rpm",
        "seed",
        "asked",
        "answered",
        "used",
        "kills",
        "cut",
        "worst minute",
        "429s",
        "fairness",
        "to one process",
        "of what was answered",
        "audit",
        "CPU, s",
    ):
        shown.add_column(title, justify="right")
    for row in rows:
        found = row.found
        shown.add_row(
            name(row.play),
            f"{row.play.rpm}",
            f"{row.play.seed}",
            f"{found.asked:,}",
            f"{found.answered:,}",
            f"{found.used:,}",
            f"{found.kills}",
            f"{found.cut}",
            f"{found.worst_minute} of {row.play.rpm}",
            f"{found.refused}",
            f"{found.fairness:.3f}",
            "" if row.less_fair is None else f"{-row.less_fair:+.3f}",
            f"{found.evenness:.3f}",
            f"{len(found.faults)}" if found.faults else "clean",
            f"{found.busy:,.0f}",
        )
    return shown
