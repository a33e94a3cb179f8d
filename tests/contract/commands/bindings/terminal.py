"""The terminal: the lines that somebody types into `potluck chat`, and what is printed below them."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from rich.console import Console, RenderableType

from adapters.rendering.saying import Speech
from adapters.terminal.chat import HERE, PLATFORM, Chat
from bot.commands.command import Command, Rank
from bot.messages import Member, Started, TextDelta
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply, cells
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock

OLGA = Member(PLATFORM, "olga")


class Terminal:
    """`Binding`. Whoever sits there manages it, and all of it is one community."""

    name = "terminal"
    ranks: tuple[Rank, ...] = ("admin", "owner")

    def __init__(self, potluck: Deployment, folder: Path) -> None:
        self.potluck, self._folder = potluck, folder
        self._numbers = itertools.count(1)
        self._under_way: set[asyncio.Task[None]] = set()

    def has(self, command: Command) -> bool:
        return True

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        return True

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        return [row[0].removeprefix("/") for row in (await self.use(place, person, "help", {})).rows]

    async def place(self) -> Place:
        return Place(community=HERE, channel=f"room{next(self._numbers)}")

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        member = OLGA if rank == "owner" else Member(PLATFORM, f"{name}{next(self._numbers)}")
        running = self.potluck.running
        chat = Chat(
            conversations=running.conversations,
            registry=running.registry,
            clock=self.potluck.clock,
            member=member,
            speech=Speech(clock=self.potluck.clock),
            days=30,
            folder=self._folder,
        )
        return Person(member=member, native=chat)

    async def group(self, place: Place) -> Group:
        return Group(key="role:helpers")

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        done = await _chat(person).do("/" + " ".join([words, *_typed(given)]))
        assert done is not None, "it was taken for a question"
        if done.ask is not None:
            return Reply(text=await self.ask(place, person, done.ask), private=None, refused=None)
        assert done.shown is not None
        text = _printed(done.shown)
        rows = [cells(line) for line in text.splitlines() if line.strip()]
        files = {path.name: path.read_bytes() for path in self._folder.iterdir()}
        for name in files:
            (self._folder / name).unlink()
        facts = {row[0]: row[1] for row in rows if len(row) == 2}
        return Reply(text=text, facts=facts, rows=rows, private=None, refused=None, files=files)

    async def ask(self, place: Place, person: Person, text: str) -> str:
        async with aclosing(_chat(person).ask(text)) as events:
            return "".join([event.text async for event in events if isinstance(event, TextDelta)])

    async def begin(self, place: Place, person: Person, text: str) -> None:
        started = asyncio.Event()

        async def ask() -> None:
            async with aclosing(_chat(person).ask(text)) as events:
                async for event in events:
                    if isinstance(event, Started):
                        started.set()

        task = asyncio.create_task(ask())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await started.wait()

    def name_of(self, member: Member) -> str:
        return member.user


def _chat(person: Person) -> Chat:
    chat: Chat = person.native
    return chat


def _printed(shown: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=400, markup=False, highlight=False)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _typed(given: Mapping[str, Given]) -> Iterable[str]:
    for name, value in given.items():
        match value:
            case Person(member=member):
                text = member.key
            case Place(channel=channel):
                text = channel
            case Everybody():
                text = "everyone"
            case Group(key=key):
                text = key
            case bool():
                text = "yes" if value else "no"
            case _:
                text = str(value)
        yield f'{name}="{text}"' if " " in text else f"{name}={text}"


@asynccontextmanager
async def terminal(folder: Path, clock: VirtualClock) -> AsyncIterator[Terminal]:
    (desk := folder / "desk").mkdir()
    async with deployment(folder, clock, sandbox=SANDBOX, env={**ENV, "owner_ids": OLGA.key}) as potluck:
        yield Terminal(potluck, desk)
