"""Looking after a day from where people are, the page and the terminal: three units more, a block in the middle of the
line, both taken back, and an audit that tells the story."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from rich.console import Console

from adapters.rendering.saying import Speech
from adapters.terminal.chat import Chat, member
from bot.messages import Failed, Finished, Queued
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.browsing import Browser, browsing
from tests.fakes.deployment import Deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

ENV = {"fair_policy": "fair", "promise_units": "0", "owner_ids": "web:ada,terminal:ada", "pool_rpd": "20"}
SANDBOX = SandboxSettings(rpm=1000, rpd=1000)


class Heard:
    """One reply, as its surface tells it while it goes: the places in line, and how it ended."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    @property
    def places(self) -> list[int]:
        return [told["place"] for kind, told in self.events if kind == "queued"]

    @property
    def ended(self) -> str:
        kind, told = self.events[-1]
        return str(told["error"]) if kind == "failed" else kind


class Surface(Protocol):
    """Where people ask and give commands."""

    async def ask(self, name: str, heard: Heard) -> None:
        """Ask; `ended` is `finished` or the error."""
        ...

    async def do(self, line: str) -> str:
        """What a command of Ada's answers, who looks after it."""
        ...


class Page:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def ask(self, name: str, heard: Heard) -> None:
        await self.browser.ask(name, conversation=name, heard=heard.events)

    async def do(self, line: str) -> str:
        answer = await self.browser.command(line, "ada")
        assert answer["ok"], answer
        return "\n".join(_lines(part) for part in answer["parts"])


def _lines(part: dict[str, Any]) -> str:
    rows = part.get("rows", [])
    return "\n".join([part.get("text", ""), *(" | ".join(map(str, row)) for row in rows)])


class Terminal:
    def __init__(self, potluck: Deployment) -> None:
        self._potluck = potluck
        self._ada = self._chat("ada")

    def _chat(self, name: str) -> Chat:
        running, clock = self._potluck.running, self._potluck.clock
        return Chat(
            conversations=running.conversations,
            registry=running.registry,
            clock=clock,
            member=member(name),
            speech=Speech(clock=clock),
            days=30,
            folder=self._potluck.folder,
        )

    async def ask(self, name: str, heard: Heard) -> None:
        async with aclosing(self._chat(name).ask("hello")) as events:
            async for event in events:
                match event:
                    case Queued(place=place):
                        heard.events.append(("queued", {"place": place}))
                    case Finished():
                        heard.events.append(("finished", {}))
                    case Failed(error=error):
                        heard.events.append(("failed", {"error": error.code}))
                    case _:
                        pass

    async def do(self, line: str) -> str:
        done = await self._ada.do(line)
        assert done is not None
        console = Console(file=io.StringIO(), width=300, markup=False)
        console.print(done.shown)
        assert isinstance(console.file, io.StringIO)
        return "\n".join(re.sub(r" {3,}", " | ", line.strip()) for line in console.file.getvalue().splitlines())


@asynccontextmanager
async def surface(name: str, folder: Path, clock: VirtualClock) -> AsyncIterator[tuple[Surface, Deployment]]:
    async with browsing(folder, clock, sandbox=SANDBOX, **ENV) as (browser, potluck):
        yield Page(browser) if name == "page" else Terminal(potluck), potluck


async def asked(where: Surface, name: str) -> str:
    heard = Heard()
    await where.ask(name, heard)
    return heard.ended


@pytest.mark.parametrize("name", ["page", "terminal"])
async def test_three_more_today_a_block_in_mid_line_and_both_taken_back(
    tmp_path: Path, clock: VirtualClock, name: str
) -> None:
    async with surface(name, tmp_path, clock) as (where, potluck):
        while (ended := await asked(where, "ben")) == "finished":
            pass
        assert ended == "daily_share_spent"
        granted = await where.do("/admin quota grant ben 3")
        assert "3 units more today" in granted
        assert [await asked(where, "ben") for _ in range(4)] == ["finished"] * 3 + ["daily_share_spent"]

        # A line: one start a minute. Cara waits in front of dan; blocked, she is out at once, and he moves up.
        await where.do("/admin pool limits rpm=1 rpd=400")
        heard = {who: Heard() for who in ("eve", "fay", "cara", "dan")}
        asking = []
        for who, one in heard.items():
            asking.append(asyncio.create_task(where.ask(who, one)))
            await asyncio.sleep(1)
        before = heard["dan"].places[-1]
        assert before == heard["cara"].places[-1] + 1
        blocked = await where.do("/admin quota block cara")
        assert "cara may ask nothing more until unblocked" in blocked
        await asyncio.sleep(0.1)
        assert asking[2].done(), "she does not wait for nothing"
        assert heard["dan"].places[-1] == before - 1, "and he is told at once that he moved up"
        await asyncio.gather(*asking)
        assert heard["cara"].ended == "member_blocked"
        assert heard["dan"].ended == "finished"
        assert await asked(where, "cara") == "member_blocked"

        # Both are taken back, by the numbers the answers gave, and the audit tells it all.
        numbers: dict[str, str] = {}
        for told in (await where.do("/admin audit list")).splitlines():
            if found := re.match(r"(\d+) \|.*\| admin quota (grant|block) \|", told):
                numbers[found[2]] = found[1]
        assert "taken back" in await where.do(f"/admin audit undo {numbers['block']}")
        assert await asked(where, "cara") == "finished"
        assert "Besides the share today | 3" in await where.do("/admin quota show ben")
        assert "taken back" in await where.do(f"/admin audit undo {numbers['grant']}")
        assert "Besides the share today | 0" in await where.do("/admin quota show ben")
        story = await where.do("/admin audit list")
        for told in (
            "| ada | admin quota grant (taken back by 5) |",
            "| ada | admin quota block (taken back by 4) |",
            f"| ada | admin audit undo {numbers['block']} |",
            "– | 3 units more",
            "– | blocked",
        ):
            assert told in story, story
        await potluck.quiet()


async def test_what_is_changed_is_told_to_every_page_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    """Shares move by it though the pool's own figures do not, so the pages look at theirs again."""
    async with surface("page", tmp_path, clock) as (where, potluck):
        assert isinstance(where, Page)
        before = await where.browser.get("/api/pool")
        watching = asyncio.create_task(where.browser.pool_events(lambda told: told["changes"] == 1))
        await asyncio.sleep(5)
        assert not watching.done(), "the control: nothing has changed"
        began = clock.now()
        await where.do("/admin quota grant web:ben 3")
        told = await watching
        assert clock.now() - began < 1
        figures = ("used", "rpd", "waiting", "resets_at")
        assert {name: told[name] for name in figures} == {name: before[name] for name in figures}
        await potluck.quiet()
