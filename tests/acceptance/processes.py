"""Programs as real processes: started in a folder and an environment of their own, awaited by what they print, ended.

Nothing of the caller's environment reaches them but what is handed over, and each leads a process group of its own,
so that whatever a test leaves behind goes with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

POTLUCK = (str(Path(sys.executable).with_name("potluck")),)
"""The installed command."""
_HERE = str(Path(__file__).parents[2])
"""What is tested is what these tests lie beside, wherever another one is installed."""
PATIENCE = 30.0
"""Seconds until something that should have happened is taken not to; a busy machine starts Python slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended: its exit code, or minus the signal that killed it, and all it printed."""

    code: int
    out: str
    err: str


class Running:
    """A process under way."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._out: list[str] = []
        self._err: list[str] = []
        self._read = 0
        self._printed = asyncio.Condition()
        self._drains = (
            asyncio.create_task(self._drain(process.stdout, self._out)),
            asyncio.create_task(self._drain(process.stderr, self._err)),
        )

    async def _drain(self, pipe: asyncio.StreamReader, lines: list[str]) -> None:
        async for line in pipe:
            async with self._printed:
                lines.append(line.decode(errors="replace"))
                self._printed.notify_all()
        async with self._printed:
            self._printed.notify_all()

    async def line(self, *starts: str) -> str:
        """The next line of its output that starts with one of these; what came before it is passed over."""
        try:
            async with asyncio.timeout(PATIENCE), self._printed:
                while True:
                    while self._read < len(self._out):
                        line = self._out[self._read].rstrip("\n")
                        self._read += 1
                        if line.startswith(starts):
                            return line
                    assert not self._drains[0].done(), f"it ended without {starts}: {self._last_words()}"
                    await self._printed.wait()
        except TimeoutError:
            raise AssertionError(f"it never said {starts}: {self._last_words()}") from None

    def _last_words(self) -> str:
        return "".join(self._out[-20:] + self._err[-40:])

    def tell(self, line: str) -> None:
        """Write a line to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within: float = PATIENCE) -> Ended:
        """Wait for its end.

        Raises:
            AssertionError: it did not come within that many seconds.
        """
        try:
            async with asyncio.timeout(within):
                code = await self._process.wait()
                await asyncio.gather(*self._drains)
        except TimeoutError:
            raise AssertionError(f"it is still running after {within} s: {self._last_words()}") from None
        return Ended(code=code, out="".join(self._out), err="".join(self._err))

    async def end(self) -> None:
        """Kill it with all its children, if it still lives."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        await asyncio.gather(*self._drains)


@asynccontextmanager
async def running(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, program: Sequence[str] = POTLUCK
) -> AsyncIterator[Running]:
    """Start `potluck ARGUMENTS`, or another program; killed on the way out if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *program,
        *arguments,
        cwd=folder,
        env={"PYTHONPATH": _HERE, **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    begun = Running(process)
    try:
        yield begun
    finally:
        await begun.end()


async def result(*arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run `potluck ARGUMENTS` to its end."""
    async with running(*arguments, folder=folder, env=env) as process:
        return await process.ended()


async def results(*runs: tuple[str, Mapping[str, str]], folder: Path) -> list[Ended]:
    """Run several commands, each with its environment, to their ends: as many at a time as there are processors."""
    room = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(arguments: str, env: Mapping[str, str]) -> Ended:
        async with room:
            return await result(*arguments.split(), folder=folder, env=env)

    return await asyncio.gather(*(one(*run) for run in runs))
