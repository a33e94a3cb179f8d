"""The same rows in one transaction, by what may stand between a program and its database.

One after another: each waits for its transaction to be on disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, TypeAlias

import aiosqlite
import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.scale.deployment import Rate
from benchmarks.scale.deployment import plain as plain_address
from benchmarks.scale.rows import POOL, STATEMENTS, plain, values
from bot.clock import SystemClock
from bot.storage.database import Database
from bot.storage.dialects import Prepared
from bot.storage.migration import migrate
from bot.storage.units import Where

_PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
Write: TypeAlias = Callable[[int], Awaitable[object]]
"""Writes the rows of the lease with a number."""


@asynccontextmanager
async def core_in_one_hop(where: Where) -> AsyncIterator[Write]:
    """Core statements, compiled once, all in one hop to a thread: as Potluck does it."""
    prepared = [Prepared(statement) for statement in STATEMENTS]

    def unit(number: int, connection: Connection) -> None:
        for statement in prepared:
            statement(connection, **values(number))

    async with _database(where) as database:
        yield lambda number: database.write(partial(unit, number))


@asynccontextmanager
async def core_executed(where: Where) -> AsyncIterator[Write]:
    """The same, each statement executed by SQLAlchemy, which keeps what it compiled."""

    def unit(number: int, connection: Connection) -> None:
        for statement in STATEMENTS:
            connection.execute(statement, values(number))  # type: ignore[call-overload]

    async with _database(where) as database:
        yield lambda number: database.write(partial(unit, number))


@asynccontextmanager
async def async_engine(where: Where) -> AsyncIterator[Write]:
    """The same statements by SQLAlchemy's async engine."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{where}" if isinstance(where, Path) else where)
    if isinstance(where, Path):

        @event.listens_for(engine.sync_engine, "connect")
        def _safe(connection: Any, _record: object) -> None:
            for pragma in _PRAGMAS:
                connection.execute(pragma)

    async def write(number: int) -> None:
        async with engine.begin() as connection:
            for statement in STATEMENTS:
                await connection.execute(statement, values(number))  # type: ignore[call-overload]

    async with engine.begin() as connection:
        await connection.execute(POOL)
    try:
        yield write
    finally:
        await engine.dispose()


@asynccontextmanager
async def driver_in_one_hop(where: Where) -> AsyncIterator[Write]:
    """The driver alone, all in one hop to a thread."""
    statements = plain("sqlite" if isinstance(where, Path) else "postgres")
    with ThreadPoolExecutor(1) as thread:
        hop = partial(asyncio.get_running_loop().run_in_executor, thread)
        connection = await hop(partial(_connected, where))

        def write(number: int) -> None:
            connection.execute("BEGIN IMMEDIATE" if isinstance(where, Path) else "BEGIN")
            for sql, fixed in statements:
                connection.execute(sql, {**fixed, **values(number)})
            connection.execute("COMMIT")

        try:
            yield lambda number: hop(partial(write, number))
        finally:
            await hop(connection.close)


@asynccontextmanager
async def driver_by_statement(where: Where) -> AsyncIterator[Write]:
    """The driver as it is meant to be used in an event loop, statement by statement: aiosqlite, psycopg's own."""
    if isinstance(where, Path):
        async with aiosqlite.connect(where, isolation_level=None) as file:
            for pragma in _PRAGMAS:
                await file.execute(pragma)
            await file.execute(_POOL)
            yield partial(_by_statement, file.execute, plain("sqlite"), "BEGIN IMMEDIATE")
        return
    async with await psycopg.AsyncConnection.connect(plain_address(where), autocommit=True) as server:
        await server.execute(_POOL)
        yield partial(_by_statement, server.execute, plain("postgres"), "BEGIN")


_POOL = "INSERT INTO pools (id, started) VALUES ('p', 0)"
Layer: TypeAlias = Callable[[Where], Any]
LAYERS: Mapping[str, Layer] = {
    "the driver alone, in one hop": driver_in_one_hop,
    "the driver alone, by statement": driver_by_statement,
    "Core in one hop, compiled once (Potluck)": core_in_one_hop,
    "Core in one hop, executed": core_executed,
    "SQLAlchemy's async engine": async_engine,
}


async def transactions(layer: Layer, where: Where, *, number: int) -> Rate:
    """So many over an empty database."""
    migrate(where)
    async with layer(where) as write:
        began, busy = perf_counter(), process_time()
        for one in range(1, number + 1):
            await write(one)
        return Rate(number / (perf_counter() - began), (process_time() - busy) / number * 1000)


async def _by_statement(
    execute: Callable[..., Awaitable[object]], statements: list[tuple[str, Mapping[str, Any]]], begin: str, number: int
) -> None:
    await execute(begin)
    for sql, fixed in statements:
        await execute(sql, {**fixed, **values(number)})
    await execute("COMMIT")


@asynccontextmanager
async def _database(where: Where) -> AsyncIterator[Database]:
    database = Database(where, SystemClock())
    await database.open()
    try:
        await database.write(lambda connection: connection.execute(POOL))
        yield database
    finally:
        await database.close()


def _connected(where: Where) -> Any:
    connection: Any
    if isinstance(where, Path):
        connection = sqlite3.connect(where, isolation_level=None)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    else:
        connection = psycopg.connect(plain_address(where), autocommit=True)
    connection.execute(_POOL)
    return connection
