"""A simulation's figures as a table for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from adapters.terminal.inert import inert
from bot.quota.figures import Course, Figures
from bot.quota.simulated import Setting
from bot.quota.trial import Trial

Cell = Callable[[Figures], str]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


_ROWS: tuple[tuple[str, Cell], ...] = (
    ("max-min ratio", lambda one: _share(one.max_min_ratio)),
    ("  worst tenth", lambda one: _share(one.worst_tenth)),
    ("utilisation", lambda one: _share(one.utilisation)),
    ("satisfaction", lambda one: _share(one.satisfaction)),
    ("  lowest 5 %", lambda one: _share(one.worst_satisfaction)),
    ("  Jain's index", lambda one: _share(one.jain)),
    ("  early (< 08:00)", lambda one: _share(one.early)),
    ("  late (≥ 16:00)", lambda one: _share(one.late)),
    ("with nothing", lambda one: _share(one.with_nothing)),
    ("wait p50", lambda one: _seconds(one.wait_p50)),
    ("wait p95", lambda one: _seconds(one.wait_p95)),
    ("requests sent", lambda one: f"{one.sent:,}"),
    ("  of those held", lambda one: f"{one.held_sent:,} of {one.held:,}"),
    ("  held, median", lambda one: _seconds(one.held_median)),
    ("refused", lambda one: f"{one.refused:,}"),
    ("expired", lambda one: f"{one.expired:,}"),
    ("failed", lambda one: f"{one.failed:,}"),
    ("units on retries", lambda one: f"{one.units_on_retries:,}"),
    ("promises kept", lambda one: f"{one.promises_kept:,} of {one.promised:,}" if one.promised else "–"),
)


def about(traffic: str, trial: Trial, setting: Setting) -> dict[str, object]:
    """What was run and judged."""
    days = sorted({request.day for request in trial.judged})
    conditions = {name: value for name, value in asdict(setting).items() if name != "policy"}
    span = {"from": _date(days[0]), "to": _date(days[-1])}
    return {"traffic": traffic, "requests": len(trial.judged), "days": len(days), **span, **conditions}


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def table(courses: Sequence[Course]) -> Table:
    """A column for each policy, the clairvoyant's last."""
    grid = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    grid.add_column("")
    policies = [one.figures for one in courses]
    for one in policies:
        grid.add_column(Text(one.policy), justify="right", style="dim" if one.policy == "clairvoyant" else "")
    for name, cell in _ROWS:
        grid.add_row(name, *(cell(one) for one in policies))
    return grid


def heading(evaluated: Mapping[str, object]) -> Text:
    """What was judged, in a line. The file's name comes from outside."""
    when = "on {from}" if evaluated["days"] == 1 else "on {days} days, {from} to {to}"
    text = "{traffic}: {requests:,} requests " + when + "; {rpd:,} a day, {rpm:,} a minute"
    return Text(inert(text.format_map(evaluated)))


def as_json(evaluated: Mapping[str, object], courses: Sequence[Course]) -> str:
    """`{"traffic", "from", "to", "days", "requests", the setting…, "policies": {name: figures}}`."""
    policies = [one.figures for one in courses]
    named = {one.policy: {name: value for name, value in asdict(one).items() if name != "policy"} for one in policies}
    return json.dumps({**evaluated, "policies": named}, ensure_ascii=False)


@contextmanager
def progress(days: int) -> Iterator[Callable[[str], None]]:
    """Shows on stderr how far it is; to be called with the policy whenever one of its days is over."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:8}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def day_over(policy: str) -> None:
            if policy not in tasks:
                tasks[policy] = bars.add_task(policy, total=days)
            bars.advance(tasks[policy])

        yield day_over
