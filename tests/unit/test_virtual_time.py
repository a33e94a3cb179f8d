"""The virtual loop itself: time jumps, sockets stay real, threads hold it still, and a deadlock is named."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.fakes.virtual import Deadlock, VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual


async def test_a_day_passes_at_once(clock: VirtualClock) -> None:
    before, real = clock.now(), time.perf_counter()
    await asyncio.sleep(86_400)
    assert clock.now() - before == pytest.approx(86_400)
    assert time.perf_counter() - real < 5


async def test_sockets_between_two_ends_in_the_process_carry_bytes_without_time_passing(
    clock: VirtualClock,
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        async with asyncio.timeout(1):
            assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    assert clock.monotonic() < 1


async def test_a_thread_at_work_holds_time_still(loop: VirtualLoop, clock: VirtualClock) -> None:
    done = threading.Event()
    loop.busy.append(lambda: not done.is_set())
    future: asyncio.Future[str] = loop.create_future()

    def work() -> None:
        time.sleep(0.05)
        loop.call_soon_threadsafe(future.set_result, "worked")
        done.set()

    threading.Thread(target=work).start()
    async with asyncio.timeout(1):
        assert await future == "worked"


def test_waiting_for_what_cannot_happen_is_named_instead_of_hanging() -> None:
    loop = VirtualLoop()
    try:
        with pytest.raises(Deadlock):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()
