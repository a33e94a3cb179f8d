"""One play: processes of `potluck run` over one PostgreSQL, many members who ask over their pages, and kills."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.processes import day
from benchmarks.processes.asking import Asking, message_id
from benchmarks.processes.findings import Findings, findings
from benchmarks.processes.traffic import before, traffic, wanted
from benchmarks.scale.proc import seconds, stat
from bot.openrouter.sandbox import read_log
from bot.quota.history import Ask
from bot.quota.ledger import Caps
from tests.acceptance.audit import Books
from tests.acceptance.processes import Running, running

ROOT = Path(__file__).parents[2]
NURSERY = (sys.executable, "-m", "benchmarks.processes.nursery")
_DAYS = 28
_START = 25.0
"""Seconds that all processes have to start in: the day's end is set before."""
_CALM = 20.0
"""Seconds before the end in which nobody is killed any more: what a dead process held is found after eight, and looked
at within twelve."""
_LAST = 1.0
"""Seconds before the day's end at which all are told to end."""
_PATIENCE = 60.0
"""Seconds that processes have to end in."""
_ANSWER = "0.5"
"""Seconds an answer takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is played."""

    processes: int
    rpm: int
    rpd: int = 1000
    policy: str = "fair"
    members: int = 400
    seconds: float = 185.0
    """Of questions."""
    last_of_the_day: bool = True
    """They end with the day, by the database's clock, and it has been so for four weeks; else it is whatever time it
    is, and nobody has ever asked before."""
    kill_every: float | None = None
    """Seconds; one that is killed is started again."""
    seed: int = 1


class TooBusyError(Exception):
    """The processes took so long to start that the day's end would have come too soon."""


class _Deployment:
    """The processes, by place."""

    def __init__(self, nursery: Running, number: int) -> None:
        self._nursery, self._started = nursery, 0
        self.pids, self.pages = [0] * number, [""] * number
        self.busy = 0.0
        """Seconds of a processor that those had which have ended."""
        self.stuck = 0
        """How many would not end."""

    async def start(self, *places: int) -> None:
        """Start one at each place, and wait until all serve."""
        numbers = {}
        for place in places:
            self._started += 1
            numbers[str(self._started)] = place
            self._nursery.tell(str(self._started))
        told = [f"{number} {what} " for number in numbers for what in ("born", "Potluck")]
        for _ in told:
            number, what, value = (await self._nursery.line(*told)).split()[:3]
            if what == "born":
                self.pids[numbers[number]] = int(value)
            else:
                self.pages[numbers[number]] = value

    async def kill_now_and_then(self, every: float, until: float, chance: random.Random) -> int:
        """One of them every so often, up to a moment of the loop's. Returns how many were killed."""
        loop, killed = asyncio.get_running_loop(), 0
        while loop.time() + every < until:
            await asyncio.sleep(every)
            place = chance.randrange(len(self.pids))
            self.busy += seconds(self.pids[place])
            os.kill(self.pids[place], signal.SIGKILL)
            killed += 1
            await self.start(place)
        return killed

    async def end(self) -> None:
        for pid in self.pids:
            self.busy += seconds(pid)
            _send(pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while any(stat(pid) for pid in self.pids):  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.05)
        for pid in self.pids:
            if stat(pid) is not None:
                self.stuck += 1
                _send(pid, signal.SIGKILL)


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


async def play(address: str, folder: Path, what: Play) -> Findings:
    """Play it over a database without tables, which is of no other use after that.

    Raises:
        TooBusyError: the machine has too much else to do.
    """
    loop, asked = asyncio.get_running_loop(), traffic(members=what.members, seconds=what.seconds, seed=what.seed)
    day.prepared(address, _past(address, what) if what.last_of_the_day else {})
    log = folder / "sandbox.log"
    async with (
        _sandbox(folder, log, what) as (sandbox, url),
        running(folder=ROOT, env=_environment(address, url, what), program=NURSERY) as nursery,
    ):
        await nursery.line("ready")
        begins = loop.time()
        if what.last_of_the_day:
            begins += _START
            day.set_clock(address, until_midnight=_START + what.seconds)
        deployment = _Deployment(nursery, what.processes)
        await deployment.start(*range(what.processes))
        if what.last_of_the_day:
            if loop.time() > begins:
                raise TooBusyError
        else:
            begins = loop.time()
        asking = Asking(asked, deployment.pages, seed=what.seed)
        members = asyncio.create_task(asking.run(begins))
        kills = 0
        if what.kill_every is not None:
            calm = begins + what.seconds - (_CALM if what.last_of_the_day else 0)
            await asyncio.sleep(begins - loop.time())
            kills = await deployment.kill_now_and_then(what.kill_every, calm, random.Random(what.seed))
        await asyncio.sleep(begins + what.seconds - _LAST - loop.time())
        await _found_out(address, what.processes)
        await deployment.end()
        members.cancel()
        with suppress(asyncio.CancelledError):
            await members
        sandbox.signal(signal.SIGTERM)
        assert (await sandbox.ended()).code == 0
    attempts = read_log(log)
    books = Books.read(address, attempts, message_id=message_id)
    caps = Caps(rpm=what.rpm, rpd=what.rpd)
    found = findings(what.seconds, caps, wanted(asked), books, attempts, asking)
    faults = [*found.faults, *["a process did not end"] * deployment.stuck]
    return replace(found, kills=kills, busy=deployment.busy, faults=faults)


def _past(address: str, what: Play) -> dict[int, list[Ask]]:
    made: dict[str, Any] = {"members": what.members, "seconds": what.seconds, "seed": what.seed}
    return before(day.today(address), _DAYS, **made, until_midnight=what.seconds)


async def _found_out(address: str, number: int) -> None:
    """Wait until whoever was killed is known to be dead: until then, what they left is open."""
    async with asyncio.timeout(60):
        while True:
            if day.processes(address) == number:
                return
            await asyncio.sleep(0.2)


def _environment(address: str, url: str, what: Play) -> dict[str, str]:
    return {
        "OPENROUTER_API_KEY": "any",
        "OPENROUTER_BASE_URL": url,
        "DATABASE_URL": address,
        "SECRET_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
        "POOL_RPM": str(what.rpm),
        "POOL_RPD": str(what.rpd),
        "FAIR_POLICY": what.policy,
        "PROMISE_UNITS": "0",  # each would be kept for an hour, and this day has three minutes
        "WEB_PORT": "0",
        "OPENBLAS_NUM_THREADS": "1",  # the nursery forks
        "LOG_LEVEL": "ERROR",
    }


@asynccontextmanager
async def _sandbox(folder: Path, log: Path, what: Play) -> AsyncIterator[tuple[Running, str]]:
    caps = ("--rpm", str(what.rpm), "--rpd", str(what.rpd))
    pace = ("--first-token", _ANSWER, "--per-chunk", "0")
    async with running("sandbox", "--port", "0", *pace, *caps, "--log", str(log), folder=folder) as sandbox:
        yield sandbox, (await sandbox.line("OpenRouter sandbox")).split()[2]
