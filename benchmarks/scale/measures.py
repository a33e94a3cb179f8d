"""What is measured over which database, in rounds that take turns, so that all meet the same moments of a machine."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from benchmarks.scale.deployment import AT_WORK, MEMBERS, deployed, make, rate
from benchmarks.scale.floors import syncs
from benchmarks.scale.layers import LAYERS, driver_by_statement, transactions
from benchmarks.scale.several import Several, several
from benchmarks.scale.stores import Kind
from bot.storage.units import Where

KNOWN = (100, 10_000, 1_000_000)
POOLS = (1, 100, 10_000)
_TOGETHER = 200
"""Pools that several processes have in which somebody asks."""
KINDS: tuple[Kind, ...] = ("sqlite", "postgres")
Places = dict[Kind, Iterator[Where]]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The same rows by one of the layers; medians."""

    kind: Kind
    name: str
    leases: float
    """Transactions a second."""
    cpu: float
    """Milliseconds of a core for each, the server's not counted."""


def shapes_of(kind: Kind) -> list[Shape]:
    """What is measured over a kind of database."""
    return [
        *(Shape(kind=kind, pools=1, known=known) for known in KNOWN),
        *(Shape(kind=kind, pools=pools, known=100) for pools in POOLS[1:]),
    ]


def measured_shapes(
    shapes: Sequence[Shape], places: Places, folder: Path, progress: Progress, *, leases: int, rounds: int
) -> list[Found]:
    """Few and many members and pools."""

    async def measured(shape: Shape) -> Found:
        where, found = next(places[shape.kind]), list[tuple[float, ...]]()
        make(where, pools=shape.pools, known=shape.known)
        async with deployed(where, range(min(shape.pools, AT_WORK))) as schedulers:
            await rate(schedulers, callers=1, leases=leases)  # warms up
            for _ in range(rounds):
                one = await rate(schedulers, callers=1, leases=leases)
                hundred = await rate(schedulers, callers=100, leases=min(2 * leases, MEMBERS))
                raw = await transactions(driver_by_statement, next(places[shape.kind]), number=leases)
                found.append((one.leases, hundred.leases, syncs(folder), raw.leases, one.cpu))
        one_, hundred_, sync, raw_, cpu = (statistics.median(values) for values in zip(*found, strict=True))
        return Found(shape=shape, one=one_, hundred=hundred_, sync=sync, raw=raw_, cpu=cpu)

    return [asyncio.run(measured(shape)) for shape in progress.track(shapes, description="shapes")]


def measured_several(
    places: Iterator[Where], numbers: Sequence[int], progress: Progress, *, pools: int, seconds: float
) -> list[Several]:
    """So many processes at a time over one database."""
    address = next(places)
    assert isinstance(address, str)
    make(address, pools=pools, known=100)
    at_work = min(pools, _TOGETHER)
    return [
        asyncio.run(several(address, number, pools=at_work // number, seconds=seconds))
        for number in progress.track(numbers, description="processes")
    ]


def measured_layers(places: Places, progress: Progress, *, leases: int, rounds: int) -> list[Layer]:
    """What stands between a program and its database."""
    found = []
    for kind in progress.track(list(places), description="layers"):
        rates = {name: list[tuple[float, float]]() for name in LAYERS}
        for _ in range(rounds):
            for name, layer in LAYERS.items():
                one = asyncio.run(transactions(layer, next(places[kind]), number=leases))
                rates[name].append((one.leases, one.cpu))
        for name, some in rates.items():
            each, cpu = (statistics.median(values) for values in zip(*some, strict=True))
            found.append(Layer(kind=kind, name=name, leases=each, cpu=cpu))
    return found
