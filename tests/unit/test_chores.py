"""Chores are begun again whenever they fail, and heard of; what could not be written down is, in its order, once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.backlog import Backlog
from bot.chores import LONGEST_PAUSE, Chores
from bot.errors import DatabaseAway

pytestmark = pytest.mark.virtual

FULL = DatabaseAway("full", "the database's disk is full")


async def test_a_chore_that_fails_for_hours_goes_on_when_it_can(caplog: pytest.LogCaptureFixture) -> None:
    works, done, failed = False, 0, list[str]()

    async def step() -> None:
        nonlocal done
        if not works:
            raise FULL
        done += 1

    chores = Chores(failed.append)
    chores.every(30, "pruning", step)
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(3 * 3600)
        assert chores.failing == {"pruning": "the database's disk is full"}
        assert 3 * 3600 / LONGEST_PAUSE / 2 < failed.count("pruning") < 3 * 3600 / LONGEST_PAUSE + 10
        assert len(caplog.records) == 1, "said once, however long it stays so"
    works = True
    await asyncio.sleep(LONGEST_PAUSE + 10)
    assert chores.failing == {}
    assert (before := done)
    await chores.close()
    await asyncio.sleep(3600)
    assert done == before, "closed, it is done no more"


async def test_control_a_bare_task_dies_of_its_first_failure() -> None:
    async def chore() -> None:
        while True:
            await asyncio.sleep(30)
            raise FULL

    task = asyncio.create_task(chore())
    await asyncio.sleep(3600)
    assert task.done()
    assert task.exception() is FULL


async def test_a_chore_that_only_ends_is_out_of_order_too(caplog: pytest.LogCaptureFixture) -> None:
    async def ends() -> None:
        await asyncio.sleep(1)

    chores = Chores()
    chores.begin("watching", ends)
    with caplog.at_level(logging.ERROR):
        await asyncio.sleep(1.5)
        assert chores.failing == {"watching": "it ended"}
        assert [record.levelname for record in caplog.records] == ["ERROR"]
    await chores.close()


async def test_what_is_to_be_done_once_is_tried_until_it_is_done() -> None:
    tries = 0

    async def take_up() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise FULL

    chores = Chores()
    chores.once("beginning", take_up)
    await asyncio.sleep(3600)
    assert (tries, chores.failing) == (4, {})
    await chores.close()


class Paper:
    """Takes what is written down, or nothing."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.full = False

    async def write(self, number: int) -> None:
        await asyncio.sleep(0.1)
        if self.full:
            raise FULL
        if number in self.written:
            raise ValueError("it is there already")
        self.written.append(number)


async def test_the_backlog_is_written_in_its_order_once_and_holds_nobody_up() -> None:
    paper, backlog = Paper(), Backlog()
    loop = asyncio.get_running_loop()
    await backlog.write(lambda: paper.write(0))
    paper.full = True
    for number in range(1, 6):
        began = loop.time()
        await backlog.write(lambda number=number: paper.write(number))  # type: ignore[misc]
        assert loop.time() - began <= 0.1, "the first try at most"
    assert len(backlog) == 5
    await asyncio.sleep(3600)
    assert (paper.written, len(backlog)) == ([0], 5)
    paper.full = False
    await backlog.write(lambda: paper.write(6))
    await asyncio.sleep(10)
    assert (paper.written, len(backlog)) == ([0, 1, 2, 3, 4, 5, 6], 0)
    await backlog.close()


async def test_what_never_can_be_written_is_nobodys_obstacle() -> None:
    paper, backlog = Paper(), Backlog()
    paper.full = True
    for number in (1, 1, 2):
        await backlog.write(lambda number=number: paper.write(number))  # type: ignore[misc]
    paper.full = False
    await asyncio.sleep(10)
    assert paper.written == [1, 2]
    with pytest.raises(ValueError, match="already"):
        await backlog.write(lambda: paper.write(1))
    await backlog.close()


async def test_the_end_waits_for_what_is_left_but_not_for_long(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    for full in (False, True):
        paper, backlog = Paper(), Backlog()
        paper.full = True
        await backlog.write(lambda paper=paper: paper.write(1))  # type: ignore[misc]
        paper.full, began = full, loop.time()
        with caplog.at_level(logging.ERROR):
            await backlog.close()
        assert loop.time() - began < 3
        assert paper.written == ([] if full else [1])
    levels = [record.levelname for record in caplog.records]
    assert levels.count("ERROR") == 1, "what is lost is said"


async def test_one_that_fails_when_it_is_stopped_is_no_obstacle_to_the_end_of_the_others() -> None:
    ended = list[str]()

    async def fails_at_its_end() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise FULL

    async def takes_a_while() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            ended.append("it")

    chores = Chores()
    chores.begin("fails", fails_at_its_end)
    chores.begin("takes a while", takes_a_while)
    await asyncio.sleep(1)
    await chores.close()
    assert ended == ["it"]


async def test_one_that_waited_for_something_that_was_cancelled_goes_on() -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        waited_for = asyncio.get_running_loop().create_future()
        waited_for.cancel()
        await waited_for

    chores = Chores()
    chores.begin("work", work)
    await asyncio.sleep(LONGEST_PAUSE)
    assert begun > 3
    await chores.close()


async def test_what_is_being_written_at_the_end_is_not_written_once_more() -> None:
    written, away = list[str](), True

    async def in_its_thread() -> None:  # whoever waits for it
        await asyncio.sleep(1)
        written.append("it")

    async def writing() -> None:
        if away:
            raise FULL
        await asyncio.shield(asyncio.create_task(in_its_thread()))

    backlog = Backlog()
    await backlog.write(writing)
    away = False
    await asyncio.sleep(1)
    assert not written, "under way"
    await backlog.close()
    await asyncio.sleep(5)
    assert written == ["it"]
    assert not len(backlog)
