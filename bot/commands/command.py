"""What a command is, who calls it, and what a call brings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import SecretStr

from bot.clock import Instant
from bot.commands.answer import Answer
from bot.commands.saying import Say, say
from bot.messages import CommunityId, ConversationId, Member, ModelId, Standing

if TYPE_CHECKING:
    from bot.commands.desk import Desk

Path: TypeAlias = tuple[str, ...]
"""`("admin", "quota", "grant")`: at most three words, each of a to z."""

Rank: TypeAlias = Literal["anyone", "admin", "owner"]
"""Who may use a command: anyone who may talk to Potluck here; who manages this community; who runs Potluck."""

Kind: TypeAlias = Literal[
    "text", "long_text", "secret", "whole", "number", "usd", "flag", "member", "grantee", "model", "moment", "channel"
]


@dataclass(frozen=True, slots=True)
class Everyone:
    """All full members of the caller's community."""


@dataclass(frozen=True, slots=True)
class InRole:
    """Those who have a role of the caller's community (Discord)."""

    id: str


@dataclass(frozen=True, slots=True)
class InGroup:
    """Those in a user group of the caller's community (Slack)."""

    id: str


Grantee: TypeAlias = Member | InRole | InGroup | Everyone
Given: TypeAlias = str | int | float | bool | Member | InRole | InGroup | Everyone
"""What an adapter hands over for a parameter: text as it was typed, or what the platform's own picker gave."""
Checked: TypeAlias = "str | int | float | bool | Decimal | SecretStr | Member | InRole | InGroup | Everyone | Instant"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value to offer while one is typed."""

    value: str
    about: Say | None = None
    """What there is to know of it, in a few words, beside the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value a command takes."""

    name: str
    """a to z and underscores."""
    kind: Kind
    about: Say
    required: bool = True
    choices: Sequence[str] = ()
    """The only values there are, for a `text` of few."""
    least: float | None = None
    most: float | None = None
    """Bounds of a figure, or of the characters of a text."""
    suggests: Callable[[Call, str], Awaitable[Sequence[Suggestion]]] | None = None
    """Values to offer for what has been typed so far, best first. A `model` is offered the caller's models anyway."""


COMMUNITY = Parameter(
    name="community",
    kind="text",
    about=say("Of which community; only who runs Potluck may name another than this one"),
    required=False,
)
"""What every command of admins takes beside its own parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as the platform says at this moment."""

    member: Member
    """The person, after linked accounts were joined."""
    name: str
    community: CommunityId
    standing: Standing = "guest"
    manages: bool = False
    """The platform says that they manage this community."""
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    conversation: ConversationId | None = None
    channel: str = ""
    """The platform's id of the channel, for settings per channel."""
    locale: str = "en"
    """As the platform says: `de`, `pt-BR`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of a command, checked."""

    caller: Caller
    desk: Desk
    community: CommunityId
    """Which community it is about: the caller's, or the one an owner named."""
    rank: Rank
    """The highest the caller has there."""
    values: Mapping[str, Checked] = field(default_factory=dict)
    usable: Sequence[Command] = ()
    """The commands the caller may use where they are, in the order help shows them."""

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name, default)
        assert isinstance(value, str)
        return value

    def whole(self, name: str, default: int = 0) -> int:
        value = self.values.get(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float = 0.0) -> float:
        value = self.values.get(name, default)
        assert isinstance(value, int | float)
        return float(value)

    def usd(self, name: str) -> Decimal:
        value = self.values[name]
        assert isinstance(value, Decimal)
        return value

    def flag(self, name: str) -> bool:
        return self.values.get(name, False) is True

    def secret(self, name: str) -> SecretStr:
        value = self.values[name]
        assert isinstance(value, SecretStr)
        return value

    def member(self, name: str) -> Member:
        value = self.values[name]
        assert isinstance(value, Member)
        return value

    def grantee(self, name: str) -> Grantee:
        value = self.values[name]
        assert isinstance(value, Member | InRole | InGroup | Everyone)
        return value

    def moment(self, name: str) -> Instant | None:
        value = self.values.get(name)
        if value is None:
            return None
        assert isinstance(value, float)
        return Instant(value)

    def model(self, name: str) -> ModelId:
        return ModelId(self.text(name))


Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """See the package."""

    path: Path
    about: Say
    """Up to 100 characters in every language: what platforms show beside it."""
    handler: Handler
    parameters: Sequence[Parameter] = ()
    rank: Rank = "anyone"
    private: bool = True
    """False: the answer may be read by all who are there."""
    blocked_too: bool = True
    """A member who is kept out may still use it: it spends nothing."""

    @property
    def name(self) -> str:
        return " ".join(self.path)

    @property
    def takes(self) -> Sequence[Parameter]:
        """Its parameters, and the community for a command of admins."""
        return self.parameters if self.rank == "anyone" else (*self.parameters, COMMUNITY)


class BadInput(Exception):  # what a person reads is no error of the program
    """What was asked for cannot be: one sentence with the fix. Nothing has changed."""

    def __init__(self, said: Say) -> None:
        super().__init__(said.text)
        self.said = said
