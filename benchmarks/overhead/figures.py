"""Figures with their goals, as a table and as JSON. Goals are ratios wherever they can be: machines differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.overhead.parties import Party

TITLES: Mapping[Party, str] = {"bare": "bare aiohttp", "openai": "OpenAI SDK", "potluck": "Potluck"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Potluck's figure is at most `limit`: of the unit, or times another party's."""

    limit: float
    times: Party | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured, over several rounds in which the parties took turns."""

    name: str
    unit: str
    rounds: Mapping[Party, Sequence[float]]
    goals: Sequence[Goal] = ()

    def median(self, party: Party) -> float:
        return statistics.median(self.rounds[party])

    def reached(self, goal: Goal) -> float | None:
        """What the goal limits: the median over the rounds. None: who it is compared with is not there."""
        if goal.times is None:
            return self.median("potluck")
        if goal.times not in self.rounds:
            return None
        pairs = zip(self.rounds["potluck"], self.rounds[goal.times], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    return [
        {
            "name": figure.name,
            "unit": figure.unit,
            "median": {party: round(figure.median(party), 1) for party in figure.rounds},
            "rounds": {party: [round(value, 1) for value in values] for party, values in figure.rounds.items()},
            "goals": [
                {"limit": goal.limit, "times": goal.times, "reached": round(reached, 2), "met": reached <= goal.limit}
                for goal in figure.goals
                if (reached := figure.reached(goal)) is not None
            ],
        }
        for figure in figures
    ]


def as_table(figures: Sequence[Figure]) -> Table:
    table = Table(title="What Potluck adds to a call of OpenRouter")
    table.add_column("")
    for title in TITLES.values():
        table.add_column(title, justify="right")
    table.add_column("goal")
    for figure in figures:
        cells = [f"{figure.median(party):,.0f} {figure.unit}" if party in figure.rounds else "" for party in TITLES]
        table.add_row(figure.name, *cells, "\n".join(_met(figure, goal) for goal in figure.goals))
    return table


def _met(figure: Figure, goal: Goal) -> str:
    reached = figure.reached(goal)
    limit = f"at most {goal.limit:g} " + (f"× {TITLES[goal.times]}" if goal.times else figure.unit)
    if reached is None:
        return f"{limit}: not measured"
    verdict = "[green]met[/]" if reached <= goal.limit else "[red]missed[/]"
    return f"{limit}: {reached:.2g}, {verdict}" if goal.times else f"{limit}: {verdict}"
