"""Discord: the unmodified discord.py over a Discord of our own, and people who use its slash commands there."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.commands.all import ALL
from bot.commands.command import Command, Rank
from bot.messages import CommunityId, Member
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.discord import components
from tests.fakes.discord.house import House
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.people import Person as Account
from tests.fakes.discord.places import Channel, Payload
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.discord.world import EPHEMERAL
from tests.fakes.virtual import VirtualClock

MANAGE_GUILD, LOADING = 1 << 5, 1 << 7
IN_FORMS = frozenset({"secret"})
"""Kinds of values that no option may hold."""
IN_CONVERSATION = frozenset({"ask", "new", "stop"})


class Discord:
    """`Binding`. Each person talks in a thread of their own, and gives all other commands in the channel."""

    name = "discord"
    ranks: tuple[Rank, ...] = ("anyone", "admin", "owner")

    def __init__(self, potluck: Deployment, home: House, olga: Account) -> None:
        self.potluck, self._home, self._olga = potluck, home, olga
        self._world, self._numbers = home.discord.world, itertools.count(1)
        self._threads: dict[tuple[int, int], Channel] = {}

    def has(self, command: Command) -> bool:
        return True

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        kinds = {parameter.name: parameter.kind for parameter in _named(words).takes}
        return all(_fits(kinds[name], value) for name, value in given.items())

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        found = set(_leaves(self._world.commands))
        return [command.name for command in ALL if {command.name, f"{command.name} show"} & found]

    async def place(self) -> Place:
        guild = self._world.guild(f"Server {next(self._numbers)}")
        channel = self._world.channel(guild)
        self._world.tell("GUILD_CREATE", self._world.guild_payload(guild))
        return Place(community=CommunityId(f"discord:{guild['id']}"), channel=str(channel.id), native=channel)

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        account = self._olga if rank == "owner" else self._home.person(f"{name}{next(self._numbers)}")
        if rank == "admin":
            account.user["_permissions"] = MANAGE_GUILD
        return Person(member=Member("discord", str(account.id)), native=account)

    async def group(self, place: Place) -> Group:
        guild = self._world.guilds[place.native.guild]
        role = {**guild["roles"][0], "id": str(self._world.snowflake()), "name": "helpers"}
        guild["roles"].append(role)
        return Group(key=f"role:{role['id']}", native=role)

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        account, command = self._account(person), _named(words)
        kinds = {one.name: one.kind for one in command.takes}
        options = {name: self._picked(value, place, kinds.get(name)) for name, value in given.items()}
        typed = {name: str(options.pop(name)) for name in list(options) if kinds.get(name) in IN_FORMS}
        where = self._thread(place, account) if words in IN_CONVERSATION else place.native
        name = words if words in set(_leaves(self._world.commands)) else f"{words} show"
        asked = await account.slash(where, name, **options)
        if typed:
            asked = await account.submit(asked, **typed)
        if words == "ask":
            await self._over()
        return await self._read(asked)

    async def ask(self, place: Place, person: Person, text: str) -> str:
        account = self._account(person)
        thread = self._thread(place, account)
        account.mention(thread, text)
        await self._over()
        return account.reads(thread)[-1]

    async def begin(self, place: Place, person: Person, text: str) -> None:
        account = self._account(person)
        account.mention(self._thread(place, account), text)
        await self._home.until(lambda: self.potluck.running.scheduler.answering)

    def name_of(self, member: Member) -> str:
        return f"<@{member.user}>"

    def _account(self, person: Person) -> Account:
        account: Account = person.native
        return account

    def _thread(self, place: Place, account: Account) -> Channel:
        key = (place.native.id, account.id)
        if key not in self._threads:
            self._threads[key] = self._world.thread(place.native)
        return self._threads[key]

    def _picked(self, value: Given, place: Place, kind: str | None) -> Any:
        """What Discord's own pickers hand over."""
        match value:
            case Person():
                account: Account = value.native
                return account.user
            case Place():
                return self._world.channel_payload(value.native)
            case Everybody():
                return self._world.guilds[place.native.guild]["roles"][0]
            case Group(native=role):
                return role
            case int() if kind == "number":
                return float(value)
            case int() if kind in ("text", "usd"):
                return str(value)
            case str() if kind == "whole":
                return int(value)
            case str() if kind == "number":
                return float(value)
            case _:
                return value

    async def _over(self) -> None:
        """What was asked has its answer."""
        adapter, scheduler = self._home.adapter, self.potluck.running.scheduler
        assert adapter is not None
        assert adapter.client is not None
        answers = adapter.client.answers
        await self._home.until(lambda: answers.live)
        await self._home.until(lambda: not (answers.live or scheduler.answering or scheduler.waiting), seconds=600)

    async def _read(self, asked: Interaction) -> Reply:
        assert asked.kind, "it was not answered in time"
        await self._home.until(lambda: asked.original is not None and not asked.original["flags"] & LOADING)
        await asyncio.sleep(1)  # what follows the first message
        assert asked.original is not None
        messages = [asked.original, *asked.followups]
        text = _plain("\n".join(text for one in messages for text in _texts(one)))
        links = [part["url"] for one in messages for part in components.every(one["components"]) if "url" in part]
        rows = [tuple(line[2:].split(" · ")) for line in text.splitlines() if line.startswith("- ")]
        return Reply(
            text="\n".join([text, *links]),
            facts=dict(re.findall(r"^\*\*(.+?)\*\*  (.*)$", text, re.MULTILINE)),
            rows=rows,
            private=all(int(one["flags"]) & EPHEMERAL for one in messages),
            refused=None,
            files={file["filename"]: self._file(file) for one in messages for file in one["attachments"]},
        )

    def _file(self, attachment: Payload) -> bytes:
        path = attachment["url"].removeprefix(self._world.base).partition("?")[0]
        return self._world.files[path][0]


