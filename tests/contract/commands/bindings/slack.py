"""Slack: the unmodified slack-bolt over a Slack of our own, and people who type its slash commands there."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.commands.all import ALL
from bot.commands.command import Command, Rank
from bot.messages import CommunityId, Member
from bot.storage.posts import SqlPosts
from tests.contract.commands.bindings.binding import ENV, SANDBOX, Everybody, Given, Group, Person, Place, Reply
from tests.fakes.deployment import Deployment
from tests.fakes.slack.person import Person as Account
from tests.fakes.slack.potluck import Installed, in_slack
from tests.fakes.slack.world import Json, Message, words_of
from tests.fakes.virtual import VirtualClock

PLACES = 500
"""Workspaces in which the owner's account is one of the owner's."""


class Slack:
    """`Binding`. Each place is a workspace that Potluck was installed into."""

    name = "slack"
    ranks: tuple[Rank, ...] = ("anyone", "admin", "owner")

    def __init__(self, there: Installed) -> None:
        self.potluck: Deployment = there.potluck
        self._there, self._slack = there, there.slack
        self._numbers, self._people = itertools.count(2), itertools.count(1)

    def has(self, command: Command) -> bool:
        return True

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        return True

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        text = (await self.use(place, person, "help", {})).text
        return [command.name for command in ALL if f"/{command.name}\n" in text.replace(" | ", "\n")]

    async def place(self) -> Place:
        number = next(self._numbers)
        assert number < PLACES
        team = f"T{number}"
        self._slack.world.team(team)
        channel = self._slack.world.channel(f"C{number}", team)
        await self._there.install(team)
        return Place(community=CommunityId(f"slack:{team}"), channel=channel.id, native=team)

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        team = place.native
        id = owner_in(team) if rank == "owner" else f"U{next(self._people)}{name.upper()}"
        account = self._slack.person(id, team=team, is_admin=rank == "admin")
        return Person(member=Member("slack", id, team), native=account)

    async def group(self, place: Place) -> Group:
        return Group(key=f"group:S{place.native}")

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        account: Account = person.native
        before, files = len(self._slack.responses), len(self._slack.files.uploaded)
        if words == "ask":
            return await self._asked(place, account, str(given["question"]))
        posted = len(self._posted(place))
        ack = await account.commands(" ".join([words, *_typed(given)]), channel=place.channel)
        assert ack is not None, "it was not taken in time"

        def answers() -> list[tuple[list[Json], bool]]:
            """What was said by the command's own address, and what was posted for all."""
            whispered = [(one["blocks"], one["response_type"] == "ephemeral") for one in self._slack.responses[before:]]
            return whispered + [(one.blocks, False) for one in self._posted(place)[posted:]]

        await self._slack.until(answers, seconds=60)
        ((blocks, private),) = answers()
        if "comes in a direct message" in " ".join(words_of(blocks)):
            await self._slack.until(lambda: len(self._slack.files.uploaded) > files, seconds=60)
        return read(blocks, private, {name: content for _, name, content in self._slack.files.uploaded[files:]})

    async def ask(self, place: Place, person: Person, text: str) -> str:
        account: Account = person.native
        said = await account.asks(text, channel=place.channel)
        await self._slack.settled(place.channel, said.root)
        await self._over()
        return self._slack.answer(place.channel, said.root)

    async def begin(self, place: Place, person: Person, text: str) -> None:
        account: Account = person.native
        await account.asks(text, channel=place.channel)
        await self._slack.until(lambda: self.potluck.running.scheduler.answering, seconds=60)

    def name_of(self, member: Member) -> str:
        return f"<@{member.user}>"

    async def _asked(self, place: Place, account: Account, question: str) -> Reply:
        await account.commands(question, name="/ask", channel=place.channel)

        await self._slack.until(lambda: self._posted(place), seconds=60)
        (root,) = [one.ts for one in self._posted(place)]
        await self._slack.settled(place.channel, root)
        await self._over()
        return Reply(text=self._slack.answer(place.channel, root), private=False, refused=False)

    def _posted(self, place: Place) -> list[Message]:
        """What Potluck has said in the channel for all to see, outside of threads."""
        return [
            one
            for one in self._slack.world.messages.values()
            if one.channel == place.channel and one.thread is None and one.user.startswith("UBOT")
        ]

    async def _over(self) -> None:
        """What was asked has its answer, and that is kept."""
        posts = SqlPosts(self.potluck.running.database, self.potluck.clock)
        while await posts.unfinished("slack"):
            await asyncio.sleep(0.1)


def owner_in(team: str) -> str:
    return f"UOLGA{team}"


def _typed(given: Mapping[str, Given]) -> Iterable[str]:
    """As they are typed, and as Slack writes what its pickers give."""
    for name, value in given.items():
        match value:
            case Person(member=member):
                text = f"<@{member.user}|somebody there>"
            case Place(channel=channel):
                text = f"<#{channel}|general>"
            case Everybody():
                text = "everyone"
            case Group(key=key):
                text = f"<!subteam^{key.removeprefix('group:')}|@helpers>"
            case bool():
                text = "yes" if value else "no"
            case _:
                text = str(value)
        yield f'{name}="{text}"' if " " in text and "<" not in text else f"{name}={text}"


def read(blocks: list[Json], private: bool, files: Mapping[str, bytes]) -> Reply:
    facts: dict[str, str] = {}
    rows: list[tuple[str, ...]] = []
    for block in blocks:
        for field in block.get("fields", ()):
            name, _, value = _plain(field["text"]).partition("\n")
            facts[name.strip("*")] = value
        if block["type"] == "markdown" and block["text"].startswith("| "):
            rows += [
                tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", _plain(line))[1:-1])
                for line in block["text"].splitlines()[2:]
            ]
    links = re.findall(r"'url': '([^']+)'", str(blocks))
    return Reply(
        text="\n".join([_plain(word) for word in words_of(blocks)] + links),
        facts=facts,
        rows=rows,
        private=private,
        refused=any(block["type"] == "alert" for block in blocks),
        files=files,
    )


def _plain(text: str) -> str:
    """Without what is only there for the eye."""
    for written, sign in (("`", ""), ("/potluck ", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, sign)
    return text


@asynccontextmanager
async def slack(
    folder: Path, clock: VirtualClock, kind: Callable[[Installed], Slack] | None = None
) -> AsyncIterator[Slack]:
    owners = ",".join(Member("slack", owner_in(f"T{number}"), f"T{number}").key for number in range(PLACES))
    async with in_slack(
        folder,
        clock,
        sandbox=SANDBOX,
        registry=lambda potluck: potluck.running.registry,
        settings={"bot_token": ""},
        fair_policy=ENV["fair_policy"],
        pool_rpd=ENV["pool_rpd"],
        owner_ids=owners,
    ) as there:
        yield (kind or Slack)(there)
