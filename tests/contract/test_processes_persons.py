"""Who has become one person in one process is one in every other, before anybody is given anything twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, make_url, select

from bot.clock import Instant, SystemClock
from bot.messages import Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps, PoolId
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.ledger import SqlLedger
from bot.storage.people import SqlPeople
from bot.storage.postgres import lock_of
from bot.storage.tables import day_events, link_codes
from bot.vault import Vault
from tests.contract.processes import POOL, WEB, Process, member, processes
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

CAPS = Caps(rpm=100, rpd=20)
VAULT = Vault([Fernet.generate_key()])


async def joined(database: Database, now: Instant, person: Member, other: Member) -> None:
    """As `bot.joining` does it, in the database alone."""
    code = insert(link_codes).values(digest=other.key, member=person.key, expires_at=2**60)
    await database.write(lambda connection: connection.execute(code) and None)
    people = SqlPeople(database, SqlKeys(database, SystemClock(), VAULT))
    done = await people.join(person, [other], spent_as=[other], payer=person, code=other.key, community=WEB, now=now)
    assert done


async def taken(process: Process, who: Member) -> int:
    """Ask until it is refused; how many were answered."""
    answered = 0
    while await process.ask(who):
        answered += 1
    return answered


@pytest.mark.virtual
async def test_who_is_joined_in_one_has_no_second_share_in_another(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=CAPS) as (one, two):
        person, other = member(1), member(2)
        assert await taken(one, person) > 0
        await asyncio.sleep(2.0)
        await joined(one.database, clock.now(), person, other)
        # No process but that has read whose account it is.
        assert await taken(two, other) <= 1, "the level may have risen by a fraction meanwhile"
        assert two.scheduler.share(other, WEB).used == two.scheduler.share(person, WEB).used > 0
        assert await taken(two, member(3)) > 1, "the control: somebody else, who has had nothing"


@pytest.mark.virtual
async def test_whose_name_was_deleted_in_one_goes_on_counting_in_another(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    nameless, deleted = Member("erased", "x"), set[Member]()

    def person(who: Member) -> Member:
        return nameless if who in deleted else who

    async with processes(postgres, clock, loop, number=1, caps=CAPS, person=person) as (one,):
        used = await taken(one, member(1))
        one.scheduler.regroup()
        assert one.scheduler.share(nameless, WEB).used == 0, "the control"
        deleted.add(member(1))
        one.scheduler.regroup()
        one.scheduler.regroup()
        assert one.scheduler.share(nameless, WEB).used == one.scheduler.share(member(1), WEB).used == used
        assert await taken(one, nameless) <= 1, "what a fraction of a unit is decided by may be another"


async def test_a_join_is_numbered_after_what_happened_before_it_in_the_pool(postgres: PostgresServer) -> None:
    clock, person, other = SystemClock(), Member("web", "ann"), Member("web", "ben")
    with postgres.database() as address:
        async with opened(address, clock) as database:
            ledger = SqlLedger(database, clock)
            await ledger.add_pool(POOL)
            await ledger.note(POOL, [happened(clock.now(), other)])
            plain = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
            with psycopg.connect(plain) as holding:
                holding.execute("SELECT pg_advisory_xact_lock(%s)", [lock_of(POOL)])
                joining = asyncio.create_task(joined(database, clock.now(), person, other))
                with psycopg.connect(plain, autocommit=True) as looking:
                    while not looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
                        await asyncio.sleep(0.01)
                before = holding.execute(
                    "INSERT INTO day_events (pool, day, at, kind, member, community) "
                    "VALUES (%s, 1, 1, 'asked', 'web:cem', 'web') RETURNING id",
                    [POOL],
                ).fetchone()
                assert before is not None
                assert not joining.done()
                holding.commit()
            await joining
            assert min(await numbers(database, EventKind.JOINED)) > before[0]


def happened(at: Instant, who: Member) -> DayEvent:
    return DayEvent(kind=EventKind.ASKED, at=at, member=who, community=WEB)


async def numbers(database: Database, kind: EventKind, pool: PoolId = POOL) -> Sequence[int]:
    wanted = select(day_events.c.id).where(day_events.c.kind == kind.value, day_events.c.pool == pool)
    return await database.read(lambda connection: connection.scalars(wanted).all())
