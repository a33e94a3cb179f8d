"""What the suite needs of a platform: people in a community who use commands as that platform has them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from bot.commands.command import Command, Rank
from bot.messages import CommunityId, Member
from bot.openrouter.sandbox import SandboxSettings
from tests.fakes.deployment import Deployment

ENV = {"fair_policy": "fair", "pool_rpd": "1000"}
SANDBOX = SandboxSettings(rpm=1000, rpd=1000, seconds_per_chunk=0)
"""Room for all cases of a module, and answers at once: how they come is not asked here."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A community that nobody has used before, and a channel there, whose id is empty where there are none."""

    community: CommunityId
    channel: str
    native: Any = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody there."""

    member: Member
    native: Any = None


@dataclass(frozen=True)
class Everybody:
    """All of the community."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some of the community: who have a role, or are in a user group, as the platform has them."""

    key: str
    """What is laid down for them stands at this key."""
    native: Any = None


Given: TypeAlias = str | int | float | bool | Person | Place | Everybody | Group
"""A value of a parameter; a place stands for its channel."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the caller was shown."""

    text: str
    """All of it, without markup."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Values by their names."""
    rows: Sequence[Sequence[str]] = ()
    """Of all tables, without their heads."""
    private: bool | None
    """Nobody but the caller was shown it. None: nobody else is there."""
    refused: bool | None
    """It is shown that nothing was done. None: the platform tells it by the words alone."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What was handed over, pictures too."""


class Binding(Protocol):
    """See the module."""

    @property
    def name(self) -> str: ...

    @property
    def potluck(self) -> Deployment:
        """What is behind it."""
        ...

    @property
    def ranks(self) -> Collection[Rank]:
        """What people can be there."""
        ...

    def has(self, command: Command) -> bool:
        """The platform has it by design. What it really has is for `registered` to say."""
        ...

    def takes(self, words: str, given: Mapping[str, object]) -> bool:
        """Somebody can give a command such values there: nothing but a picker may stand for some."""
        ...

    async def registered(self, place: Place, person: Person) -> Collection[str]:
        """The names of the commands a person finds there."""
        ...

    async def place(self) -> Place: ...

    async def person(self, place: Place, name: str, rank: Rank = "anyone") -> Person:
        """Somebody new in a place."""
        ...

    async def group(self, place: Place) -> Group:
        """Some of those in a place."""
        ...

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        """Use a command."""
        ...

    async def ask(self, place: Place, person: Person, text: str) -> str:
        """Ask a question, and read its answer."""
        ...

    async def begin(self, place: Place, person: Person, text: str) -> None:
        """Ask a question, and go on once it is being answered."""
        ...

    def name_of(self, member: Member) -> str:
        """How an answer there names a member."""
        ...


def cells(line: str) -> tuple[str, ...]:
    """What stands apart in a line of plain text."""
    return tuple(cell for cell in re.split(r"\s{2,}", line.strip()) if cell)
