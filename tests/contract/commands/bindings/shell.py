"""The shell: `potluck admin …` beside a Potluck that runs, as whoever sits at the machine types it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, chdir
from pathlib import Path

from click.testing import CliRunner

from bot.__main__ import main
from bot.commands.all import ALL
from bot.commands.command import Command, Rank
from bot.messages import CommunityId, Member
from bot.shell import OWNER
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply, cells
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock

SEEN = 1.1
"""Seconds after which the process that runs has seen what was changed beside it."""


class Shell:
    """`Binding`. Questions come by the page: there are none in a shell."""

    name = "shell"
    ranks: tuple[Rank, ...] = ("owner",)

    def __init__(self, potluck: Deployment, folder: Path) -> None:
        self.potluck, self._folder = potluck, folder
        self._numbers = itertools.count(1)
        self._env = {
            **potluck.beside,
            "OPENROUTER_API_KEY": "sk-or-test",
            "OPENROUTER_BASE_URL": potluck.running.upstream,
            "POOL_RPD": ENV["pool_rpd"],
            "COLUMNS": "400",
        }

    def has(self, command: Command) -> bool:
        return command.path[0] == "admin"

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        return True

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        found = []
        for command in filter(self.has, ALL):
            code, _ = await self._run([*command.path[1:], "--help"])
            found += [command.name] if code == 0 else []
        return found

    async def place(self) -> Place:
        number = next(self._numbers)
        return Place(community=CommunityId(f"web:c{number}"), channel=f"room{number}")

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        return Person(member=OWNER if rank == "owner" else Member("web", f"{name}{next(self._numbers)}"))

    async def group(self, place: Place) -> Group:
        return Group(key="role:helpers")

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        assert person.member == OWNER, "nobody else sits there"
        command = next((one for one in ALL if one.name == words), None)
        line = words.split()[1:] + ([] if command is None else _arguments(command, given))
        asked_for = "".join(f"{value}\n" for name, value in given.items() if name in _secrets(command))
        if "community" not in given:
            line += ["--community", place.community]
        code, said = await self._run(line, asked_for)
        await asyncio.sleep(SEEN)
        lines = [line for line in said.splitlines() if line.strip()]
        rows = [cells(line) for line in lines]
        files = {path.name: path.read_bytes() for path in self._folder.iterdir() if path.is_file()}
        for name in files:
            (self._folder / name).unlink()
        return Reply(
            text=said,
            facts={row[0]: row[1] for row in rows if len(row) == 2},
            rows=rows,
            private=None,
            refused=code == 2,
            files=files,
        )

    async def ask(self, place: Place, person: Person, text: str) -> str:
        return (await self.potluck.ask(person.member.user, text, community=place.community)).text

    async def begin(self, place: Place, person: Person, text: str) -> None:
        raise NotImplementedError

    def name_of(self, member: Member) -> str:
        return member.user

    async def _run(self, words: list[str], typed: str = "") -> tuple[int, str]:
        """In a thread: time stands still in the process beside. `typed` is what is asked for meanwhile."""

        def run() -> tuple[int, str]:
            done = CliRunner().invoke(main, ["admin", *words], env=self._env, obj=self.potluck.clock, input=typed)
            return done.exit_code, done.output

        return await asyncio.to_thread(run)


def _arguments(command: Command, given: Mapping[str, Given]) -> list[str]:
    """As they are typed: what must be there in order, the rest by options."""
    given = {name: value for name, value in given.items() if name not in _secrets(command)}
    required = [one.name for one in command.parameters if one.required]
    words = [_typed(given[name]) for name in required if name in given]
    for name, value in given.items():
        if name not in required:
            option = f"--{name.replace('_', '-')}"
            words += [option] if value is True else [option, _typed(value)]
    return words


def _secrets(command: Command | None) -> Collection[str]:
    return [] if command is None else [one.name for one in command.parameters if one.kind == "secret"]


def _typed(value: Given) -> str:
    match value:
        case Person(member=member):
            return member.key
        case Place(channel=channel):
            return channel
        case Everybody():
            return "everyone"
        case Group(key=key):
            return key
        case _:
            return str(value)


@asynccontextmanager
async def shell(folder: Path, clock: VirtualClock) -> AsyncIterator[Shell]:
    (desk := folder / "desk").mkdir()
    async with deployment(folder, clock, sandbox=SANDBOX, env=ENV) as potluck:
        following = asyncio.create_task(potluck.running.office.follow())
        with chdir(desk):
            yield Shell(potluck, desk)
        following.cancel()
        await asyncio.wait([following])
