"""What nothing can be faster than: the disk, and the driver with the same rows in one transaction."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter

import aiosqlite
import psycopg
from sqlalchemy import make_url

from bot.storage.migration import migrate
from bot.storage.units import Where

_ROUNDS = 400
_POOL = "INSERT INTO pools (id, started) VALUES ('p', 0)"

_ROWS = (
    "UPDATE pools SET started = started + 1 WHERE id = 'p'",
    "INSERT INTO pool_days (pool, day, used) VALUES ('p', 1, 1)"
    " ON CONFLICT (pool, day) DO UPDATE SET used = pool_days.used + 1",
    "INSERT INTO member_days (pool, day, member, taken) VALUES ('p', 1, 'web:m:{n}', 1)"
    " ON CONFLICT (pool, day, member) DO UPDATE SET taken = member_days.taken + 1",
    "INSERT INTO turns (message, conversation, community, member, author_name, question, answer, whole, asked_at)"
    " VALUES ('{n}', 'c', 'web', 'web:m:{n}', '', 'why?', '', '0', {n})",
    "INSERT INTO handled_messages (message, turn, handled_at) VALUES ('{n}', {n}, {n})",
    "INSERT INTO leases (pool, number, day, member, turn, attempt, lane, model, reserved_at)"
    " VALUES ('p', {n}, 1, 'web:m:{n}', {n}, 1, 'free', 'm', {n})",
    "INSERT INTO day_events (pool, day, at, kind, member, community, units)"
    " VALUES ('p', 1, {n}, 'asked', 'web:m:{n}', 'web', 0), ('p', 1, {n}, 'let_through', 'web:m:{n}', 'web', 0)",
)
"""What one lease writes."""


def syncs(folder: Path) -> float:
    """Appends of 256 bytes a second, each on the disk before the next."""
    file = os.open(folder / "appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        began = perf_counter()
        for _ in range(_ROUNDS):
            os.write(file, bytes(256))
            os.fdatasync(file)
        return _ROUNDS / (perf_counter() - began)
    finally:
        os.close(file)


async def transactions(where: Where) -> float:
    """Transactions a second of a lease's rows, by the driver alone, one after another, over an empty database."""
    migrate(where)
    return await (_by_aiosqlite(where) if isinstance(where, Path) else _by_psycopg(where))


async def _by_aiosqlite(file: Path) -> float:
    async with aiosqlite.connect(file, isolation_level=None) as db:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            await db.execute(f"PRAGMA {pragma}")
        await db.execute(_POOL)
        began = perf_counter()
        for number in range(1, _ROUNDS + 1):
            await db.execute("BEGIN IMMEDIATE")
            for row in _ROWS:
                await db.execute(row.format(n=number))
            await db.execute("COMMIT")
        return _ROUNDS / (perf_counter() - began)


async def _by_psycopg(url: str) -> float:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as db:
        await db.execute(_POOL)
        began = perf_counter()
        for number in range(1, _ROUNDS + 1):
            await db.execute("BEGIN")
            for row in _ROWS:
                await db.execute(row.format(n=number).encode())
            await db.execute("COMMIT")
        return _ROUNDS / (perf_counter() - began)
