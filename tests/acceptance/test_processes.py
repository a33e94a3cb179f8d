"""Several processes over one PostgreSQL, killed at any moment: the caps, everyone's share, and every message."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from benchmarks.processes.findings import Findings
from benchmarks.processes.play import Play, play
from benchmarks.processes.traffic import Asked, before, traffic, user
from bot.clock import DAY, Instant, day_start
from bot.openrouter.sandbox import read_log
from bot.quota.measure import max_min_ratio
from bot.quota.simulated import Setting
from bot.quota.simulation import simulate
from bot.quota.traffic import Request, of_days
from tests.fakes.databases import PostgresServer, server


def hold(found: Findings, what: Play) -> None:
    """No cap is passed, and the books are straight."""
    assert found.refused == 0
    assert found.worst_minute <= what.rpm
    assert found.used <= what.rpd
    assert list(found.faults) == []
    assert found.answered, "the test is blind"


async def test_processes_keep_one_minute_while_one_is_killed(postgres: PostgresServer, tmp_path: Path) -> None:
    what = Play(processes=3, members=30, rpm=60, seconds=5, kill_every=2, last_of_the_day=False)
    with postgres.bare() as address:
        found = await play(address, tmp_path, what)
    print(f"\n{found}")  # noqa: T201 - shown with -s
    hold(found, what)
    assert found.kills


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rpm", [20, 600])
async def test_four_processes_are_as_fair_as_one(postgres: PostgresServer, tmp_path: Path, rpm: int) -> None:
    one = Play(processes=1, rpm=rpm)
    ratios = []
    for number, what in enumerate((one, replace(one, processes=4), replace(one, processes=4, kill_every=5))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with postgres.bare() as address:
            found = await play(address, folder, what)
        print(f"\n{what}: {found}")  # noqa: T201 - shown with -s
        hold(found, what)
        ratios.append(found.fairness)
    assert min(ratios) >= ratios[0] - 0.01


def test_control_the_traffic_tells_a_fair_day_from_one_that_is_not() -> None:
    members, seconds, rpd, today = 100, 195.0, 250, 20_600
    asked, begins = traffic(members=members, seconds=seconds, seed=1), DAY - seconds
    past = before(today, 28, members=members, seconds=seconds, seed=1, until_midnight=seconds)

    def request(number: int, one: Asked) -> Request:
        return Request(number, Instant(day_start(today) + begins + one.second), "web", user(one.member))

    requests = [request(number, one) for number, one in enumerate(asked)]
    ratios = []
    for policy in ("fair", "fcfs"):
        setting = Setting(policy=policy, rpd=rpd, rpm=150, patience=900, service_seconds=0.5)
        fates = simulate(setting, requests, history=of_days(past))
        wanted = Counter(one.request.user for one in fates)
        ratios.append(max_min_ratio(wanted, Counter(one.request.user for one in fates if one.given), rpd))
    assert ratios[0] > ratios[1] + 0.1


@pytest.mark.soak
async def test_the_server_restarts_in_the_middle_of_it(tmp_path: Path) -> None:
    what = Play(processes=2, members=60, rpm=1000, rpd=10_000, seconds=15, last_of_the_day=False)
    with server(f"restarted-{os.getpid()}", quick=False) as own, own.bare() as address:
        assert own.restart is not None
        playing = asyncio.create_task(play(address, tmp_path, what))
        sent = tmp_path / "sandbox.log"
        async with asyncio.timeout(60):
            while not sent.exists() or len(read_log(sent)) < 20:
                await asyncio.sleep(0.2)
        for how in ("fast", "immediate"):
            await asyncio.to_thread(own.restart, how)
            back, before_it = monotonic(), len(read_log(sent))
            while len(read_log(sent)) == before_it:
                await asyncio.sleep(0.1)
            print(f"\nafter {how}: the next request {monotonic() - back:.1f} s later")  # noqa: T201
            assert monotonic() - back < 5
            await asyncio.sleep(1)
        found = await playing
    print(f"\n{found}")  # noqa: T201
    hold(found, what)
