"""The slow-query log: what took long is named once, and never with a value; who only waited is a metric."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from bot.clock import Instant, SystemClock
from bot.storage.database import Database
from bot.storage.tables import pools
from bot.storage.units import Where
from bot.telemetry.metrics import Metrics
from bot.telemetry.units import SLOW_SECONDS, UnitTimes


class Slowed(SystemClock):
    """A machine on which each second takes a hundredth."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> Instant:
        return Instant(super().now() + 100 * (time.monotonic() - self._began))

    def monotonic(self) -> float:
        return 100 * (time.monotonic() - self._began)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if vars(record).get("action") == "slow_unit"]


class Kitchen:
    """Units as they stand in the code."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def takes_long(self, connection: Connection) -> None:
        connection.execute(select(pools.c.id).where(pools.c.id == "a secret value")).all()
        time.sleep(self.seconds)


async def test_a_unit_that_is_slow_is_named_once_a_minute_and_those_behind_it_are_not(
    where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    clock, metrics = Slowed(), Metrics()
    database = Database(where, clock)
    database.times.measured = metrics.unit_took
    await database.open()
    with caplog.at_level(logging.WARNING):
        slow, quick = Kitchen(0.03), Kitchen(0)  # three seconds
        await asyncio.gather(
            *(database.read(slow.takes_long) for _ in range(3)), *(database.read(quick.takes_long) for _ in range(20))
        )
    await database.close()
    said = [line for line in lines(caplog) if line["kind"] == "read"]
    assert len(said) == 1
    [line] = said
    assert line["unit"] == "test_slow_units.Kitchen.takes_long"
    assert line["seconds"] > 2.5
    assert line["waited"] < line["seconds"]
    assert "secret" not in str(line)
    page = metrics.page()[0].decode()
    counted = {line.split()[0]: float(line.split()[1]) for line in page.splitlines() if not line.startswith("#")}
    assert counted["potluck_database_read_seconds_count"] == 23
    assert counted["potluck_database_read_wait_seconds_sum"] > 20 * 3, "all but the first have waited"


async def test_how_often_it_was_since_is_said_with_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    class Hand(SystemClock):
        at = 0.0

        def monotonic(self) -> float:
            return self.at

    clock = Hand()
    times = UnitTimes(clock)
    with caplog.at_level(logging.WARNING):
        for second in range(0, 130, 10):
            clock.at = float(second)
            times._say("ledger.SqlLedger.reserve", "write", 0.0, seconds=2.0)
    assert [line.get("since_last_line", 0) for line in lines(caplog)] == [0, 5, 5]


async def test_a_commit_that_is_slow_is_said_of_its_units_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Hand(SystemClock):
        at = 0.0

        def monotonic(self) -> float:
            return self.at

    clock = Hand()
    times, measured = UnitTimes(clock), list[tuple[str, float, float]]()
    times.measured = lambda *figures: measured.append(figures)
    from bot.telemetry.units import Timed

    units = [Timed(Kitchen(0).takes_long, clock) for _ in range(3)]
    clock.at = 1.0
    for unit in units:
        unit.ran = 0.1
    clock.at = 4.0
    with caplog.at_level(logging.WARNING):
        times.took("write", units, 1.0)
        times.took("write", units, 1.0, failed=True)
    [line] = lines(caplog)
    assert (line["around"], line["together"], line["waited"]) == (2.7, 3, 1.0)
    assert measured[0][:2] == ("write", 1.0)
    assert round(measured[0][2], 3) == 2.8
    assert SLOW_SECONDS < 2.7


async def test_names_of_units_hold_no_values(where: Where) -> None:
    from functools import partial

    from bot.telemetry.units import name_of

    def unit(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))

    assert name_of(lambda connection: None) == "test_slow_units.test_names_of_units_hold_no_values"
    assert name_of(unit) == "test_slow_units.test_names_of_units_hold_no_values"
    assert name_of(partial(partial(print, "value"), "more")) == "builtins.print"
    assert name_of(Kitchen(1).takes_long) == "test_slow_units.Kitchen.takes_long"
