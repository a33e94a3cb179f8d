"""The registry alone, as an adapter calls it: what every platform's answers are measured by."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.commands.answer import Answer, Document, Facts, Link, Table
from bot.commands.command import Caller, Command, Everyone, Rank
from bot.commands.command import Given as Handed
from bot.commands.registry import Registry
from bot.messages import CommunityId, ConversationId, Member, Standing
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply
from tests.fakes.commanding import Person as Speaker
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.virtual import VirtualClock

OLGA = Member("web", "olga")


@dataclass(kw_only=True)
class Core:
    """`Binding` without a platform."""

    potluck: Deployment
    name: str = "core"
    ranks: tuple[Rank, ...] = ("anyone", "admin", "owner")

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._under_way: list[asyncio.Task[Heard]] = []

    @property
    def registry(self) -> Registry:
        return self.potluck.running.registry

    def has(self, command: Command) -> bool:
        return True

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        return True

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        return [command.name for command in self.registry.usable(self.caller(place, person))]

    async def place(self) -> Place:
        number = next(self._numbers)
        return Place(community=CommunityId(f"web:c{number}"), channel=f"room{number}")

    async def person(self, place: Place, name: str, rank: Rank = "anyone", *, standing: Standing = "full") -> Person:
        member = OLGA if rank == "owner" else Member("web", f"{name}{next(self._numbers)}")
        caller = Caller(
            member=member,
            name=member.user,
            community=place.community,
            standing=standing,
            manages=rank == "admin",
            channel=place.channel,
            conversation=ConversationId(f"web/{member.user}/{place.channel}"),
        )
        return Person(member=member, native=caller)

    def caller(self, place: Place, person: Person) -> Caller:
        caller: Caller = person.native
        return replace(caller, channel=place.channel)

    async def group(self, place: Place) -> Group:
        return Group(key="role:helpers")

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        caller = self.caller(place, person)
        handed = {name: _handed(value) for name, value in given.items()}
        answer = await self.registry.run(tuple(words.split()), handed, caller)
        reply = self._read(answer, caller)
        return reply if answer.ask is None else replace(reply, text=await self.ask(place, person, answer.ask))

    async def ask(self, place: Place, person: Person, text: str) -> str:
        heard = await self.potluck.ask(
            person.member.user, text, community=str(place.community), conversation=place.channel, channel=place.channel
        )
        return heard.text

    async def begin(self, place: Place, person: Person, text: str) -> None:
        heard = Heard()
        message = self.potluck.message(
            person.member.user, text, community=str(place.community), conversation=place.channel, channel=place.channel
        )
        self._under_way.append(asyncio.create_task(self.potluck.hear(message, heard=heard)))
        while not heard.started:
            await asyncio.sleep(0.1)

    def name_of(self, member: Member) -> str:
        return member.user

    def _read(self, answer: Answer, caller: Caller) -> Reply:
        speaker = Speaker(self.registry, self.potluck.clock, caller.member)
        facts: dict[str, str] = {}
        rows: list[tuple[str, ...]] = []
        for part in answer.parts:
            if isinstance(part, Facts):
                facts |= {speaker.speech.say(name): speaker.speech.value(value) for name, value in part.rows}
            elif isinstance(part, Table):
                rows += [tuple(speaker.speech.value(one) for one in row) for row in part.rows]
        links = [part.url for part in answer.parts if isinstance(part, Link)]
        return Reply(
            text="\n".join([speaker.read(answer), *links]),
            facts=facts,
            rows=rows,
            private=answer.private,
            refused=not answer.ok,
            files={part.name: part.content for part in answer.parts if isinstance(part, Document)},
        )


def _handed(value: Given) -> Handed:
    match value:
        case Person(member=member):
            return member
        case Place(channel=channel):
            return channel
        case Everybody():
            return Everyone()
        case Group(key=key):
            return key
        case _:
            return value


@asynccontextmanager
async def core(folder: Path, clock: VirtualClock, **env: str) -> AsyncIterator[Core]:
    async with deployment(folder, clock, sandbox=SANDBOX, env={**ENV, "owner_ids": OLGA.key, **env}) as potluck:
        yield Core(potluck=potluck)
