"""A PostgreSQL that falls while a transaction is being ended, before that is on its disk.

It gives the transaction's number to the next one then: whoever asks it what became of a number is told of another's.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import Connection, text

from bot.storage.postgres import libpq
from tests.contract.ledger.claims import POOL
from tests.contract.test_postgres import one_more, process, started
from tests.fakes.databases import server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server(f"falls{os.getpid()}", quick=False) as found, found.database() as address:
        yield address


def fall(address: str) -> psycopg.Connection[tuple[object, ...]]:
    """Let it fall, and wait until it is up again. Returns a connection to it."""
    until = time.monotonic() + 20
    with psycopg.connect(address) as connection, psycopg.connect(address, autocommit=True) as witness:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        # It takes connections, and ends transactions, for a moment after: until it drops everybody's.
        with suppress(psycopg.OperationalError):
            while time.monotonic() < until:
                witness.execute("SELECT 1")
    while True:
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.soak  # how soon a server is back is the machine's
@pytest.mark.parametrize("given_again", [False, True])
async def test_what_was_not_on_its_disk_happens_after_all_and_once(address: str, given_again: bool) -> None:
    async with process(address) as (database, _):
        before, tries, said = await started(database), 0, [""]

        def unit(connection: Connection) -> int:
            nonlocal tries
            tries += 1
            done = one_more(connection)
            if tries == 1:
                number = connection.scalar(text("SELECT pg_current_xact_id()::text"))
                with fall(libpq(address)) as beside:
                    while given_again and said[-1] != number:
                        said.append(str(beside.execute("SELECT pg_current_xact_id()::text").fetchall()[0][0]))
                    if given_again:
                        (status,) = beside.execute("SELECT pg_xact_status(%s::xid8)", [number]).fetchall()[0]
                        assert status == "committed", "control: by the number alone it would be taken for kept"
            return done

        assert await database.write(unit, of=POOL) == before + 1
        assert tries == 2
        assert await started(database) == before + 1
