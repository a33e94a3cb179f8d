"""`potluck chat`: reads what a person writes, or what a pipe brings, and shows the answers.

Ctrl-C stops the answer under way; a second one, or one at the prompt, leaves (exit code 130). Ctrl-D and /quit leave
with 0. A pipe is one question: its answer alone is written to stdout, and 1 is the exit code if there is none.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager, suppress
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from adapters.rendering.languages import locale_here
from adapters.rendering.saying import Speech, Tongue
from adapters.terminal.background import Background, background
from adapters.terminal.chat import Chat
from adapters.terminal.screen import Screen, local_zone
from bot.clock import Clock
from bot.commands.saying import say
from bot.messages import Member, ReplyEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.service import Service

PROMPT = "> "
QUESTION_MAX = 1_000_000
"""Bytes a pipe may bring; what a model can read is far less."""


class NoQuestionError(click.ClickException):
    """What was piped in cannot be asked."""

    exit_code = 2


def talk(opening: AbstractAsyncContextManager[Service], *, member: Member, clock: Clock) -> int:
    """Talk until the person leaves, or answer what was piped in. Returns the exit code.

    Raises:
        PotluckError: the service cannot start.
        KeyboardInterrupt: the person left by Ctrl-C.
    """
    for stream in (sys.stdin, sys.stdout, sys.stderr):  # a letter that cannot be read or shown is no reason to fail
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # typed as any TextIO, always a TextIOWrapper
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    speech = Speech(locale=locale_here(), clock=clock, zone=local_zone(clock.now()))
    question = "" if interactive else _piped(speech)
    with _ended_in_order(), background(_chat(opening, member=member, clock=clock, speech=speech)) as chat:
        if interactive:
            terminal = Console(highlight=False, markup=False, emoji=False)
            return Conversation(chat, Screen(answers=terminal, notes=terminal, clock=clock, tongue=speech)).run()
        answers, notes = Console(), Console(stderr=True, highlight=False, markup=False, emoji=False)
        return Conversation(chat, Screen(answers=answers, notes=notes, clock=clock, tongue=speech)).answer(question)


@asynccontextmanager
async def _chat(
    opening: AbstractAsyncContextManager[Service], *, member: Member, clock: Clock, speech: Speech
) -> AsyncIterator[Chat]:
    async with opening as service:
        following = asyncio.create_task(service.office.follow())
        try:
            yield Chat(
                conversations=service.conversations,
                registry=service.registry,
                clock=clock,
                member=member,
                speech=speech,
                days=service.settings.retain_messages_days,
                folder=Path.cwd(),
            )
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _piped(tongue: Tongue) -> str:
    """The question on stdin.

    Raises:
        NoQuestionError: there is none, or a book.
    """
    data = sys.stdin.buffer.read(QUESTION_MAX + 1)
    if len(data) > QUESTION_MAX:
        raise NoQuestionError(tongue.say(say("The question is longer than {most} bytes.", most=QUESTION_MAX)))
    if not (question := data.decode(errors="replace").strip()):
        raise NoQuestionError(tongue.say(say("There is no question: write it to stdin, or run it in a terminal.")))
    return question


class Conversation:
    """A chat on a screen. Lives in the main thread, where signals come."""

    def __init__(self, chat: Background[Chat], screen: Screen) -> None:
        self._chat, self._screen = chat, screen

    def answer(self, question: str) -> int:
        """Answer one question. Ctrl-C stops it, and is raised when it has stopped."""
        interrupted = self._ask(question)
        if interrupted:
            raise KeyboardInterrupt
        return 1 if self._screen.failed else 0

    def run(self) -> int:
        """Answer line after line."""
        _edit_lines(lambda line: self._chat.call(self._chat.value.complete(line)))
        self._screen.say(self._chat.call(self._chat.value.welcome()))
        while True:
            try:
                line = input(f"\n{PROMPT}").strip()
            except EOFError:
                self._screen.end()
                return 0
            except KeyboardInterrupt:
                self._screen.end()
                raise
            if not line:
                continue
            done = self._chat.call(self._chat.value.do(line))
            if done is not None and done.unseen is not None:
                done = self._chat.call(self._chat.value.do(line, unseen=_typed_unseen(done.unseen)))
            if done is None:
                self._ask(line)
                continue
            if done.leave:
                return 0
            if done.shown is not None:
                self._screen.say(done.shown)
            if done.ask is not None:
                self._ask(done.ask)

    def _ask(self, text: str) -> bool:
        """Show the reply. True: it was interrupted."""
        self._screen.begin()
        with _silent_keys(), self._stopped_by_ctrl_c() as interrupted, closing(self._events(text)) as events:
            try:
                for event in events:
                    self._screen.show(event)
                    if interrupted:  # perhaps before there was anything to stop
                        self._chat.soon(self._chat.value.stop)
            finally:
                self._screen.close()
        return bool(interrupted)

    def _events(self, text: str) -> Generator[ReplyEvent]:
        return self._chat.each(self._chat.value.ask(text))

    @contextmanager
    def _stopped_by_ctrl_c(self) -> Iterator[list[int]]:
        """The first Ctrl-C stops the answer without tearing what is being written; the next one interrupts."""
        interrupts: list[int] = []

        def stop(number: int, frame: object) -> None:
            interrupts.append(number)
            if len(interrupts) > 1:
                raise KeyboardInterrupt
            self._chat.soon(self._chat.value.stop)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield interrupts
        finally:
            signal.signal(signal.SIGINT, before)


def _typed_unseen(about: str) -> str:
    """What is not shown while it is typed, nor recalled afterwards. Empty: it was not to be given after all."""
    try:
        return getpass(f"{about}: ")
    except (EOFError, KeyboardInterrupt):
        click.echo()
        return ""


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Being told to end, or losing the terminal, is an exit like any other: what was sent is settled."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _silent_keys() -> Iterator[None]:
    """What is typed meanwhile does not run into the answer: it shows at the next prompt."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, [*before[:3], before[3] & ~termios.ECHO, *before[4:]])
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _edit_lines(candidates: Callable[[str], Sequence[str]]) -> None:
    """Line editing, completion of what is begun, and a history that lives as long as this process."""
    with suppress(ImportError):  # Windows, whose console edits lines itself
        import readline

        found: list[str] = []

        def complete(text: str, state: int) -> str | None:
            if not state:
                found[:] = candidates(readline.get_line_buffer()[: readline.get_endidx()])
            return found[state] if state < len(found) else None

        readline.set_completer(complete)
        readline.set_completer_delims(" \n")
        readline.parse_and_bind("tab: complete")
