"""What is PostgreSQL's alone: connections that are lost, several processes, one clock."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psycopg
import pytest
from sqlalchemy import Connection, insert, make_url, select, text, update

from bot.clock import Instant, SystemClock
from bot.errors import StorageError
from bot.messages import Member
from bot.quota.ledger import Caps, DaySpent, Lease, MinuteFull, Outcome, PoolId
from bot.storage.database import Database
from bot.storage.ledger import SqlLedger
from bot.storage.migration import migrate
from bot.storage.postgres import libpq
from bot.storage.tables import adapter_notes, pools, turns
from tests.contract.ledger.claims import POOL, claim
from tests.fakes.databases import PostgresServer


@pytest.fixture
def address(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as address:
        yield address


class Skewed(SystemClock):
    """A machine's clock that is set wrong."""

    def __init__(self, by: float = 0.0) -> None:
        self._by = by

    def now(self) -> Instant:
        return Instant(super().now() + self._by)


@asynccontextmanager
async def process(address: str, *, skew: float = 0.0) -> AsyncIterator[tuple[Database, SqlLedger]]:
    """What one process has of the database."""
    database = Database(address, Skewed(skew))
    await database.open()
    try:
        ledger = SqlLedger(database, Skewed(skew))
        await ledger.add_pool(POOL)
        yield database, ledger
    finally:
        await database.close()


def one_more(connection: Connection) -> int:
    changed = update(pools).where(pools.c.id == POOL).values(started=pools.c.started + 1).returning(pools.c.started)
    return int(connection.execute(changed).scalar_one())


async def started(database: Database) -> int:
    return int(await database.read(lambda core: core.scalar(select(pools.c.started)) or 0))


# --- connections that are lost -----------------------------------------------------------------------------


async def test_a_unit_whose_connection_is_cut_happens_once_all_the_same(address: str) -> None:
    async with process(address) as (database, _):
        tries = 0

        def unit(connection: Connection) -> int:
            nonlocal tries
            tries += 1
            done = one_more(connection)
            if tries == 1:
                with suppress(Exception):
                    connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
                connection.execute(text("SELECT 1"))
            return done

        assert await database.write(unit, of=POOL) == 1
        assert tries == 2
        assert await started(database) == 1


