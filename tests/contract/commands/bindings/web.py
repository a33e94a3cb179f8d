"""The web page: commands over HTTP, as its scripts send them and as anybody may."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from bot.commands.command import Command, Rank
from bot.messages import CommunityId, Member
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.pages import events, page_of
from tests.fakes.virtual import VirtualClock

OLGA = Member("web", "olga")
TOKEN = "a token that all of them know"
"""With one, who opens the page manages nothing by that: an admin is whom the owner named."""


class Web:
    """`Binding`."""

    name = "web"
    ranks: tuple[Rank, ...] = ("anyone", "admin", "owner")

    def __init__(self, potluck: Deployment, session: aiohttp.ClientSession, url: str) -> None:
        self.potluck, self._session, self._url = potluck, session, url
        self._numbers = itertools.count(1)
        self._open: set[asyncio.Task[str]] = set()

    def has(self, command: Command) -> bool:
        return True

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        return True

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        found = await self._get("/api/commands", self._who(place, person))
        return [" ".join(one["path"]) for one in found["commands"]]

    async def place(self) -> Place:
        number = next(self._numbers)
        return Place(community=CommunityId(f"web:c{number}"), channel=f"room{number}", native=f"c{number}")

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        if rank == "owner":
            return Person(member=OLGA)
        person = Person(member=Member("web", f"{name}{next(self._numbers)}"))
        if rank == "admin":
            reply = await self.use(place, Person(member=OLGA), "admin admins add", {"member": person})
            assert not reply.refused, reply.text
        return person

    async def group(self, place: Place) -> Group:
        return Group(key="role:helpers")

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        values = {name: _typed(value) for name, value in given.items()}
        answer = await self._post(
            "/api/commands", {**self._who(place, person), "path": words.split(), "values": values}
        )
        reply = await self._read(answer)
        if answer["ask"] is None:
            return reply
        return Reply(text=await self.ask(place, person, answer["ask"]), private=reply.private, refused=False)

    async def ask(self, place: Place, person: Person, text: str) -> str:
        body = {**self._who(place, person), "text": text}
        async with self._session.post(f"{self._url}/api/chat", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return "".join([event["text"] async for name, event in events(answer) if name == "delta"])

    async def begin(self, place: Place, person: Person, text: str) -> None:
        started = asyncio.Event()

        async def ask() -> str:
            body = {**self._who(place, person), "text": text}
            async with self._session.post(f"{self._url}/api/chat", json=body) as answer:
                async for name, _ in events(answer):
                    if name == "started":
                        started.set()
            return ""

        task = asyncio.create_task(ask())
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        await started.wait()

    def name_of(self, member: Member) -> str:
        return member.user

    def _who(self, place: Place, person: Person) -> dict[str, str]:
        return {"member": person.member.user, "community": place.native, "conversation": "c1"}

    async def _read(self, answer: Any) -> Reply:
        facts: dict[str, str] = {}
        rows: list[tuple[str, ...]] = []
        files: dict[str, bytes] = {}
        words: list[str] = []
        for part in answer["parts"]:
            match part["part"]:
                case "facts":
                    facts |= dict(part["rows"])
                case "table":
                    rows += [tuple(row) for row in part["rows"]]
                    words += [part["none"]] if not part["rows"] else []
                case "picture" | "document":
                    files[part.get("name", "picture.png")] = await self._file(part["url"])
                    words.append(part.get("alt", ""))
                case "meter":
                    words.append(part["alt"])
                case kind:
                    words += [part["text"], part["url"] if kind == "link" else ""]
        words += [f"{name}: {value}" for name, value in facts.items()] + [" | ".join(row) for row in rows]
        return Reply(
            text="\n".join(words),
            facts=facts,
            rows=rows,
            private=answer["private"],
            refused=not answer["ok"],
            files=files,
        )

    async def _post(self, path: str, body: object) -> Any:
        async with self._session.post(self._url + path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:
        async with self._session.get(self._url + path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def _file(self, path: str) -> bytes:
        async with self._session.get(self._url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()


def _typed(value: Given) -> str | int | float:
    match value:
        case Person(member=member):
            return member.key
        case Place(channel=channel):
            return channel
        case Everybody():
            return "everyone"
        case Group(key=key):
            return key
        case bool():
            return "yes" if value else "no"
        case _:
            return value


@asynccontextmanager
async def web(folder: Path, clock: VirtualClock) -> AsyncIterator[Web]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with deployment(folder, clock, sandbox=SANDBOX, env={**ENV, "owner_ids": OLGA.key}) as potluck:
        running = potluck.running
        async with (
            page_of(
                potluck, token=TOKEN, own_keys=running.keys, models=running.choices, registry=running.registry
            ) as url,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(), headers=headers) as session,
        ):
            yield Web(potluck, session, url)
