"""The thread that owns a connection does all it is given, in order, whoever still waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.storage.thread import OwningThread


async def test_what_its_caller_no_longer_waits_for_is_done_all_the_same() -> None:
    thread, may, done = OwningThread("owner"), threading.Event(), list[int]()
    asked = [asyncio.create_task(thread.run(may.wait)), asyncio.create_task(thread.run(lambda: done.append(1)))]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert done == []
    may.set()
    assert await thread.run(lambda: list(done)) == [1]
    thread.end()


async def test_what_goes_wrong_there_is_told_here_and_nothing_else_suffers() -> None:
    thread = OwningThread("owner")

    def fail() -> None:
        raise ValueError("as it was said")

    with pytest.raises(ValueError, match="as it was said"):
        await thread.run(fail)
    assert await thread.run(threading.get_ident) == await thread.run(threading.get_ident) != threading.get_ident()
    thread.end()
    thread._thread.join(5)
    assert not thread._thread.is_alive()
