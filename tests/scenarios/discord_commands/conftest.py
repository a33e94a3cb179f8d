"""A house whose Potluck has commands of every kind: those there are for talking, and some that show each part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from bot.clock import Instant
from bot.commands import talk
from bot.commands.answer import Answer, DayPicture, Document, Facts, Line, Link, Meter, Next, Table, lines
from bot.commands.command import Call, Caller, Command, Parameter
from bot.commands.desk import Desk
from bot.commands.registry import Registry
from bot.commands.rights import Rights
from bot.commands.saying import At, Code, say
from bot.messages import Member
from bot.people import Erased, People
from bot.people import Link as Linked
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House, house
from tests.fakes.virtual import VirtualClock, VirtualLoop


class Commands:
    """What was called, with which values."""

    def __init__(self, clock: VirtualClock, talks: ScriptedConversations) -> None:
        self.calls: list[Call] = []
        self.rows = 0
        desk = _Desk()
        desk.conversations, desk.clock = talks, clock
        desk.people = People(store=_NoLinks(), digest=str)
        desk.rights = Rights(owners=(), named=_Nobody(), accounts=lambda member: (member,), blocked=lambda *_: False)
        self.registry = Registry(cast(Desk, desk), [*talk.COMMANDS, *self._own()])

    def _own(self) -> Sequence[Command]:
        return (
            Command(path=("quota",), about=say("What is left for you"), handler=self._quota),
            Command(path=("list",), about=say("A long list"), handler=self._list),
            Command(path=("fail",), about=say("Goes wrong"), handler=self._fail),
            Command(path=("quota", "export"), about=say("All of it as a file"), handler=self._export),
            Command(
                path=("key", "set"),
                about=say("Link a key"),
                handler=self._noted,
                parameters=(Parameter(name="key", kind="secret", about=say("Your key")),),
            ),
            Command(
                path=("persona",),
                about=say("How answers should sound"),
                handler=self._noted,
                parameters=(Parameter(name="text", kind="long_text", about=say("In your words")),),
            ),
            Command(
                path=("model",),
                about=say("Choose a model"),
                handler=self._noted,
                parameters=(Parameter(name="model", kind="model", about=say("Which")),),
            ),
            Command(
                path=("admin", "quota", "grant"),
                about=say("Give a member more"),
                handler=self._noted,
                rank="admin",
                parameters=(
                    Parameter(name="to", kind="grantee", about=say("Whom")),
                    Parameter(name="units", kind="whole", about=say("How much"), least=1, most=100),
                    Parameter(name="why", kind="text", about=say("Why"), required=False, choices=("gift", "bug")),
                ),
            ),
        )

    async def _quota(self, call: Call) -> Answer:
        now = call.desk.now()
        picture = DayPicture(
            begins=Instant(now - 3600),
            now=now,
            resets_at=Instant(now + 3600),
            cap=50,
            pool=[(now, 3)],
            mine=[(now, 1)],
            level=5.0,
            alt=say("3 of 50 are used"),
        )
        return Answer(
            [
                Line(say("{who} has used {used}.", who=call.caller.member, used=3)),
                Facts([(say("Full again"), At(Instant(now + 3600))), (say("Model"), Code("acme/wit"))]),
                Meter(used=10, of=50, kept=5, alt=say("10 of 50")),
                Table(head=(say("Who"), say("Units")), rows=[(Member("discord", "7"), 3)], none=say("Nobody.")),
                picture,
                Link(url="https://openrouter.ai/", said=say("Open it")),
                Next(path=("quota", "export"), values={}, said=say("Hand me all of it")),
            ]
        )

    async def _list(self, call: Call) -> Answer:
        rows = [(Code(f"member-{number}"), number) for number in range(self.rows)]
        return Answer([Table(head=(say("Who"), say("Units")), rows=rows, none=say("Nobody."))])

    async def _fail(self, call: Call) -> Answer:
        return Answer([cast(Line, object())])  # which nothing can show

    async def _export(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer([Document(name="all.json", media_type="application/json", content=b"{}")])

    async def _noted(self, call: Call) -> Answer:
        self.calls.append(call)
        return lines(say("Done, *{who}*.", who=call.caller.name))


class _Desk:
    conversations: ScriptedConversations
    clock: VirtualClock
    rights: Rights
    people: People

    def now(self) -> Instant:
        return self.clock.now()

    async def models(self, call: Call, typed: str) -> Sequence[str]:
        return [one for one in ("acme/wit-7b", "acme/wit-70b", "other/m") if typed in one]

    def find_member(self, text: str, caller: Caller) -> Member | None:
        return None


class _NoLinks:
    """Everyone is a person of their own."""

    async def links(self) -> Sequence[Linked]:
        return ()

    async def erased(self) -> Erased:
        return Erased(today={}, payers=())


class _Nobody:
    def named(self, community: object) -> Sequence[Member]:
        return ()


@pytest.fixture
async def home(tmp_path: Path, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[House]:
    async with house(tmp_path, clock, loop) as home:
        yield home


@pytest.fixture
async def talks(clock: VirtualClock) -> ScriptedConversations:
    return ScriptedConversations(clock)


@pytest.fixture
async def commands(home: House, talks: ScriptedConversations, clock: VirtualClock) -> Commands:
    """Moved in, with commands."""
    commands = Commands(clock, talks)
    await home.start(talks, registry=commands.registry)
    return commands