@contextmanager
def deaf_to_the_end(address: str) -> Iterator[str]:
    """A way to the server that carries the first COMMIT there and is cut before its answer is back."""
    query = make_url(address).query
    target = f"{query['host']}/.s.PGSQL.{query.get('port', '5432')}"
    listener = socket.create_server(("127.0.0.1", 0))
    cut = threading.Event()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(target)
            threading.Thread(target=up, args=(client, server), daemon=True).start()
            threading.Thread(target=down, args=(client, server), daemon=True).start()

    def up(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while sent := client.recv(65536):
                if b"COMMIT" in sent and not cut.is_set():
                    cut.set()
                    client.shutdown(socket.SHUT_RDWR)
                server.sendall(sent)
            server.shutdown(socket.SHUT_WR)

    def down(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while sent := server.recv(65536):
                client.sendall(sent)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield make_url(address).set(host="127.0.0.1", port=listener.getsockname()[1], query={}).render_as_string(False)
        assert cut.is_set()
    finally:
        listener.close()


async def test_an_end_whose_answer_is_lost_is_neither_repeated_nor_taken_for_undone(address: str) -> None:
    async with process(address) as (direct, _):
        with deaf_to_the_end(address) as way:
            database = Database(way, SystemClock())
            await database.open()
            assert await database.write(one_more, of=POOL) == 1
            await database.close()
        assert await started(direct) == 1


async def test_control_who_simply_tries_again_does_it_twice(address: str) -> None:
    async with process(address) as (direct, _):
        with deaf_to_the_end(address) as way:
            for _ in range(3):
                with suppress(psycopg.OperationalError):
                    with psycopg.connect(make_url(way).set(drivername="postgresql").render_as_string(False)) as plain:
                        plain.execute("UPDATE pools SET started = started + 1")
                    break
        assert await started(direct) == 2


async def test_a_database_that_is_not_there_is_named_without_its_password(postgres: PostgresServer) -> None:
    address = make_url(postgres.address("nowhere")).set(password="very-secret").render_as_string(False)
    with pytest.raises(StorageError, match="nowhere") as caught:
        await asyncio.to_thread(migrate, address)
    assert "very-secret" not in str(caught.value)


async def test_what_no_text_may_hold_is_replaced_and_not_an_end(address: str) -> None:
    row = {"platform": "web", "key": "k", "value": "a\0b", "noted_at": 0}
    async with process(address) as (database, _):
        await database.write(lambda core: core.execute(insert(adapter_notes), row) and None)
        assert (
            await database.read(lambda core: core.scalar(select(adapter_notes.c.value).filter_by(platform="web")))
            == "a\N{REPLACEMENT CHARACTER}b"
        )


# --- several processes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("caps", [Caps(rpm=7, rpd=1000), Caps(rpm=1000, rpd=7)])
async def test_processes_whose_clocks_differ_never_pass_a_cap_together(address: str, caps: Caps) -> None:
    async with process(address, skew=-4) as (_, one), process(address, skew=70) as (_, two):
        asking = (ledger.reserve(claim(), caps) for _ in range(20) for ledger in (one, two))
        reserved = await asyncio.gather(*asking)
        assert sum(isinstance(one, Lease) for one in reserved) == 7
        assert sum(isinstance(one, MinuteFull | DaySpent) for one in reserved) == 33
        times = [one.reserved_at for one in reserved if isinstance(one, Lease)]
        assert max(times) - min(times) < 60, "by one clock"


async def test_a_message_is_handled_once_whichever_process_has_it(address: str) -> None:
    async with process(address) as (_, first), process(address) as (_, second):
        wide = Caps(rpm=1000, rpd=1000)
        wanted = [claim(Member("web", "ann"), f"m{n}") for n in range(20)]
        asking = (ledger.reserve(one, wide) for one in wanted for ledger in (first, second))
        reserved = await asyncio.gather(*asking)
        assert sum(isinstance(one, Lease) for one in reserved) == 20


async def test_units_that_need_each_others_rows_all_happen(address: str) -> None:
    def both(first: str, second: str) -> Callable[[Connection], None]:
        def unit(connection: Connection) -> None:
            for name in (first, second):
                change = update(pools).where(pools.c.id == name).values(started=pools.c.started + 1)
                connection.execute(change)
                connection.execute(text("SELECT pg_sleep(0.02)"))

        return unit

    async with process(address) as (one, ledger), process(address) as (two, _):
        await ledger.add_pool(PoolId("other"))
        await asyncio.gather(one.write(both(POOL, "other")), two.write(both("other", POOL)))
        assert await one.read(lambda core: set(core.scalars(select(pools.c.started)))) == {2}


async def test_what_is_read_under_the_lock_is_as_it_is_then_whatever_the_servers_default(address: str) -> None:
    with psycopg.connect(libpq(address), autocommit=True) as beside:
        name = beside.info.dbname
        beside.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    async with process(address) as (one, _), process(address) as (two, _):
        begun, go = threading.Event(), threading.Event()

        def first(connection: Connection) -> int:
            begun.set()
            go.wait(10)
            return one_more(connection)

        writing = asyncio.create_task(one.write(first, of=POOL))
        await asyncio.to_thread(begun.wait)
        looking = asyncio.create_task(two.write(lambda core: core.scalar(select(pools.c.started)), of=POOL))
        await asyncio.sleep(0.2)
        go.set()
        assert await writing == await looking


async def test_what_a_process_answers_that_could_give_no_sign_is_kept_when_another_one_starts(address: str) -> None:
    async with process(address) as (one, slow), process(address) as (_, starting):
        lease = await slow.reserve(claim(Member("web", "m")), Caps(rpm=5, rpd=5))
        assert isinstance(lease, Lease)
        assert await starting.give_up() == 1
        await slow.settle(lease, Outcome(result="answered", whole=True, answer="late"))
        assert await one.read(lambda core: core.scalar(select(turns.c.answer))) == "late"
