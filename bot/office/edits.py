"""What a change is: edits at addresses, each with what was there before and what is there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bot.clock import Instant
from bot.errors import PotluckError
from bot.messages import CommunityId, Member

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What stands at an address. None: nothing does."""

Kind: TypeAlias = Literal[
    "member",
    "group",
    "weight",
    "reserve",
    "pause",
    "caps",
    "paid_rule",
    "budget",
    "pays",
    "key",
    "admin",
    "models",
    "persona",
    "channel",
]
"""What an address is of, see the modules of this package. `paid_rule`, `budget`, `pays` and `key` have own tables."""

EVERYWHERE = CommunityId("")
"""In place of a community: what holds in all of them, and what is of the shared pool. For who runs Potluck alone."""
NEW = ""
"""A key that is given its number when it is written."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one value is kept."""

    kind: Kind
    community: CommunityId
    key: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to stand at an address, worked out from what stands there: others may be changing it, too.

    What `amend` raises undoes the whole change.
    """

    address: Address
    amend: Callable[[Json], Json]


def to(value: Json) -> Callable[[Json], Json]:
    """This, whatever was there before."""
    return lambda _: value


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that was made."""

    address: Address
    before: Json
    after: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants to change something, where, by which command."""

    by: Member
    community: CommunityId
    """Whose admins may see the change and undo it; `EVERYWHERE`: only who runs Potluck."""
    command: str
    undoes: int | None = None
    """The number of the change that this takes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line of the audit."""

    number: int
    at: Instant
    wish: Wish
    edits: Sequence[Edited]
    undone_by: int | None = None
    """The number of the change that took this one back."""


class MovedOnError(PotluckError):
    """A change cannot be undone: something of it has been changed since."""

    def __init__(self, since: Change | None) -> None:
        super().__init__("changed since")
        self.since = since
        """The newest change there; None: there is no line of it."""


class KeptNowhereError(PotluckError):
    """A change cannot be undone: what stood there before is kept nowhere."""


class Archive(Protocol):
    """Keeps what admins laid down, and the audit. `bot.storage.office.SqlArchive` is the one."""

    async def change(self, wish: Wish, edits: Sequence[Edit]) -> Change | None:
        """Make the edits and write the line, in one transaction. None: nothing would be different, so nothing is.

        Raises: whatever an edit's `amend` raises; then nothing has changed.
        """
        ...

    async def undo(self, number: int, wish: Wish) -> Change:
        """Put back what stood before a change, if nothing of it has changed since, and write the line.

        Raises:
            MovedOnError: something has.
            KeptNowhereError: what stood there was not kept.
            KeyError: there is no such change.
        """
        ...

    async def find(self, number: int) -> Change | None: ...

    async def history(self, community: CommunityId | None, *, limit: int) -> Sequence[Change]:
        """The newest changes, newest first: of one community, or all."""
        ...

    async def newest(self) -> int:
        """The number of the newest change; 0: there was none."""
        ...

    async def everything(self) -> tuple[int, Mapping[Address, Json]]:
        """The number of the newest change, and all that stands anywhere with it."""
        ...
