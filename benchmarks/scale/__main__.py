"""`python -m benchmarks.scale`: how many leases a second one database gives, with few and many pools and members."""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.scale.deployment import deployed, rate
from benchmarks.scale.floors import syncs, transactions
from benchmarks.scale.stores import Kind, stores
from bot.storage.units import Where

MEMBERS = (100, 10_000, 1_000_000)
POOLS = (1, 100, 10_000)
KINDS: tuple[Kind, ...] = ("sqlite", "postgres")
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a deployment has."""

    kind: Kind
    pools: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Leases a second, medians of rounds that took turns with the floors."""

    shape: Shape
    one: float
    """One caller."""
    hundred: float
    """A hundred at once, who share transactions."""
    sync: float
    """The disk, in the same rounds."""
    raw: float
    """The driver alone, in the same rounds."""
    cpu: float
    """Milliseconds of a core for a lease of one caller's."""


def shapes(kind: Kind) -> list[Shape]:
    """What is measured over a kind of database."""
    return [
        *(Shape(kind=kind, pools=1, known=known) for known in MEMBERS),
        *(Shape(kind=kind, pools=pools, known=100) for pools in POOLS[1:]),
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--leases", default=400, show_default=True, type=click.IntRange(100), help="Of each kind in a round.")
@click.option("--only", type=click.Choice(KINDS), help="One kind of database.")
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(leases: int, only: Kind | None, json_: bool) -> None:
    """Leases a second through the whole admission path, beside what the disk and the driver do with the same rows.

    PostgreSQL is one of the benchmark's own, or that of TEST_POSTGRES_URL.
    """
    logging.disable(logging.WARNING)  # that a hundred at once wait is what is measured
    kinds = (only,) if only else KINDS
    wanted = [shape for kind in kinds for shape in shapes(kind)]
    with tempfile.TemporaryDirectory(prefix="potluck-scale-") as folder, stores(Path(folder), kinds) as places:
        found = [
            asyncio.run(_measured(shape, leases, places[shape.kind], Path(folder)))
            for shape in track(wanted, "measuring", console=Console(stderr=True))
        ]
    if json_:
        click.echo(json.dumps([asdict(one) for one in found]))
        return
    Console().print(_table(found))
    for kind in kinds:
        _judge([one for one in found if one.shape.kind == kind])


def _judge(found: list[Found]) -> None:
    first = found[0]
    click.echo(f"{first.shape.kind}: one caller, of the disk's rate: {first.one / first.sync:.2f} (goal at least 0.4)")
    click.echo(f"{first.shape.kind}: a hundred callers: {first.hundred / first.one:.1f} times one caller")
    for one in found[1:]:
        against = f"{_name(one.shape)}, against {_name(first.shape)}"
        click.echo(f"time of a core for a lease with {against}: {one.cpu / first.cpu:.2f} (goal 1.2)")


async def _measured(shape: Shape, leases: int, places: Iterator[Where], folder: Path) -> Found:
    rounds: list[tuple[float, ...]] = []
    async with deployed(next(places), pools=shape.pools, known=shape.known) as schedulers:
        await rate(schedulers, callers=1, leases=leases)  # warms up
        for _ in range(_ROUNDS):
            one = await rate(schedulers, callers=1, leases=leases)
            hundred = await rate(schedulers, callers=100, leases=5 * leases)
            floors = syncs(folder), await transactions(next(places))
            rounds.append((one.leases, hundred.leases, *floors, one.cpu))
    medians = [statistics.median(values) for values in zip(*rounds, strict=True)]
    return Found(shape=shape, one=medians[0], hundred=medians[1], sync=medians[2], raw=medians[3], cpu=medians[4])


def _name(shape: Shape) -> str:
    return f"{shape.kind}, {shape.pools:,} {'pool' if shape.pools == 1 else 'pools'}, {shape.known:,} members known"


def _table(found: list[Found]) -> Table:
    table = Table(title="Leases a second, medians, by one caller and by 100; what disk and driver do alone")
    table.add_column("database", no_wrap=True)
    for title in (
        "pools",
        "known",
        "1 caller",
        "100 callers",
        "disk syncs",
        "driver alone",
        "1 caller / disk",
        "CPU, ms",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.shape.kind,
            f"{one.shape.pools:,}",
            f"{one.shape.known:,}",
            f"{one.one:,.0f}",
            f"{one.hundred:,.0f}",
            f"{one.sync:,.0f}",
            f"{one.raw:,.0f}",
            f"{one.one / one.sync:.2f}",
            f"{one.cpu:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
