"""A Potluck that is killed again and again, at any moment, never spends a unit it does not write down, and none twice.

The sandbox is a process of its own that lives through all of it: its log is the truth the books are held against.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from bot.openrouter.sandbox import SandboxAttempt, read_log
from tests.acceptance.audit import Books
from tests.acceptance.processes import running

DRIVER = (sys.executable, "-m", "tests.acceptance.driver")
ROOT = Path(__file__).parents[2]
SANDBOX = ("sandbox", "--port", "0", "--first-token", "0", "--per-chunk", "0.002")
GENEROUS = ("--rpm", "100000", "--rpd", "1000000")
AFTER = {"born": 0.2, "ready": 0.5, "heard": 0.3}
"""What a kill waits for, and how often: the process, its being ready, or the end of its first answer. It strikes up to
`WITHIN` seconds later."""
WITHIN = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a loop of kills left behind."""

    database: Path
    attempts: list[SandboxAttempt]
    journal: list[tuple[str, str]]
    """What became of each message, in order: (asked | answered | silent | failed:CODE, message id)."""
    last: list[tuple[str, str]]
    """The part of it that the last, undisturbed run wrote."""
    recovered: int


async def kill_loop(folder: Path, *, kills: int, seed: int) -> Aftermath:
    """Kill that often, then start once more and let it recover, send again what was answered, and end in peace."""
    moments, journal, log = random.Random(seed), folder / "journal", folder / "sandbox.log"
    database = folder / "potluck.db"
    recovered = 0
    async with running(*SANDBOX, *GENEROUS, "--log", str(log), folder=folder) as sandbox:
        url = (await sandbox.line("OpenRouter sandbox")).split()[2]
        env = {
            "OPENROUTER_API_KEY": "any",
            "OPENROUTER_BASE_URL": url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
            "POOL_RPM": "100000",
            "POOL_RPD": "1000000",
            "OPENBLAS_NUM_THREADS": "1",  # the driver forks
        }
        async with running(str(journal), folder=ROOT, env=env, program=DRIVER) as driver:
            for run in range(kills):
                driver.tell(json.dumps({"run": run, "again": _unheard(journal, run - 1), "rest": False}))
                pid = int((await driver.line("born")).split()[1])
                [after] = moments.choices(list(AFTER), list(AFTER.values()))
                if after != "born":
                    recovered += int((await driver.line("ready")).split()[1])
                if after == "heard":
                    await driver.line("heard")
                await asyncio.sleep(moments.uniform(0, WITHIN))
                os.kill(pid, signal.SIGKILL)
                assert await driver.line("gone") == "gone -9"
            before = _read(journal)
            again = [name for what, name in before if what == "answered"] + _unheard(journal, kills - 1)
            driver.tell(json.dumps({"run": kills, "again": again, "rest": True}))
            recovered += int((await driver.line("ready")).split()[1])
            assert await driver.line("gone") == "gone 0"
        sandbox.signal(signal.SIGTERM)
        assert (await sandbox.ended()).code == 0
    told = _read(journal)
    return Aftermath(
        database=database, attempts=read_log(log), journal=told, last=told[len(before) :], recovered=recovered
    )


def _read(journal: Path) -> list[tuple[str, str]]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [(what, name) for what, _, name in (line.partition(" ") for line in lines)]


def _unheard(journal: Path, run: int) -> list[str]:
    """What was first asked in a run and came to no end that was heard: a platform would send it again."""
    lines = _read(journal)
    heard = {name for what, name in lines if what != "asked"}
    return [name for what, name in lines if name.startswith(f"web:{run}.") and name not in heard]


def hold(aftermath: Aftermath) -> Books:
    """Nothing was sent that was not written down before, nothing twice, and nothing that was spent is forgotten."""
    books = Books.read(aftermath.database, aftermath.attempts)
    assert list(books.faults()) == []
    told = [name for what, name in aftermath.journal if what == "answered"]
    assert len(told) == len(set(told)), "a message was answered twice"
    assert {what for what, _ in aftermath.journal} <= {"asked", "answered", "silent"}
    before = aftermath.journal[: len(aftermath.journal) - len(aftermath.last)]
    answered = {name for what, name in before if what == "answered"}
    assert answered <= {name for what, name in aftermath.last if what == "silent"}, "sent again, answered again"
    assert sum(lease.outcome == "crashed" for lease in books.leases) >= 1, "no kill hit anything: the test is blind"
    assert answered, "no answer came to its end: the test is blind"
    return books


async def _figures(folder: Path, *, kills: int, seed: int) -> None:
    began = monotonic()
    aftermath = await kill_loop(folder, kills=kills, seed=seed)
    books = hold(aftermath)
    answered = sum(what == "answered" for what, _ in aftermath.journal)
    print(  # noqa: T201 - shown with -s: the figures are what one runs it for
        f"\n{kills} kills, seed {seed}, {monotonic() - began:.1f} s: {books.figures()}; {answered:,} "
        f"messages answered, {aftermath.recovered:,} leases found open at a start"
    )


async def test_books_are_straight_after_twenty_kills(tmp_path: Path) -> None:
    await _figures(tmp_path, kills=20, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_books_are_straight_after_five_hundred_kills(tmp_path: Path) -> None:
    await _figures(tmp_path, kills=500, seed=2)


BREAKAGES = {
    "a lease is missing": "DELETE FROM leases WHERE id = (SELECT min(id) FROM leases)",
    "a unit of the day is missing": "UPDATE pool_days SET used = used - 1",
    "a unit of the day is too much": "UPDATE pool_days SET used = used + 1",
    "a member was charged too much": "UPDATE member_days SET taken = taken + 1 WHERE member = 'web:1'",
    "a lease is open": "UPDATE leases SET outcome = NULL WHERE id = 1",
    "a released lease was sent": "UPDATE leases SET outcome = 'released' WHERE id = 1",
    "two leases for a turn": "UPDATE leases SET turn = 1 WHERE id = 2",
    "two leases for a message": "UPDATE turns SET question = (SELECT question FROM turns WHERE id = 1) WHERE id = 2",
    "a handled message was forgotten": "DELETE FROM handled_messages WHERE turn = 1",
}


async def test_control_the_audit_notices_books_that_are_not_straight(tmp_path: Path) -> None:
    aftermath = await kill_loop(tmp_path, kills=2, seed=0)
    books = Books.read(aftermath.database, aftermath.attempts)
    assert list(books.faults()) == []
    for name, breakage in BREAKAGES.items():
        broken = tmp_path / "broken.db"
        shutil.copy(aftermath.database, broken)
        with closing(sqlite3.connect(broken)) as db, db:
            assert db.execute(breakage).rowcount >= 1, name
        assert list(Books.read(broken, aftermath.attempts).faults()), name
    answered = {str(lease.id) for lease in books.leases if lease.outcome == "answered"}
    one = next(attempt for attempt in aftermath.attempts if attempt.attempt in answered)
    others = [attempt for attempt in aftermath.attempts if attempt is not one]
    assert list(Books.read(aftermath.database, others).faults()), "an answer that was never asked for"
    assert list(Books.read(aftermath.database, [one, one, *others]).faults()), "an attempt was made twice"
