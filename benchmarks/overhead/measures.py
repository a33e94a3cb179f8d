"""What is measured, one round of one party at a time. Microseconds and kilobytes."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.overhead.parties import Ask, Party, party, settings
from benchmarks.overhead.upstream import wish
from bot.app import service
from bot.clock import SystemClock

_IN_A_ROW = 10
"""Messages of one conversation: Potluck reads and sends what came before, five turns on average."""
_STREAMS, _WORDS, _EVERY_MS = 100, 100, 20
_OPEN_STREAMS = 300
_LIBRARIES = (
    "aiohttp, aiosqlite, alembic, filelock, httpx, httpx_aiohttp, prometheus_client, pydantic_settings, sqlalchemy"
)
"""What a Potluck without adapters imports."""


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def sends(ask: Ask, name: str, *, messages: int) -> list[float]:
    """From each message to its request's arrival upstream, one message after the other."""
    return [await _send(ask, f"{name}-{number // _IN_A_ROW}", time.monotonic_ns()) for number in range(messages)]


async def burst(ask: Ask, name: str, *, messages: int) -> list[float]:
    """The same for messages of as many members that come in at one instant."""
    instant = time.monotonic_ns()
    return await asyncio.gather(*(_send(ask, f"{name}-{number}", instant) for number in range(messages)))


async def _send(ask: Ask, who: str, since: int) -> float:
    answer = await ask(wish(5), who=who)
    return (int(answer.split()[0]) - since) / 1000


async def live(ask: Ask, name: str) -> float:
    """Processor time per chunk while many answers stream at the pace of a model, threads included."""
    before = time.process_time()
    text = wish(_WORDS, every_ms=_EVERY_MS)
    await asyncio.gather(*(ask(text, who=f"{name}-{number}") for number in range(_STREAMS)))
    return (time.process_time() - before) * 1e6 / (_STREAMS * _WORDS)


def memory(name: Party, upstream: str) -> float:
    """Memory per open stream. For a process of its own, where nothing was freed before that could be used again."""

    async def measure() -> float:
        async with party(name, upstream) as ask:
            await asyncio.gather(*(ask(wish(5), who=f"warm-{number}") for number in range(20)))
            gc.collect()
            before = _resident()
            text = wish(20, every_ms=200)
            asked = asyncio.gather(*(ask(text, who=f"open-{number}") for number in range(_OPEN_STREAMS)))
            await asyncio.sleep(2)
            grown = _resident() - before
            await asked
            return grown / 1000 / _OPEN_STREAMS

    return asyncio.run(measure())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def imports() -> float:
    """From nothing to a Python that has imported the libraries Potluck stands on."""
    return _from_nothing(f"import {_LIBRARIES}")


def start(folder: Path, upstream: str) -> float:
    """From nothing to a Potluck that would answer, on the database in the folder."""
    return _from_nothing(f"from benchmarks.overhead.measures import ready; ready({str(folder)!r}, {upstream!r})")


def ready(folder: str, upstream: str) -> None:
    """Start and end a Potluck, saying when it was ready."""

    async def run() -> None:
        async with service(settings(Path(folder), upstream), SystemClock()):
            print(time.monotonic_ns(), flush=True)

    asyncio.run(run())


def _from_nothing(code: str) -> float:
    began = time.monotonic_ns()
    command = [sys.executable, "-c", f"{code}\nimport time; print(time.monotonic_ns())"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return (int(said.split()[0]) - began) / 1000


def disk() -> list[float]:
    """Raw `fdatasync` after 4 kB where Potluck's database was: no durable write is faster than that."""
    sync = getattr(os, "fdatasync", os.fsync)
    took = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.monotonic_ns()
            sync(file.fileno())
            took.append((time.monotonic_ns() - began) / 1000)
    return took
