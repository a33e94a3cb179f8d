"""`python -m benchmarks.overhead`: what Potluck costs beside the calls one would make without it."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.console import Console

from benchmarks.overhead import measures
from benchmarks.overhead.figures import Figure, Goal, as_json, as_table
from benchmarks.overhead.parties import PARTIES, Party, party
from benchmarks.overhead.upstream import upstream

_MESSAGES = 100
_BURSTS = (50, 200)

Rounds = dict[str, dict[Party, list[float]]]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="How often everyone takes a turn.")
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(rounds: int, json_: bool) -> None:
    """Potluck beside a bare aiohttp call and a warm OpenAI SDK, against a local upstream, turn by turn.

    The goals are printed with what was reached; missing one is no error.
    """
    measured: Rounds = defaultdict(lambda: defaultdict(list))
    with upstream() as url:
        asyncio.run(_in_turns(url, rounds, measured))
        _apart(url, rounds, measured)
    figures = _figures(measured)
    disk = measures.disk()
    conditions = {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "rounds": rounds,
        "fdatasync_p50_us": round(measures.percentile(disk, 50)),
        "fdatasync_p95_us": round(measures.percentile(disk, 95)),
    }
    if json_:
        click.echo(json.dumps({"conditions": conditions, "figures": as_json(figures)}))
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(as_table(figures))
    console.print(", ".join(f"{name} {value}" for name, value in conditions.items()), style="dim")
    if "openai" not in PARTIES:
        console.print("The OpenAI SDK is not installed: pip install -e '.[bench]' adds its column.", markup=False)


async def _in_turns(url: str, rounds: int, measured: Rounds) -> None:
    """What can be measured in one process, the parties interleaved."""
    async with AsyncExitStack() as stack:
        asks = {name: await stack.enter_async_context(party(name, url)) for name in PARTIES}
        for ask in asks.values():
            await measures.sends(ask, "warm", messages=_MESSAGES)
        for number in range(rounds):  # before the bursts: the connections those leave behind slow some clients down
            for name, ask in asks.items():
                sends = await measures.sends(ask, f"{number}", messages=_MESSAGES)
                for percent in (50, 95):
                    measured[f"send_p{percent}"][name].append(measures.percentile(sends, percent))
        for number in range(rounds):
            for size in _BURSTS:
                for name, ask in asks.items():
                    sends = await measures.burst(ask, f"{number}-{size}", messages=size)
                    for percent in (50, 99):
                        measured[f"burst{size}_p{percent}"][name].append(measures.percentile(sends, percent))
            for name, ask in asks.items():
                measured["live_cpu"][name].append(await measures.live(ask, f"{number}-live"))


def _apart(url: str, rounds: int, measured: Rounds) -> None:
    """What needs a fresh process each time."""
    if Path("/proc/self/statm").exists():
        for name in PARTIES:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
                measured["memory"][name].append(fresh.submit(measures.memory, name, url).result())
    with tempfile.TemporaryDirectory() as folder:
        measures.start(Path(folder), url)  # makes the database
        for _ in range(rounds):
            measured["start"]["bare"].append(measures.imports() / 1000)
            measured["start"]["potluck"].append(measures.start(Path(folder), url) / 1000)


def _figures(measured: Rounds) -> list[Figure]:
    goals: dict[str, Sequence[Goal]] = {
        "send_p50": [Goal(limit=8, times="bare"), Goal(limit=1, times="openai")],
        "live_cpu": [Goal(limit=0.5, times="openai")],
        "memory": [Goal(limit=150)],
        "start": [Goal(limit=3, times="bare")],
    }
    units = {"memory": "kB", "start": "ms"}
    return [
        Figure(name=name, unit=units.get(name, "µs"), rounds=rounds, goals=goals.get(name, ()))
        for name, rounds in measured.items()
    ]


if __name__ == "__main__":
    main()
