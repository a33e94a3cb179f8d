"""`python -m benchmarks.processes`: a day of 1,000 questions shared by several processes, as fairly as by one."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from benchmarks.processes.findings import Findings
from benchmarks.processes.play import Play, TooBusyError, play
from benchmarks.processes.shown import Row, name, remarks, table
from benchmarks.scale.stores import stores
from bot.storage.units import Where

RPMS = (600, 20)
WIDTH = 150
"""Columns of text, also where it goes to a file."""


def plays(rpm: int, *, members: int, seconds: float, kill_every: float, seed: int) -> list[Play]:
    """One process first; the same questions at the same moments for all."""
    one = Play(processes=1, rpm=rpm, members=members, seconds=seconds, seed=seed)
    four = replace(one, processes=4)
    return [one, four, replace(four, kill_every=kill_every)]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rpm", "rpms", multiple=True, type=click.IntRange(1), help="The minute's cap; 600 and 20, if unset.")
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1), help="Each with other questions.")
@click.option("--members", default=400, show_default=True, type=click.IntRange(10))
@click.option("--seconds", default=185.0, show_default=True, type=click.FloatRange(25), help="Of each play.")
@click.option("--kill-every", default=5.0, show_default=True, type=click.FloatRange(1), help="Seconds.")
@click.option("--fcfs", is_flag=True, help="One more row: a process that lets those go first who ask first.")
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(
    rpms: tuple[int, ...], rounds: int, members: int, seconds: float, kill_every: float, fcfs: bool, json_: bool
) -> None:
    """A day's 1,000, asked for in its last three minutes by 400 members over the pages of one process, of four, and of
    four one of which is killed every few seconds (kill -9) and started again. About four minutes for each row.

    PostgreSQL is one of the benchmark's own, or that of TEST_POSTGRES_URL.
    """
    wanted = []
    for seed in range(1, rounds + 1):
        for rpm in rpms or RPMS:
            some = plays(rpm, members=members, seconds=seconds, kill_every=kill_every, seed=seed)
            wanted += [*some, replace(some[0], policy="fcfs")] if fcfs else some
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="potluck-processes-") as folder, stores(Path(folder), ("postgres",)) as at:
        for number, what in enumerate(track(wanted, "playing", console=Console(stderr=True))):
            rows.append(_row(what, _played(at["postgres"], Path(folder, str(number)), what), rows))
            click.echo(f"{name(what)}, rpm {what.rpm}: {asdict(rows[-1].found)}", err=True)
    if json_:
        click.echo(json.dumps([asdict(row) for row in rows]))
        return
    Console(width=WIDTH).print(table(rows))
    for row in rows:
        for said in remarks(row):
            click.echo(f"{name(row.play)}: {said}")


def _row(what: Play, found: Findings, before: list[Row]) -> Row:
    one = next(
        (row.found for row in before if replace(what, processes=1, kill_every=None, policy="fair") == row.play), None
    )
    return Row(play=what, found=found, less_fair=None if one is None else one.fairness - found.fairness)


def _played(places: Iterator[Where], folder: Path, what: Play) -> Findings:
    for attempt in count():
        address, own = next(places), folder / str(attempt)
        assert isinstance(address, str)
        own.mkdir(parents=True)
        try:
            return asyncio.run(play(address, own, what))
        except TooBusyError:
            click.echo("The processes took too long to start: the machine is busy. Once more.", err=True)
    raise AssertionError


if __name__ == "__main__":
    main()
