"""One of several processes that answer questions over one database, as a program.

Arguments: the address, the first of its pools and how many, callers, seconds. It says `ready` when its pools are open,
begins at the line it is sent, and then says how many questions it took through and the seconds of a processor it took.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from time import process_time

from benchmarks.scale.deployment import answered, deployed, rate


async def main(address: str, first: int, pools: int, callers: int, seconds: float) -> None:
    async with deployed(address, range(first, first + pools)) as schedulers:
        await rate(schedulers, callers=1, leases=pools)  # the first question of a pool's day costs more
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        busy = process_time()
        given = await answered(schedulers, callers=callers, seconds=seconds)
        print(given, process_time() - busy, flush=True)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    _, where, begins, number, together, lasts = sys.argv
    asyncio.run(main(where, int(begins), int(number), int(together), float(lasts)))