def _named(words: str) -> Command:
    return next(one for one in ALL if one.name == words)


def _fits(kind: str, value: object) -> bool:
    """An option of that type can hold it: figures are figures there, and people are picked."""
    match kind:
        case "whole":
            return isinstance(value, int) or re.fullmatch(r"-?\d+", str(value)) is not None
        case "number":
            return not isinstance(value, str) or re.fullmatch(r"-?[\d.]+(e\d+)?", value) is not None
        case "flag":
            return isinstance(value, bool)
        case "member" | "grantee" | "channel":
            return not isinstance(value, str)
        case _:
            return True


def _texts(message: Payload) -> list[str]:
    """All that stands in it: what is longer than a message goes on in embeds."""
    return [
        *components.texts(message),
        *(embed["description"] for embed in message["embeds"] if "description" in embed),
    ]


def _plain(text: str) -> str:
    """Without what is only there for the eye."""
    return re.sub(r"\\(.)", r"\1", text.replace("`", ""))


def _leaves(commands: Sequence[Payload], above: str = "") -> Iterable[str]:
    """The full names of what can be used."""
    for one in commands:
        name = f"{above} {one['name']}".strip()
        inner = [option for option in one.get("options", []) if option["type"] in (1, 2)]
        if inner:
            yield from _leaves(inner, name)
        else:
            yield name


@asynccontextmanager
async def discord(folder: Path, clock: VirtualClock) -> AsyncIterator[Discord]:
    async with FakeDiscord(clock) as fake:
        olga = fake.person("Olga")
        owner = Member("discord", str(olga.id)).key
        async with deployment(folder, clock, sandbox=SANDBOX, env={**ENV, "owner_ids": owner}) as potluck:
            home = House(fake, potluck.running.database, clock)
            await home.start(potluck.running.conversations, registry=potluck.running.registry)
            try:
                yield Discord(potluck, home, olga)
            finally:
                await home.stop()
