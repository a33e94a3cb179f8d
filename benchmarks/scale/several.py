"""Questions a second by several processes at once over one PostgreSQL, and what was busy: they or the server."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psycopg

from benchmarks.scale.deployment import plain
from benchmarks.scale.proc import TICKS, stat

NUMBERS = (1, 2, 4)
_CALLERS = 25
"""Of each process, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """What so many processes did together."""

    processes: int
    leases: float
    """A second, reserved on disk and settled on disk."""
    clients: float
    """Of a core, how much all processes together had."""
    server: float | None
    """The same of PostgreSQL. None: it does not run here."""

    @property
    def cores(self) -> float:
        return self.clients + (self.server or 0.0)

    @property
    def by_core(self) -> float:
        """Leases for a second of a core's, whoever had it."""
        return self.leases / self.cores


async def several(address: str, number: int, *, pools: int, seconds: float) -> Several:
    """Each process has so many pools, which no other uses."""
    workers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.scale.worker"),
            *(address, str(place * pools), str(pools), str(_CALLERS), str(seconds)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for place in range(number)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert await worker.stdout.readline() == b"ready\n", "a process did not start"
        server = _Server(address)
        began, before = perf_counter(), server.seconds()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(b"go\n")
        told = [await worker.stdout.readline() for worker in workers if worker.stdout is not None]
        took, after = perf_counter() - began, server.seconds()
        found = [[float(value) for value in line.split()] for line in told]
    finally:
        for worker in workers:
            if worker.stdin is not None:
                worker.stdin.close()
        await asyncio.gather(*(worker.wait() for worker in workers))
    return Several(
        processes=number,
        leases=sum(given for given, _ in found) / took,
        clients=sum(busy for _, busy in found) / took,
        server=None if before is None or after is None else (after - before) / took,
    )


class _Server:
    """The processes of a PostgreSQL on this machine."""

    def __init__(self, address: str) -> None:
        with psycopg.connect(plain(address), autocommit=True) as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            backend = stat(int(row[0]))
            self._first = int(backend[1]) if backend and backend[0] == "postgres" else None

    def seconds(self) -> float | None:
        """Of a processor, that all of them have had, those included that have ended. None: they are elsewhere."""
        if self._first is None:
            return None
        ticks = 0
        for folder in Path("/proc").iterdir():
            found = stat(int(folder.name)) if folder.name.isdigit() else None
            if found is None:
                continue
            if int(folder.name) == self._first:
                ticks += sum(int(value) for value in found[11:15])
            elif int(found[1]) == self._first:
                ticks += sum(int(value) for value in found[11:13])
        return ticks / TICKS
