"""Several processes over one PostgreSQL, killed at any moment: the caps, everyone's share, and every message."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import create_engine, exists, func, select

from bot.openrouter.sandbox import SandboxAttempt, read_log
from bot.quota.measure import max_min_ratio
from bot.storage.tables import leases, line_changes, pool_days, processes
from tests.acceptance.processes import running
from tests.fakes.databases import PostgresServer, server
from tests.fakes.deployment import most_in_any

NURSERY = (sys.executable, "-m", "tests.acceptance.crowd")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was left when all had ended."""

    attempts: list[SandboxAttempt]
    outcomes: Counter[str]
    given: Counter[str]
    """Units by member."""
    used: int
    journal: list[tuple[str, str]]
    alive: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What is played."""

    processes: int
    members: int
    rpm: int
    rpd: int
    seconds: float
    kill_every: float | None = None
    """Seconds; one that is killed is started again."""


async def played(address: str, folder: Path, crowd: Crowd, *, seed: int = 1) -> Aftermath:
    """Play it over one database."""
    moments, log, journal = random.Random(seed), folder / "sandbox.log", folder / "journal"
    caps = ("--rpm", str(crowd.rpm), "--rpd", str(crowd.rpd))
    async with running(
        "sandbox", "--port", "0", "--first-token", "0.2", "--per-chunk", "0", *caps, "--log", str(log), folder=folder
    ) as sandbox:
        url = (await sandbox.line("OpenRouter sandbox")).split()[2]
        env = {
            "OPENROUTER_API_KEY": "any",
            "OPENROUTER_BASE_URL": url,
            "DATABASE_URL": address,
            "SECRET_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
            "POOL_RPM": str(crowd.rpm),
            "POOL_RPD": str(crowd.rpd),
            "OPENBLAS_NUM_THREADS": "1",
            "LOG_LEVEL": "ERROR",
        }
        async with running(str(journal), folder=ROOT, env=env, program=NURSERY) as nursery:
            runs, each, found = 0, crowd.members // crowd.processes, list[int]()

            async def start(part: int) -> int:
                nonlocal runs
                runs += 1
                nursery.tell(json.dumps({"run": runs, "members": [part * each, (part + 1) * each]}))
                pid = int((await nursery.line("born")).split()[1])
                await nursery.line("ready")
                return pid

            for part in range(crowd.processes):
                found.append(await start(part))
            for pid in found:
                os.kill(pid, signal.SIGUSR1)
            end = monotonic() + crowd.seconds
            while (left := end - monotonic()) > 0:
                await asyncio.sleep(min(left, crowd.kill_every or left))
                if crowd.kill_every is not None and monotonic() < end:
                    part = moments.randrange(crowd.processes)
                    os.kill(found[part], signal.SIGKILL)
                    found[part] = await start(part)
                    os.kill(found[part], signal.SIGUSR1)
            await alive(address, crowd.processes)
            for pid in found:
                os.kill(pid, signal.SIGTERM)
            await gone(found)
        sandbox.signal(signal.SIGTERM)
        assert (await sandbox.ended()).code == 0
    return read(address, read_log(log), journal)


async def alive(address: str, number: int) -> None:
    """Wait until whoever was killed is found out."""
    engine = create_engine(address)
    async with asyncio.timeout(60):
        while True:
            with engine.connect() as core:
                if core.scalar(select(func.count()).select_from(processes)) == number:
                    break
            await asyncio.sleep(0.2)
    engine.dispose()


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(30):
        while pids:
            with suppress(ProcessLookupError):
                os.kill(pids[0], 0)
                await asyncio.sleep(0.05)
                continue
            pids.pop(0)


def read(address: str, attempts: list[SandboxAttempt], journal: Path) -> Aftermath:
    engine = create_engine(address)
    try:
        with engine.connect() as core:
            outcomes = core.execute(select(leases.c.outcome, func.count()).group_by(leases.c.outcome)).all()
            sent = leases.c.outcome != "released"
            given = core.execute(select(leases.c.member, func.count()).where(sent).group_by(leases.c.member)).all()
            later = line_changes.alias()
            over = (later.c.process == line_changes.c.process) & (later.c.number == line_changes.c.number)
            waits = line_changes.c.state == "waiting", ~exists().where(over, later.c.state != "waiting")
            return Aftermath(
                attempts=attempts,
                outcomes=Counter({outcome or "open": count for outcome, count in outcomes}),
                given=Counter({row[0]: row[1] for row in given}),
                used=core.scalar(select(func.sum(pool_days.c.used))) or 0,
                journal=[
                    (what, name) for what, _, name in (line.partition(" ") for line in journal.read_text().splitlines())
                ],
                alive=core.scalar(select(func.count()).select_from(processes)) or 0,
                waiting=core.scalar(select(func.count()).select_from(line_changes).where(*waits)) or 0,
            )
    finally:
        engine.dispose()


def hold(found: Aftermath, *, rpm: int) -> None:
    assert all(attempt.status == 200 for attempt in found.attempts), Counter(one.status for one in found.attempts)
    assert most_in_any(60, [attempt.at for attempt in found.attempts]) <= rpm
    assert "open" not in found.outcomes, found.outcomes
    lost = found.outcomes["given_up"] + found.outcomes["crashed"]
    seen = {attempt.attempt for attempt in found.attempts}
    assert len(seen) == len(found.attempts), "one was sent twice"
    assert len(seen) <= found.used == sum(found.given.values()) <= len(seen) + lost
    assert (found.alive, found.waiting) == (0, 0), "nothing is left of anyone"
    answered = [name for what, name in found.journal if what == "answered"]
    assert len(answered) == len(set(answered))
    assert answered, "the test is blind"


def fairness(found: Aftermath, crowd: Crowd) -> float:
    """All want more than there is."""
    wanted = {f"web:{number}": found.used for number in range(crowd.members)}
    return max_min_ratio(wanted, found.given, found.used)


def figures(found: Aftermath, crowd: Crowd, began: float) -> str:
    return (
        f"\n{monotonic() - began:.0f} s: {len(found.attempts)} attempts, {found.used} used, "
        f"{dict(found.outcomes)}, fairness {fairness(found, crowd):.3f}"
    )


async def test_processes_keep_one_minute_while_one_is_killed(postgres: PostgresServer, tmp_path: Path) -> None:
    crowd, began = Crowd(processes=3, members=30, rpm=20, rpd=1000, seconds=3, kill_every=2), monotonic()
    with postgres.database() as address:
        found = await played(address, tmp_path, crowd)
    print(figures(found, crowd, began))  # noqa: T201
    hold(found, rpm=20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "crowd",
    [
        Crowd(processes=4, members=400, rpm=20, rpd=1000, seconds=200, kill_every=7),
        Crowd(processes=4, members=400, rpm=600, rpd=1000, seconds=150, kill_every=7),
    ],
)
async def test_four_processes_are_as_fair_as_one(postgres: PostgresServer, tmp_path: Path, crowd: Crowd) -> None:
    ratios = []
    for one in (replace(crowd, processes=1, kill_every=None), crowd):
        began, folder = monotonic(), tmp_path / str(one.processes)
        folder.mkdir()
        with postgres.database() as address:
            found = await played(address, folder, one)
        print(figures(found, crowd, began))  # noqa: T201
        hold(found, rpm=crowd.rpm)
        assert len(found.attempts) <= crowd.rpd
        ratios.append(fairness(found, crowd))
    assert ratios[1] >= ratios[0] - 0.01


@pytest.mark.soak
async def test_the_server_restarts_in_the_middle_of_it(tmp_path: Path) -> None:
    crowd, began = Crowd(processes=2, members=20, rpm=1000, rpd=10_000, seconds=15), monotonic()
    with server(f"restarted-{os.getpid()}", quick=False) as own, own.database() as address:
        assert own.restart is not None
        playing = asyncio.create_task(played(address, tmp_path, crowd))
        sent = tmp_path / "sandbox.log"
        async with asyncio.timeout(60):
            while not sent.exists() or len(read_log(sent)) < 20:
                await asyncio.sleep(0.2)
        for how in ("fast", "immediate"):
            await asyncio.to_thread(own.restart, how)
            back, before = monotonic(), len(read_log(sent))
            while len(read_log(sent)) == before:
                await asyncio.sleep(0.1)
            print(f"\nafter {how}: the next request {monotonic() - back:.1f} s later")  # noqa: T201
            assert monotonic() - back < 5
            await asyncio.sleep(1)
        found = await playing
    print(figures(found, crowd, began))  # noqa: T201
    hold(found, rpm=crowd.rpm)
