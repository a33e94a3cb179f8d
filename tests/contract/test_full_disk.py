"""A disk that is full: what members are told, what is kept of answers under way, and that all goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from adapters.rendering import words
from adapters.rendering.saying import Tongue
from bot.clock import day_of, day_start
from bot.errors import DatabaseAway
from bot.messages import Failed, Finished, Held
from bot.openrouter.sandbox import SandboxSettings
from bot.storage.database import Database
from bot.storage.tables import adapter_notes, held_questions, turns
from bot.storage.units import Where
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.full import fill, full, make_room
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

LONG = "a question that needs room of its own " * 200
"""No page of the file has that much left."""
SLOW = SandboxSettings(first_token_seconds=5, seconds_per_chunk=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """A Potluck over a database that can be full."""

    potluck: Deployment
    database: Database

    @property
    def sent(self) -> int:
        """Requests that have left."""
        return len(self.potluck.sandbox.log)

    @property
    def backlog(self) -> int:
        return len(self.potluck.running.backlog)

    async def trouble(self) -> str | None:
        return await self.potluck.running.probing.trouble()


def at(where: Where) -> str:
    return f"sqlite+aiosqlite:///{where}" if isinstance(where, Path) else where


@asynccontextmanager
async def potluck(
    where: Where, folder: Path, clock: VirtualClock, *, sandbox: SandboxSettings | None = None, **env: str
) -> AsyncIterator[There]:
    async with deployment(folder, clock, sandbox=sandbox, env={"database_url": at(where), **env}) as made:
        yield There(potluck=made, database=made.running.database)


def told(heard: Heard, language: str = "en") -> str:
    ending = heard.ending
    assert isinstance(ending, Failed)
    explained = words.explain(ending.error.code, reason=ending.error.reason, tongue=Tongue(language))
    return f"{explained.headline} {explained.detail}"


async def test_a_question_that_cannot_be_written_down_is_not_sent_and_its_member_is_told(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(where, tmp_path, clock) as there:
        async with full(there.database):
            heard = await there.potluck.ask("ann", LONG)
            assert (heard.error, heard.started, there.sent) == ("internal", False, 0)
            assert "cannot write anything down" in told(heard)
            assert "kann gerade nichts aufschreiben" in told(heard, "de")
            assert there.potluck.running.scheduler.used == 0
        assert (await there.potluck.ask("ann", LONG)).error is None, "without a restart"
        counted = await there.potluck.counted()
        assert (counted["used"], counted["taken"], there.sent) == (1, 1, 1)
        await there.potluck.quiet()


async def test_an_answer_under_way_is_shown_whole_and_settled_once_when_there_is_room(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(where, tmp_path, clock, sandbox=SLOW) as there:
        heard = Heard()
        asking = asyncio.create_task(there.potluck.hear(there.potluck.message("ann", LONG), heard=heard))
        while not heard.text:
            await asyncio.sleep(1)
        async with full(there.database):
            await asking
            assert isinstance(heard.ending, Finished)
            assert there.backlog == 1
            assert (await there.potluck.counted())["leases"] == {"open": 1}
            assert await there.potluck.running.database.read(lambda core: core.scalar(select(turns.c.answer))) == ""
            assert (await there.potluck.ask("ann", LONG)).error == "internal", "the member may ask again, and is told"
            await asyncio.sleep(3600)
            assert there.backlog == 2, "and that they wanted to is to be written down, too"
        await asyncio.sleep(10)
        assert there.backlog == 0
        counted = await there.potluck.counted()
        assert (counted["leases"], counted["used"], counted["taken"]) == ({"answered": 1}, 1, 1)
        kept = await there.potluck.running.database.read(lambda core: core.scalar(select(turns.c.answer)))
        assert kept == heard.text
        await there.potluck.quiet()


async def test_what_could_not_be_settled_before_the_end_counts_as_spent_once(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(where, tmp_path, clock, sandbox=SLOW) as there:
        heard = Heard()
        asking = asyncio.create_task(there.potluck.hear(there.potluck.message("ann", LONG), heard=heard))
        while not heard.text:
            await asyncio.sleep(1)
        await fill(there.database)
        await asking
        assert isinstance(heard.ending, Finished)
    make_room(where)
    await asyncio.sleep(10)  # others would take it for dead by now
    async with potluck(where, tmp_path, clock) as there:
        assert there.potluck.running.recovered == 1
        assert there.potluck.running.scheduler.used == 1
        counted = await there.potluck.counted()
        cut = "crashed" if isinstance(where, Path) else "given_up"
        assert (counted["leases"], counted["used"]) == ({cut: 1}, 1), "spent, and not given back"


async def test_chores_outlive_a_day_of_a_full_disk_and_are_in_order_after_it(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(where, tmp_path, clock, fair_policy="fair", promise_units="0", pool_rpd="6") as there:
        running, potluck_ = there.potluck.running, there.potluck
        for _ in range(8):
            held = await potluck_.ask("ann", hold=True)
            if isinstance(held.ending, Held):
                break
        assert isinstance(held.ending, Held), held
        today = day_of(clock.now())
        clock.skew = day_start(today + 1) - 1200 - clock.now()  # the evening comes early
        async with full(there.database):
            while day_of(clock.now()) == today:
                await asyncio.sleep(600)
            await asyncio.sleep(600)
            assert "pruning" not in running.chores.failing, "there was nothing to delete"
        await asyncio.sleep(900)
        assert running.chores.failing == {}
        assert there.backlog == 0
        found = await running.database.read(lambda core: core.execute(select(held_questions.c.ended)).scalars().all())
        # A short question may find room in a page of a file that may not grow.
        assert found in (["hold_expired"], ["finished"]), "never as a fault: it waited on while nothing could be sent"
        assert (await potluck_.ask("ann", LONG)).error != "internal"


async def test_it_is_known_that_nothing_can_be_written_though_everything_can_be_read(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(where, tmp_path, clock) as there:
        assert await there.trouble() is None
        async with full(there.database):
            await asyncio.sleep(5)
            assert await there.database.read(lambda core: core.scalar(text("SELECT 1"))) == 1, "the control"
            trouble = await there.trouble()
            assert trouble is not None
            assert "full" in trouble
        await asyncio.sleep(5)
        assert await there.trouble() is None


async def test_units_that_share_a_transaction_all_know_that_it_came_to_nothing(
    where: Where, tmp_path: Path, clock: VirtualClock
) -> None:
    """A full disk ends SQLite's transaction by itself, and with it what others had written in it."""

    def note(key: str, size: int) -> Callable[[Connection], str]:
        def unit(connection: Connection) -> str:
            row = {"platform": "test", "key": key, "value": "x" * size, "noted_at": 0}
            connection.execute(insert(adapter_notes), row)
            return key

        return unit

    async with potluck(where, tmp_path, clock) as there:
        sizes = {"small": 10, "large": 100_000, "small too": 10}
        async with full(there.database):
            writing = (there.database.write(note(key, size)) for key, size in sizes.items())
            came = await asyncio.gather(*writing, return_exceptions=True)
        kept = set(
            await there.database.read(
                lambda core: core.scalars(select(adapter_notes.c.key).where(adapter_notes.c.platform == "test")).all()
            )
        )
        assert kept == {one for one in came if isinstance(one, str)}, "who heard of no error was written"
        assert all(isinstance(one, str | DatabaseAway) for one in came)
        assert any(isinstance(one, DatabaseAway) for one in came)
