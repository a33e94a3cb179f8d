"""A chat in the terminal over a whole Potluck: what is shown of each reply, and what the commands do."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from adapters.rendering.saying import Speech
from adapters.terminal.chat import LOCAL, Chat, Done, member
from adapters.terminal.screen import Screen
from bot.conversation.attachments import MOST_BYTES, MOST_FILES
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.linking import key_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


class Terminal:
    """A chat and what it shows. `piped`: the answer and what is said about it go apart."""

    def __init__(
        self, potluck: Deployment, name: str = "ann", *, piped: bool = False, folder: Path | None = None
    ) -> None:
        clock = potluck.clock
        self.out = Console(file=io.StringIO(), width=200)
        self.err = Console(file=io.StringIO(), width=200) if piped else self.out
        self.screen = Screen(answers=self.out, notes=self.err, clock=clock)
        self.chat = Chat(
            conversations=potluck.running.conversations,
            registry=potluck.running.registry,
            clock=clock,
            member=member(name),
            speech=Speech(clock=clock),
            days=30,
            folder=folder or potluck.folder,
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

    async def do(self, line: str) -> str:
        """What a command says."""
        done = await self.chat.do(line)
        assert done is not None
        console = Console(file=io.StringIO(), width=200, markup=False)
        console.print(done.shown or "")
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


async def test_the_commands_are_those_there_are_everywhere(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        helped = await terminal.do("/help")
        assert all(f"/{command.name} " in helped for command in running.running.registry.usable(terminal.chat.caller))
        assert all(f"/{name} " in helped for name in LOCAL), "and the terminal's own"
        assert "in memory only" in helped
        assert "/attach" not in await terminal.do("/help quota")
        assert "Used 0, left 50" in await terminal.do("/quota")
        await terminal.ask("my canary is heron")
        assert "Used 1, left 49" in await terminal.do("/quota")
        assert "first come, first served" in await terminal.do("/why")
        assert "1 of the 50 requests of today's pool are used" in await terminal.do("/pool")
        assert "heron" in await terminal.ask("sandbox:echo")
        assert "new conversation" in await terminal.do("/new")
        assert "heron" not in await terminal.ask("sandbox:echo")
        assert "nothing here that could be stopped" in await terminal.do("/stop")
        assert "no /foo. /help lists" in await terminal.do("/foo")
        assert "no /model. /help model lists" in await terminal.do("/model")
        assert await terminal.chat.do("/quit") == Done(leave=True)
        assert await terminal.chat.do("/usr/bin/env does what?") is None, "that is a question"
        asked = await terminal.chat.do("/ask why is it so?")
        assert asked == Done(ask="why is it so?")


async def test_who_sits_at_the_machine_looks_after_the_terminal(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock, fair_policy="fair") as running:
        ann, ben = Terminal(running), Terminal(running, "ben")
        await ben.ask("hello")
        assert "ben" in await ann.do("/admin quota grant ben 3")
        assert "3" in await ann.do("/admin quota show ben")
        assert "/admin audit undo number=2" in await ann.do("/admin quota block ben")
        await ben.ask("hello")
        assert ben.failed()
        assert "taken back" in await ann.do("/admin audit undo 2")
        await ben.ask("hello")
        assert not ben.failed()


async def test_a_model_can_be_chosen(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running)
        assert "sandbox/harbor-24b:free" in await terminal.do("/model show harbor")
        assert "There is no model harbor" in await terminal.do("/model set harbor")
        assert "nobody has opened it to you" in await terminal.do("/model set sandbox/summit-120b")
        assert "answers you from now on" in await terminal.do("/model set sandbox/harbor-24b:free")
        assert "sandbox/harbor-24b:free" in await terminal.ask("hello")
        again = Terminal(running)
        assert "sandbox/harbor-24b:free" in await again.do("/model show"), "it is kept for the next time"
        assert "Potluck chooses" in await terminal.do("/model set any")


async def test_a_secret_that_a_line_lacks_is_asked_for_unseen(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        chat = Terminal(running).chat
        asked = await chat.do("/key paste")
        assert asked == Done(unseen="The code that OpenRouter showed, or a key that you have made there")
        key = (await key_of(running, "anns")).get_secret_value()
        done = await chat.do("/key paste", unseen=key)
        assert done is not None
        assert done.unseen is None
        assert await running.running.keys.shown(member("ann")) is not None
        left = await chat.do("/key paste", unseen="")
        assert left is not None
        assert left.unseen is None, "it is asked for once"


async def test_tab_offers_what_may_come_next(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        (tmp_path / "notes one.txt").touch()
        (tmp_path / "more").mkdir()
        chat = Terminal(running, folder=tmp_path).chat
        assert await chat.complete("/qu") == ["/quota", "/quit"]
        assert await chat.complete("/mo") == ["/model "]
        assert {"show ", "set "} <= set(await chat.complete("/model s"))
        assert "grant " in await chat.complete("/admin quota ")
        assert await chat.complete("/model set harb") == [], "an id begins with its maker"
        assert await chat.complete("/model set sandbox/harb") == ["sandbox/harbor-24b:free "]
        assert await chat.complete("/model set sandbox/harbor-24b:free w") == ["where="]
        assert await chat.complete("/model set sandbox/harbor-24b:free where=h") == ["where=here "]
        assert await chat.complete("/attach mo") == ["more/"]
        assert await chat.complete("/attach notes o") == ["one.txt"]
        assert not await chat.complete("/attach nowhere/x")
        assert not await chat.complete("what does /qu"), "in a question nothing is offered"


async def test_a_file_goes_with_the_next_question_only(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running, folder=tmp_path)
        (tmp_path / "notes one.txt").write_text("my canary is heron")
        assert "Nothing is attached" in await terminal.do("/attach")
        assert "next question: notes one.txt" in await terminal.do("/attach notes one.txt")
        assert "heron" in await terminal.ask("sandbox:echo")
        assert "Nothing is attached" in await terminal.do("/attach")
        await terminal.do('/attach "notes one.txt"')
        assert "Nothing is attached any more" in await terminal.do("/detach")
        await terminal.do("/new")
        assert "heron" not in await terminal.ask("sandbox:echo")


async def test_a_file_that_cannot_be_sent_is_told_of_at_once(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        terminal = Terminal(running, folder=tmp_path)
        (tmp_path / "large.txt").write_bytes(b"a" * (MOST_BYTES + 1))
        (tmp_path / "small.txt").write_text("small")
        os.mkfifo(tmp_path / "pipe")
        assert "“large.txt”" in await terminal.do("/attach large.txt")
        assert "No such file" in await terminal.do("/attach nowhere.txt")
        assert "cannot be read" in await terminal.do("/attach .")
        assert "cannot be read" in await terminal.do("/attach pipe")
        for _ in range(MOST_FILES):
            assert "small.txt" in await terminal.do("/attach small.txt")
        assert str(MOST_FILES) in await terminal.do("/attach small.txt")
        (tmp_path / "program").write_bytes(bytes(range(256)))
        await terminal.do("/detach")
        await terminal.do("/attach program")
        await terminal.ask("what is this?")
        assert terminal.failed(), "what it is, the core finds out"
        assert running.running.scheduler.used == 0


async def test_what_is_handed_over_is_written_and_never_over_another_file(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        folder = tmp_path / "here"
        folder.mkdir()
        terminal = Terminal(running, folder=folder)
        await terminal.ask("my canary is heron")
        await terminal.do("/privacy export")
        (written,) = folder.iterdir()
        assert "heron" in written.read_text()
        assert "cannot be written: File exists" in await terminal.do("/privacy export")


async def test_two_members_of_the_terminal_do_not_share_a_conversation(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck(tmp_path, clock) as running:
        ann, ben, again = Terminal(running), Terminal(running, "ben"), Terminal(running)
        await ann.ask("my canary is heron")
        assert "heron" in await ann.ask("sandbox:echo")
        assert "heron" not in await ben.ask("sandbox:echo")
        assert "heron" not in await again.ask("sandbox:echo"), "a run is a conversation of its own"
