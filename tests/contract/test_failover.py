"""PostgreSQL that changes hands: a standby is promoted, and the old server is gone or reads only. Real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing, suppress

import psycopg
import pytest
from sqlalchemy import Connection, insert, select, update

from bot.clock import SystemClock
from bot.errors import DatabaseAway
from bot.storage.database import Database
from bot.storage.migration import migrate
from bot.storage.postgres import libpq, notices
from bot.storage.tables import pools
from tests.fakes.servers import Server, servers


class Address:
    """An address that can come to mean another server, as a name or a floating IP does. Connections that there are stay
    with the server they were made to."""

    def __init__(self, leads_to: Server) -> None:
        self.leads_to, self.port = leads_to, 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError), closing(writer):
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.leads_to.port)
            with closing(other_writer):
                await asyncio.gather(_carry(reader, other_writer), _carry(other_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError), closing(writer):
        while sent := await reader.read(65536):
            writer.write(sent)
            await writer.drain()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Database]:
    database = Database(address, SystemClock())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def one_more(connection: Connection) -> int:
    changed = update(pools).where(pools.c.id == "p").values(started=pools.c.started + 1).returning(pools.c.started)
    return int(connection.execute(changed).scalar_one())


async def seen(database: Database) -> int:
    return int(await database.read(lambda core: core.scalar(select(pools.c.started)) or 0))


def reads_only(server: Server) -> None:
    server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.sql("SELECT pg_reload_conf()")
    while server.sql("SHOW default_transaction_read_only") != [("on",)]:
        pass


def hand_over(old: Server, new: Server) -> None:
    """As whoever runs a pair does it: the old one takes no more changes, the new one has them all, and takes over."""
    reads_only(old)
    [(written,)] = old.sql("SELECT pg_current_wal_flush_lsn()::text")
    while not new.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'")[0][0]:
        pass
    new.promote()


async def test_connections_follow_the_server_that_takes_changes() -> None:
    with servers(2) as [old, new]:
        await asyncio.to_thread(old.initialize)
        await asyncio.to_thread(old.start)
        both = old.address(new, target_session_attrs="read-write")
        await asyncio.to_thread(migrate, both)
        await asyncio.to_thread(new.clone, old)
        await asyncio.to_thread(new.start)
        floating = Address(old)
        async with floating.open() as one, opened(one) as by_address, opened(both) as by_names:
            await by_names.write(lambda core: core.execute(insert(pools).values(id="p", started=0)) and None)
            assert await by_address.write(one_more, of="p") == 1
            assert await by_names.write(one_more, of="p") == 2
            stays = await asyncio.to_thread(lambda: psycopg.connect(libpq(one), autocommit=True))
            await asyncio.to_thread(hand_over, old, new)
            floating.leads_to = new
            assert await by_address.write(one_more, of="p") == 3
            assert await by_names.write(one_more, of="p") == 4
            assert await seen(by_address) == await seen(by_names) == 4, "what the old server has is old"
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                await asyncio.to_thread(stays.execute, "UPDATE pools SET started = 0")
            control = await asyncio.to_thread(lambda: stays.execute("SELECT started FROM pools").fetchall())
            assert control == [(2,)], "the control: a connection that stays reads what is old, and can change nothing"
            stays.close()
            await asyncio.to_thread(old.stop)
            assert await by_address.write(one_more, of="p") == 5
            assert await by_names.write(one_more, of="p") == 6
            async with aclosing(notices(both, "potluck")) as told:
                assert await anext(told) == "", "whoever listens finds it, too"
                new.sql("SELECT pg_notify('potluck', 'p')")
                assert await anext(told) == "p"


@pytest.mark.soak
async def test_servers_that_all_read_only_are_said_to_be_that() -> None:
    with servers(1) as [server]:
        await asyncio.to_thread(server.initialize)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(migrate, server.address())
        async with opened(server.address()) as database:
            await database.write(lambda core: core.execute(insert(pools).values(id="p", started=0)) and None)
            await asyncio.to_thread(reads_only, server)
            with pytest.raises(DatabaseAway) as caught:
                await database.write(one_more, of="p")
            assert caught.value.fault == "read_only"
            assert database.trouble is not None
            assert database.trouble.fault == "read_only"
            with psycopg.connect(libpq(server.address()), autocommit=True) as connection:
                connection.execute("SET default_transaction_read_only = off")
                connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
                connection.execute("SELECT pg_reload_conf()")
            await asyncio.sleep(1)
            assert await database.write(one_more, of="p") == 1
