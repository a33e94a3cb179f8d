"""PostgreSQL connections that are cut at any moment, with questions under way: nothing happens twice, nothing is lost.

The sandbox has a log of what was sent, and so knows what the ledger should say.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, delete, func, select, update

from bot.openrouter.sandbox import SandboxSettings
from bot.storage.postgres import libpq
from bot.storage.tables import day_events, leases, member_days, pool_days, turns
from tests.fakes.databases import PostgresServer
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

_EVERY = 0.1
"""Seconds between cuts at most."""
_ENOUGH = 8
"""Connections cut at work, without which nothing has been tried."""
_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'potluck' AND (state <> 'idle' OR random() < 0.1)
"""


@dataclass
class Cuts:
    """How many there were."""

    number: int = 0


@contextmanager
def cutting(address: str, seed: int) -> Iterator[Cuts]:
    """Cut every connection that is at work, and some that are not, again and again."""
    cuts, over, moments = Cuts(), threading.Event(), random.Random(seed)

    def cut() -> None:
        with psycopg.connect(libpq(address), autocommit=True, application_name="cutter") as connection:
            while not over.wait(moments.uniform(0, _EVERY)):
                [(number,)] = connection.execute(_CUT).fetchall()
                cuts.number += number

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield cuts
    finally:
        over.set()
        thread.join()


@asynccontextmanager
async def there(address: str, folder: Path, clock: VirtualClock) -> AsyncIterator[Deployment]:
    env = {"database_url": address, "fair_policy": "fair", "pool_rpm": "1000", "pool_rpd": "1000"}
    sandbox = SandboxSettings(rpm=1000, rpd=1000, first_token_seconds=0.1, seconds_per_chunk=0)
    async with deployment(folder, clock, sandbox=sandbox, env=env) as potluck:
        yield potluck


async def member(potluck: Deployment, number: int, times: int) -> list[Heard]:
    return [await potluck.ask(f"m{number}", f"question {time}") for time in range(times)]


async def straight(potluck: Deployment) -> None:
    """What was sent, what is spent, what members were charged and what the day remembers are one number."""
    sent = len(potluck.sandbox.log)
    assert len({attempt.attempt for attempt in potluck.sandbox.log}) == sent, "one was sent twice"

    def unit(connection: Connection) -> dict[str, object]:
        outcomes = connection.execute(select(leases.c.outcome, func.count()).group_by(leases.c.outcome)).all()
        kinds = connection.execute(select(day_events.c.kind, func.count()).group_by(day_events.c.kind)).all()
        return {
            "outcomes": {outcome: number for outcome, number in outcomes if outcome != "released"},
            "used": connection.scalar(select(func.sum(pool_days.c.used))),
            "taken": connection.scalar(select(func.sum(member_days.c.taken))),
            "whole": connection.scalar(select(func.count()).where(turns.c.whole)),
            "answered": dict(tuple(row) for row in kinds).get("answered"),
        }

    found = await potluck.running.database.read(unit)
    same = dict.fromkeys(("used", "taken", "whole", "answered"), sent)
    assert found == {"outcomes": {"answered": sent}, **same}
    await potluck.quiet()


@pytest.mark.parametrize(
    ("seed", "times"), [(1, 3), *(pytest.param(seed, 20, marks=pytest.mark.soak) for seed in range(2, 22))]
)
async def test_connections_cut_at_any_moment_change_nothing(
    postgres: PostgresServer, tmp_path: Path, clock: VirtualClock, seed: int, times: int
) -> None:
    with postgres.database() as address:
        async with there(address, tmp_path, clock) as potluck:
            with cutting(address, seed) as cuts:
                heard = await asyncio.gather(*(member(potluck, number, times) for number in range(8)))
                while cuts.number < _ENOUGH:  # a fast machine is done before there were any
                    heard.append(await member(potluck, 8, 1))
            assert {one.error for each in heard for one in each} == {None}
            assert len(potluck.sandbox.log) == sum(map(len, heard))
            await straight(potluck)


@pytest.mark.parametrize(
    "harm",
    [
        update(pool_days).values(used=pool_days.c.used + 1),
        update(leases).where(leases.c.id == select(func.min(leases.c.id)).scalar_subquery()).values(outcome=None),
        delete(day_events).where(day_events.c.kind == "answered"),
    ],
)
async def test_control_a_unit_that_was_spent_twice_or_lost_would_be_seen(
    postgres: PostgresServer, tmp_path: Path, clock: VirtualClock, harm: object
) -> None:
    with postgres.database() as address:
        async with there(address, tmp_path, clock) as potluck:
            await member(potluck, 1, 1)
            await straight(potluck)
            await potluck.running.database.write(lambda core: core.execute(harm) and None)  # type: ignore[call-overload]
            with pytest.raises(AssertionError):
                await straight(potluck)
