"""`python -m benchmarks.decision`: what one decision costs, and the tables it stands on."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from benchmarks.decision.measures import Costs, measure
from benchmarks.decision.pools import Size

SIZES = [
    *(Size(today=today, known=1_000_000) for today in (100, 1_000, 10_000)),
    *(Size(today=10_000, known=known) for known in (100, 10_000)),
    *(Size(today=10_000, known=1_000_000, communities=number) for number in (4, 50)),
]
GOAL = Size(today=10_000, known=1_000_000)
DECISION, TABLES = 1.0, 2_000.0
"""Milliseconds at most: p50 of a decision in a pool of that size; the tables a day needs."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", default=1000, show_default=True, type=click.IntRange(10), help="Questions for each pool.")
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(rounds: int, json_: bool) -> None:
    """What one decision costs with few and many members, today and in 28 days of history.

    The goals are printed with what was reached; missing one is no error.
    """
    found = [measure(size, rounds) for size in SIZES]
    if json_:
        click.echo(json.dumps({"rounds": rounds, "pools": [asdict(one) for one in found], "goals": _goals(found)}))
        return
    Console().print(_table(found))
    for goal, (limit, reached) in _goals(found).items():
        click.echo(f"{goal}: {reached:.2f} ms, at most {limit:g} ms: {'met' if reached <= limit else 'missed'}")


def _goals(found: list[Costs]) -> dict[str, tuple[float, float]]:
    judged = next(one for one in found if one.size == GOAL)
    return {
        f"a decision, p50, with {GOAL.name}": (DECISION, judged.decision_p50),
        "a day's tables": (TABLES, max(one.day_table for one in found)),
    }


def _table(found: list[Costs]) -> Table:
    table = Table(title="What a decision costs, in ms (p50 / p95)")
    table.add_column("pool")
    for title in ("decision", "ask to settled", "ask to refused", "a day's table", "28 tables", "begin", "memory"):
        table.add_column(title, justify="right")
    for one in found:
        table.add_row(
            one.size.name,
            f"{one.decision_p50:.2f} / {one.decision_p95:.2f}",
            f"{one.whole_p50:.2f} / {one.whole_p95:.2f}",
            "" if one.refusal_p50 is None else f"{one.refusal_p50:.2f}",
            f"{one.day_table:.0f}",
            f"{one.all_tables:.0f}",
            f"{one.begin:.0f}",
            f"{one.memory:.0f} MB",
        )
    return table


if __name__ == "__main__":
    main()
