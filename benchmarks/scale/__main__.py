"""`python -m benchmarks.scale`: how many leases a second one database gives, with few and many pools, members and
processes, and what each layer above it costs."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.scale import tables
from benchmarks.scale.measures import KINDS, measured_layers, measured_several, measured_shapes, shapes_of
from benchmarks.scale.several import NUMBERS
from benchmarks.scale.stores import Kind, stores

WIDTH = 120
"""Columns of text, also where it goes to a file."""
PARTS = ("shapes", "processes", "layers")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--leases", default=400, show_default=True, type=click.IntRange(10, 1000), help="Of each in a round.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Of which the median counts.")
@click.option("--known", default=1_000_000, show_default=True, type=click.IntRange(100), help="Members at most.")
@click.option("--pools", default=10_000, show_default=True, type=click.IntRange(8), help="Pools at most.")
@click.option("--processes", multiple=True, type=click.IntRange(1, 8), help="So many at once; 1, 2 and 4, if unset.")
@click.option("--seconds", default=5.0, show_default=True, help="For which several processes answer, each time.")
@click.option("--only", type=click.Choice(KINDS), help="One kind of database.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="One part; all of them, if unset.")
@click.option("--json", "json_", is_flag=True, help="The figures as JSON.")
def main(
    leases: int,
    rounds: int,
    known: int,
    pools: int,
    processes: tuple[int, ...],
    seconds: float,
    only: Kind | None,
    parts: tuple[str, ...],
    json_: bool,
) -> None:
    """Leases a second through the whole admission path, beside what disk and driver do with the same rows (shapes);
    by 1, 2 and 4 processes over 10,000 pools in PostgreSQL (processes); the same rows by the driver, by SQLAlchemy's
    Core in one hop to a thread, and by its async engine (layers). About four minutes.

    PostgreSQL is one of the benchmark's own, or that of TEST_POSTGRES_URL.
    """
    logging.disable(logging.WARNING)  # that a hundred at once wait is what is measured
    kinds = (only,) if only else KINDS
    chosen, found = parts or PARTS, dict[str, list[Any]]()
    with (
        tempfile.TemporaryDirectory(prefix="potluck-scale-") as folder,
        stores(Path(folder), kinds) as places,
        Progress(console=Console(stderr=True)) as progress,
    ):
        if "shapes" in chosen:
            shapes = [one for kind in kinds for one in shapes_of(kind) if one.pools <= pools and one.known <= known]
            found["shapes"] = measured_shapes(shapes, places, Path(folder), progress, leases=leases, rounds=rounds)
        if "processes" in chosen and "postgres" in kinds:
            found["processes"] = measured_several(
                places["postgres"], processes or NUMBERS, progress, pools=pools, seconds=seconds
            )
        if "layers" in chosen:
            found["layers"] = measured_layers(places, progress, leases=leases, rounds=rounds)
    if json_:
        click.echo(json.dumps({part: [asdict(one) for one in rows] for part, rows in found.items()}))
        return
    for part, rows in found.items():
        for shown in tables.SHOWN[part](rows):
            click.echo(shown) if isinstance(shown, str) else Console(width=WIDTH).print(shown)


if __name__ == "__main__":
    main()
