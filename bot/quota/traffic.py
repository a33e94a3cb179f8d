"""Traffic to simulate: who asked when, out of a file, made, or as this deployment has seen it."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bot.clock import DAY, Instant, day_of, day_start
from bot.errors import PotluckError
from bot.quota.history import Ask

COLUMNS = ("ts", "community", "user")
_LATEST = 253_402_300_800
"""The year 10,000. A later moment is one in milliseconds."""


class TraceError(PotluckError):
    """A trace cannot be read; one line names the row and its fault."""


class Request(NamedTuple):
    """One request somebody made."""

    id: int
    """Its row, from 0."""
    at: Instant
    community: str
    user: str

    @property
    def day(self) -> int:
        return day_of(self.at)


def read_trace(file: Path) -> list[Request]:
    """The requests of a CSV file (gzipped if it ends in .gz), in order of time.

    Raises:
        TraceError: a row is not a request, or there are none.
    """
    try:
        # newline="" leaves line ends to csv; utf-8-sig takes off the mark that spreadsheets put in front.
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", newline="", encoding="utf-8-sig") as lines:
            requests = list(_rows(file, csv.reader(lines, strict=True)))
    except OSError as error:
        raise TraceError(f"{file}: {error.strerror or error}.") from None
    except (csv.Error, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise TraceError(f"{file} is no whole CSV file: {error}.") from None
    if not requests:
        raise TraceError(f"{file} has no rows.")
    return sorted(requests, key=lambda request: request.at)


def _rows(file: Path, lines: Iterator[list[str]]) -> Iterator[Request]:
    header = [name.strip() for name in next(lines, [])]
    if missing := [name for name in COLUMNS if name not in header]:
        raise TraceError(f"{file}, header: no column {', '.join(missing)}. It must be {','.join(COLUMNS)}.")
    where = [header.index(name) for name in COLUMNS]
    for number, row in enumerate(line for line in lines if line):
        if len(row) != len(header):
            raise TraceError(f"{file}, row {number}: {len(row)} columns where the header has {len(header)}.")
        written, community, user = (row[at] for at in where)
        if not user:
            raise TraceError(f"{file}, row {number}: user is empty.")
        yield Request(number, _moment(file, number, written), community, user)


def _moment(file: Path, number: int, written: str) -> Instant:
    try:
        moment = float(written)
    except ValueError:
        moment = math.nan
    if not 0 <= moment < _LATEST:
        raise TraceError(f"{file}, row {number}: ts {written!r} is no time in seconds since 1970.")
    return Instant(moment)


def of_days(days: Mapping[int, Sequence[Ask]]) -> list[Request]:
    """The same questions as requests, numbered in order of time."""
    asks = ((day, ask) for day in sorted(days) for ask in sorted(days[day]))
    return [
        Request(number, Instant(day_start(day) + ask.second), ask.community, ask.member)
        for number, (day, ask) in enumerate(asks)
    ]


def by_day(requests: Iterable[Request]) -> dict[int, list[Ask]]:
    """The same requests as the days' questions."""
    days: dict[int, list[Ask]] = {}
    for request in requests:
        days.setdefault(request.day, []).append(Ask(request.at % DAY, request.community, request.user))
    return days
