"""What was found, as a person reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.scale.measures import Found, Layer, Shape
from benchmarks.scale.several import Several


def shapes(found: Sequence[Found]) -> Iterator[Table | str]:
    """Few and many members and pools, and whether a lease costs the same with all."""
    yield _table(
        "Leases a second, medians, by one caller and by 100; what disk and driver do alone",
        (
            "database",
            "pools",
            "known",
            "1 caller",
            "100 callers",
            "disk syncs",
            "driver alone",
            "of the disk",
            "CPU, ms",
        ),
        [
            (
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
            for one in found
        ],
    )
    for first in (one for one in found if one.shape.pools == 1 and one.shape.known == 100):
        own = [one for one in found if one.shape.kind == first.shape.kind]
        yield f"{first.shape.kind}: one caller, of the disk's rate: {first.one / first.sync:.2f} (goal at least 0.4)"
        yield f"{first.shape.kind}: a hundred callers: {first.hundred / first.one:.1f} times one caller"
        for one in own:
            if one is not first:
                against = f"{_name(one.shape)}, against {_name(first.shape)}"
                yield f"time of a core for a lease with {against}: {one.cpu / first.cpu:.2f} (goal 1.2)"


def several(found: Sequence[Several]) -> Iterator[Table | str]:
    """By how many processes, and what was busy meanwhile."""
    yield _table(
        "Leases a second over PostgreSQL, by several processes at once; each settled, too",
        ("processes", "leases", "against one", "cores, processes", "cores, PostgreSQL", "leases by core"),
        [
            (
                f"{one.processes}",
                f"{one.leases:,.0f}",
                f"{one.leases / found[0].leases:.2f}",
                f"{one.clients:.2f}",
                "elsewhere" if one.server is None else f"{one.server:.2f}",
                f"{one.by_core:,.0f}",
            )
            for one in found
        ],
    )
    yield "Where the cores of both are all there are, more processes cannot give more: leases by core should not fall."


def layers(found: Sequence[Layer]) -> Iterator[Table | str]:
    """What each layer costs above the fastest."""
    yield _table(
        "A lease's rows in one transaction, one after another: transactions a second, medians",
        ("database", "by", "a second", "CPU, ms"),
        [(one.kind, one.name, f"{one.leases:,.0f}", f"{one.cpu:.2f}") for one in found],
    )


SHOWN: Mapping[str, Callable[[Sequence[Any]], Iterator[Table | str]]] = {
    "shapes": shapes,
    "processes": several,
    "layers": layers,
}


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title)
    for number, column in enumerate(columns):
        text = number == 0 or column == "by"
        table.add_column(column, justify="left" if text else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _name(shape: Shape) -> str:
    return f"{shape.kind}, {shape.pools:,} {'pool' if shape.pools == 1 else 'pools'}, {shape.known:,} members known"
