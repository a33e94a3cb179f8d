"""Every row of one Potluck database into another: backups, restoring and moving are this.

The source is read in one transaction, so the copy is of one moment, also while Potluck writes on. The target must have
the tables of this version and no rows; it gets all of them in one transaction, or none. Before that ends both sides
are read once more and compared: the number of rows of each table, and the sum of the rows' SHA-256, which does not ask
in which order a database gives them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, func, insert, inspect, select

from bot.errors import StorageError
from bot.storage.tables import metadata, own_keys, slack_installations

_AT_ONCE = 1000
"""Rows in memory."""
_VERSIONS = Table("alembic_version", MetaData(), Column("version_num", Text))
"""Alembic's own table, which the target has from its making."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One table, copied and compared."""

    table: str
    rows: int


def copy(source: Connection, target: Connection, told: Callable[[Copied], None] = lambda _: None) -> list[Copied]:
    """Copy every table, within the transaction that each side is in.

    Args:
        told: called after each table.

    Raises:
        StorageError: the versions differ, the target has rows, or the copy does not equal what was copied.
    """
    _same_version(source, target)
    tables = metadata.sorted_tables
    full = next((table for table in tables if _count(target, table)), None)
    if full is not None:
        raise StorageError(f"The database to be filled is not empty: its table {full.name} has rows. Nothing was done.")
    copied = []
    for table in tables:
        for rows in _batches(source, table):
            target.execute(insert(table), [_storable(row, target) for row in rows])
        _go_on_counting(target, table)
        before, after = _digest(source, table, target), _digest(target, table, target)
        if before != after:
            raise StorageError(f"The copy of the table {table.name} differs from it. Nothing was done.")
        copied.append(Copied(table=table.name, rows=after[0]))
        told(copied[-1])
    return copied


def sealed(connection: Connection) -> list[str]:
    """Every key and token that is kept, as `bot.vault` sealed it."""
    return [row for table in (own_keys, slack_installations) for row in connection.scalars(select(table.c.sealed))]


def _same_version(source: Connection, target: Connection) -> None:
    of_source, of_target = _version(source), _version(target)
    if of_source != of_target:
        raise StorageError(
            f"The database to be copied is at version {of_source or 'none'}, this Potluck's is {of_target}. "
            "Run potluck migrate with the Potluck of the newer version first."
        )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    version: str | None = connection.scalar(select(_VERSIONS.c.version_num))
    return version


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[Any]]:
    # In the order of their numbers, so that what a sequence would have given comes as it did.
    found = connection.execute(select(table).order_by(*table.primary_key), execution_options={"yield_per": _AT_ONCE})
    yield from found.mappings().partitions(_AT_ONCE)


def _storable(row: Mapping[str, Any], target: Connection) -> dict[str, Any]:
    """A row as the target can hold it: PostgreSQL has no place for U+0000 in a text."""
    if target.dialect.name != "postgresql":
        return dict(row)
    return {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in row.items()}


def _digest(connection: Connection, table: Table, target: Connection) -> tuple[int, int]:
    """How many rows there are, and the sum of their hashes, as the target holds them."""
    count = total = 0
    for rows in _batches(connection, table):
        for row in rows:
            count += 1
            total += int.from_bytes(hashlib.sha256(repr(tuple(_storable(row, target).values())).encode()).digest())
    return count, total % 2**256


def _go_on_counting(target: Connection, table: Table) -> None:
    """A PostgreSQL sequence does not notice rows that come with their numbers."""
    if target.dialect.name != "postgresql":
        return
    for column in table.primary_key:
        if len(table.primary_key) == 1 and isinstance(column.type, Integer | BigInteger):
            sequence = target.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
            highest = target.scalar(select(func.max(column)))
            if sequence is not None and highest is not None:
                target.execute(select(func.setval(sequence, highest)))
