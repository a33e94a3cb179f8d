"""The caps hold whichever process sends: one database decides, whatever each of its users believes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import DAY, Instant, day_of, day_start
from bot.quota.ledger import WINDOW, Caps, Lease, PoolId
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from tests.contract.ledger.claims import claim
from tests.fakes.databases import PostgresServer

CAPS = Caps(rpm=3, rpd=8)
PROCESSES = 3
_numbers = count()

Step = tuple[int, float]
"""A process, and the seconds that pass before it wants to send."""


class Clock:
    """Set by hand, and the same for all: the database's own stands still for nobody."""

    def __init__(self) -> None:
        self.at = day_start(20_500) + DAY - 100  # midnight comes into many of the courses

    def now(self) -> Instant:
        return Instant(self.at)

    def monotonic(self) -> float:
        return self.at


steps = st.lists(
    st.tuples(st.integers(0, PROCESSES - 1), st.sampled_from([0.0, 0.0, 0.5, 7.0, 61.9, 62.0])), max_size=40
)


async def sent(where: Sequence[str], course: Sequence[Step]) -> list[Instant]:
    """When which leases were given, by processes that each keep to the database they know."""
    clock, pool, times = Clock(), PoolId(f"p{next(_numbers)}"), list[Instant]()
    async with AsyncExitStack() as stack:
        ledgers = []
        for address in where:
            database = Database(address, clock, keeps_time=False)
            await database.open()
            stack.push_async_callback(database.close)
            ledgers.append(SqlLedger(database, clock))
            await ledgers[-1].add_pool(pool)
        for process, passes in course:
            clock.at += passes
            came = await asyncio.gather(
                *(ledger.reserve(claim(pool=pool), CAPS) for ledger in (ledgers[process], ledgers[process - 1]))
            )
            times += [lease.reserved_at for lease in came if isinstance(lease, Lease)]
    return times


def within(times: Sequence[Instant]) -> bool:
    """No window and no day has more than its cap."""
    minutes = all(sum(start <= other < start + WINDOW for other in times) <= CAPS.rpm for start in times)
    days = [day_of(at) for at in times]
    return minutes and all(days.count(day) <= CAPS.rpd for day in days)


@given(course=steps)
@settings(max_examples=20, deadline=None)
def test_several_processes_keep_the_caps_of_one(postgres: PostgresServer, course: Sequence[Step]) -> None:
    with postgres.database() as address:
        assert within(asyncio.run(sent([address] * PROCESSES, course)))


def test_control_processes_that_each_count_by_themselves_pass_them(postgres: PostgresServer) -> None:
    with postgres.database() as one, postgres.database() as two, postgres.database() as three:
        assert not within(asyncio.run(sent([one, two, three], [(0, 0.0), (1, 0.0), (2, 0.0)])))
