"""A database that goes away and comes back, as whoever asks and whoever looks after it meets that."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from tests.acceptance.processes import Running, running
from tests.fakes.servers import Server, servers

SECRET_KEY = base64.urlsafe_b64encode(bytes(32)).decode()
UNWRITTEN = {"en": "cannot write anything down", "de": "kann gerade nichts aufschreiben"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What `/readyz` said."""

    status: int
    database: str
    took: float


class Page:
    """Potluck's page, as a proxy and a member see it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def ready(self) -> Ready:
        began = monotonic()
        async with self._http.get(f"{self._url}/readyz") as response:
            parts = (await response.json())["parts"]
            return Ready(status=response.status, database=parts["database"], took=monotonic() - began)

    async def until(self, status: int, *, within: float) -> Ready:
        """The first that is so. None may take longer than two seconds."""
        async with asyncio.timeout(within + 2):
            began = monotonic()
            while (ready := await self.ready()).status != status:
                assert ready.took < 2.3, ready
                await asyncio.sleep(0.1)
        assert monotonic() - began < within, ready
        return ready

    async def asks(self, member: str, text: str = "hello", *, language: str = "en") -> tuple[str, dict[str, Any]]:
        """How it ended: the last event."""
        question = {"member": member, "conversation": "c1", "text": text}
        headers = {"Accept-Language": language}
        last: tuple[str, dict[str, Any]] = "", {}
        async with self._http.post(f"{self._url}/api/chat", json=question, headers=headers) as response:
            name = ""
            async for line in response.content:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    last = name, json.loads(value)
        return last


@asynccontextmanager
async def potluck(folder: Path, address: str, **env: str) -> AsyncIterator[tuple[Running, Page]]:
    known = {"WEB_PORT": "0", "DATABASE_URL": address, "SECRET_KEY": SECRET_KEY, "POOL_RPM": "1000", "POOL_RPD": "900"}
    async with running("run", folder=folder, env=known | {"OPENBLAS_NUM_THREADS": "1"} | env) as process:
        url = (await process.line("Potluck")).split()[1]
        async with aiohttp.ClientSession() as http:
            yield process, Page(http, url)


async def ended(process: Running) -> str:
    """In order, and without a fault of ours. Returns its log."""
    process.signal(signal.SIGTERM)
    end = await process.ended(within=10)
    assert end.code == 0, end.err
    assert "Traceback" not in end.err
    return end.err


async def stopped(server: Server) -> None:
    await asyncio.to_thread(server.stop)


async def started(server: Server) -> None:
    await asyncio.to_thread(server.start)


async def test_a_server_that_stops_is_said_to_be_away_within_seconds_and_all_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    with servers(1) as [server]:
        await asyncio.to_thread(server.initialize)
        await started(server)
        async with potluck(tmp_path, server.address()) as (process, page):
            assert (await page.ready()).database == "ok"
            assert (await page.asks("ann"))[0] == "finished"
            writing = asyncio.create_task(page.asks("ann", "something long, please"))
            await asyncio.sleep(0.3)
            await stopped(server)
            away = await page.until(503, within=5)
            assert "database" in away.database or "reached" in away.database, away
            told = await asyncio.gather(*(page.asks(f"member{n}", language=lang) for n, lang in enumerate(UNWRITTEN)))
            for (name, data), words in zip(told, UNWRITTEN.values(), strict=True):
                assert (name, data["error"], data["partial"]) == ("failed", "internal", False)
                assert words in data["message"], data
            began = monotonic()
            assert (await page.asks("dee"))[0] == "failed"
            assert monotonic() - began < 2, "who comes later is told at once"
            assert (await writing)[0] == "finished", "what was under way came whole"
            assert (await page.ready()).status == 503
            await started(server)
            await page.until(200, within=5)
            assert (await page.asks("ben"))[0] == "finished"
            log = await ended(process)
            assert "something is written down later" in log
            outcomes = dict(server.sql("SELECT coalesce(outcome, 'open'), count(*) FROM leases GROUP BY 1"))
            assert outcomes == {"answered": 3}, "the one that ended meanwhile was written down by itself"
            assert server.sql("SELECT sum(used) FROM pool_days") == [(3,)]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of eight megabytes, where this may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)


@pytest.mark.soak
async def test_a_disk_that_is_full_is_told_from_one_that_has_room_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        async with potluck(tmp_path, f"sqlite+aiosqlite:///{disk / 'potluck.db'}") as (process, page):
            assert (await page.asks("ann"))[0] == "finished"
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            full = await page.until(503, within=6)
            assert "full" in full.database, full
            name, data = await page.asks("ben", "a question that needs room of its own " * 2000)
            assert (name, data["error"]) == ("failed", "internal")
            assert UNWRITTEN["en"] in data["message"]
            filler.unlink()
            await page.until(200, within=5)
            assert (await page.asks("ben"))[0] == "finished"
            await ended(process)
