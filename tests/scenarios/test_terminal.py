"""A chat in the terminal over a whole Potluck: what is shown of each reply, and what the commands do."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from rich.console import Console

from adapters.rendering import words
from adapters.terminal.chat import COMMANDS, Chat, Command, member
from adapters.terminal.screen import Screen
from bot.clock import Instant
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


class Terminal:
    """A chat and what it shows. `piped`: the answer and what is said about it go apart."""

    def __init__(self, potluck: Deployment, name: str = "ann", *, piped: bool = False) -> None:
        clock = potluck.clock
        self.out = Console(file=io.StringIO(), width=200)
        self.err = Console(file=io.StringIO(), width=200) if piped else self.out
        self.screen = Screen(answers=self.out, notes=self.err, clock=clock)
        self.chat = Chat(
            conversations=potluck.running.conversations,
            choices=potluck.running.choices,
            clock=clock,
            member=member(name),
            at=lambda moment: words.at(Instant(moment), clock.now(), UTC),
            days=30,
        )

    async def ask(self, text: str) -> str:
        """Ask, and return what was shown on stdout since."""
        before = len(self.shown)
        self.screen.begin()
        async with aclosing(self.chat.ask(text)) as events:
            async for event in events:
                self.screen.show(event)
        self.screen.close()
        return self.shown[before:]

    async def do(self, name: str, argument: str = "") -> str:
        """What a command says."""
        said = await self.chat.do(Command(name=name, argument=argument))
        assert said is not None
        console = Console(file=io.StringIO(), width=200, markup=False)
        console.print(said)
        return _text(console)

    def failed(self) -> bool:
        return self.screen.failed

    @property
    def shown(self) -> str:
        return _text(self.out)

    @property
    def aside(self) -> str:
        return _text(self.err)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@asynccontextmanager
async def potluck(folder: Path, clock: VirtualClock, **env: str) -> AsyncIterator[Deployment]:
    sandbox = SandboxSettings(rpd=int(env.get("pool_rpd", "50")))
    async with deployment(folder, clock, env=env, sandbox=sandbox) as running:
        yield running


async def test_an_answer_is_shown_with_a_footer(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        assert "leave out anything private" in await terminal.ask("why is the sky blue?")
        *answer, footer = (await terminal.ask("and the sea?")).splitlines()
        assert "question 2 of this conversation" in answer[-1], "it remembers"
        assert footer.endswith(" · free · 2 of today's 50 used · 48 left")
        assert not terminal.failed()


async def test_a_piped_answer_stands_alone(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running, piped=True)
        await terminal.ask("why is the sky blue?")
        assert "sandbox" in terminal.shown.lower()
        assert terminal.shown.endswith("`.*\n")
        assert "private" not in terminal.shown
        assert " · " not in terminal.shown
        assert terminal.aside == (
            "Free models may store what you write and learn from it: leave out anything private.\n"
        )


async def test_a_failure_is_told_in_words_beside_the_answer(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock, pool_rpd="1") as running:
        terminal = Terminal(running, piped=True)
        await terminal.ask("hello")
        assert not terminal.failed()
        assert await terminal.ask("hello") == ""
        assert terminal.failed()
        assert "Today's pool is empty" in terminal.aside
        assert "It is full again tomorrow at " in terminal.aside


async def test_what_came_before_a_failure_stays(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        shown = await terminal.ask("hello sandbox:cut_off")
        assert "What has come so far stays" in shown.splitlines()[-1]
        assert len(shown.splitlines()) > 1
        assert terminal.failed()


async def test_the_place_in_line_is_told_once_where_nothing_can_be_taken_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck(tmp_path, clock, pool_rpm="1") as running:
        await running.ask("ben")
        ben = asyncio.create_task(running.ask("ben"))
        await asyncio.sleep(1)
        terminal = Terminal(running, piped=True)
        await terminal.ask("hello")
        await ben
        assert terminal.aside.count("in line") == 1
        assert "You are number 2 in line: about 2 minutes." in terminal.aside


async def test_stopping_leaves_what_came_and_the_next_question_works(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        asking = asyncio.create_task(terminal.ask("tell me something long"))
        await asyncio.sleep(3)
        assert terminal.chat.stop()
        shown = await asking
        assert "Stopped. What has come so far stays." in shown
        assert "sandbox" in shown
        assert not terminal.chat.stop(), "there is nothing left to stop"
        assert "question 2 of this conversation" in await terminal.ask("hello")
        await running.quiet()


@pytest.mark.parametrize("piped", [True, False])
async def test_escape_sequences_of_a_model_are_inert(tmp_path: Path, clock: VirtualClock, piped: bool) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running, piped=piped)
        shown = await terminal.ask("sandbox:echo \x1b[2J\x1b]0;owned\x07 \x9b31m [bold]brackets[/bold]")
        assert "[2J" in shown, "the text is there"
        assert "[bold]brackets[/bold]" in shown, "and no markup of ours"
        assert not set(shown) & {"\x1b", "\x07", "\x9b"}


async def test_the_commands(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        helped = await terminal.do("help")
        assert all(f"/{name} " in helped for name in COMMANDS)
        assert "in memory only" in helped
        assert (await terminal.do("quota")).startswith("0 of today's 50 used · 50 left.")
        await terminal.ask("my canary is heron")
        assert (await terminal.do("quota")).startswith("1 of today's 50 used · 49 left.")
        assert "1 of today's 50 requests used, 1 of 20 in this minute." in await terminal.do("pool")
        assert "heron" in await terminal.ask("sandbox:echo")
        assert "new conversation" in await terminal.do("new")
        assert "heron" not in await terminal.ask("sandbox:echo")
        assert "nothing to stop" in await terminal.do("stop")
        assert "no /foo" in await terminal.do("foo")
        assert await terminal.chat.do(Command(name="quit", argument="")) is None


async def test_a_model_can_be_chosen(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        first, *listed = (await terminal.do("model")).splitlines()
        assert first == "Model: auto, which leaves it to Potluck."
        assert listed[0] == "openrouter/free · free"
        assert all(line.endswith(" · free") for line in listed), "what costs is open to nobody yet"
        unknown = await terminal.do("model", "harbor")
        assert "There is no model of that name" in unknown
        assert "Did you mean sandbox/harbor-24b:free?" in unknown
        assert "nobody has opened it to you" in await terminal.do("model", "sandbox/summit-120b")
        assert await terminal.do("model", "sandbox/harbor-24b:free") == (
            "From now on sandbox/harbor-24b:free answers you.\n"
        )
        assert (await terminal.do("model")).startswith("Model: sandbox/harbor-24b:free.")
        assert "sandbox/harbor-24b:free" in await terminal.ask("hello")
        again = Terminal(running)
        assert "sandbox/harbor-24b:free" in await again.do("model"), "it is kept for the next time"
        assert "Potluck chooses" in await terminal.do("model", "auto")


async def test_two_members_of_the_terminal_do_not_share_a_conversation(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        ann, ben, again = Terminal(running), Terminal(running, "ben"), Terminal(running)
        await ann.ask("my canary is heron")
        assert "heron" in await ann.ask("sandbox:echo")
        assert "heron" not in await ben.ask("sandbox:echo")
        assert "heron" not in await again.ask("sandbox:echo"), "a run is a conversation of its own"
