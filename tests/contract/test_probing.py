"""What `/readyz` goes by: whether the database takes and gives, told soon, and without much of a load of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from time import monotonic

import pytest
from sqlalchemy import Connection, func, select

from bot.clock import SystemClock
from bot.storage.database import Database
from bot.storage.probing import PATIENCE, Probing
from bot.storage.tables import adapter_notes
from bot.storage.units import Where


class Later(SystemClock):
    """The machine's clock, some time from now."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture
async def clock() -> Later:
    return Later()


@pytest.fixture
async def database(where: Where, clock: Later) -> AsyncIterator[Database]:
    made = Database(where, clock)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def probing(database: Database, clock: Later) -> AsyncIterator[Probing]:
    made = Probing(database, clock)
    yield made
    await made.close()


@pytest.mark.parametrize("which", ["reader", "writer"])
async def test_a_thread_that_is_held_up_is_said_so_in_time(
    database: Database, probing: Probing, clock: Later, which: str
) -> None:
    clock.ahead += 10  # nothing was written lately
    over = threading.Event()

    def unit(core: Connection) -> None:
        over.wait(10)

    busy = [asyncio.create_task((database.read if which == "reader" else database.write)(unit)) for _ in range(3)]
    await asyncio.sleep(0.05)
    began = monotonic()
    told = await asyncio.gather(*(probing.trouble() for _ in range(20)))
    assert set(told) == {"the database does not answer"}
    assert monotonic() - began < PATIENCE + 0.4
    over.set()
    await asyncio.gather(*busy)
    clock.ahead += 1.1
    assert await probing.trouble() is None


async def test_however_many_ask_it_is_looked_once_a_second_and_not_at_all_while_others_write(
    database: Database, probing: Probing, clock: Later
) -> None:
    looks = list[float]()
    database.times.measured = lambda kind, waited, ran: looks.append(ran) if kind == "write" else None
    clock.ahead += 10
    for _ in range(3):
        assert set(await asyncio.gather(*(probing.trouble() for _ in range(50)))) == {None}
    assert len(looks) == 1
    clock.ahead += 3
    await database.write(lambda core: None)
    assert await probing.trouble() is None
    assert len(looks) == 2, "and none but that one"
    clock.ahead += 3
    assert await probing.trouble() is None
    assert len(looks) == 3
    room = select(func.count()).select_from(adapter_notes).where(adapter_notes.c.key == "room")
    left = await database.read(lambda core: core.scalar(room))
    assert left == 0, "nothing of it stays"
