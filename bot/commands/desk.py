"""What commands work with: the core's services, each behind a small port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.belongings import Belongings
from bot.clock import Clock, Instant
from bot.commands.rights import Rights
from bot.fairness import Fairness
from bot.joining import Joining
from bot.messages import CommunityId, Member
from bot.office.house_rules import Community, HouseRules
from bot.office.office import Office
from bot.office.pool_rules import PoolRules
from bot.office.roster import Roster
from bot.people import People
from bot.ports import CommunityLinks, Conversations, DayBook, KeyLinks, ModelChoices
from bot.quota.ledger import PoolId
from bot.quota.scheduler import Scheduler
from bot.routing.byok import ByokMonth
from bot.routing.shelf import Shelf
from bot.uses import Uses

if TYPE_CHECKING:
    from bot.commands.command import Call, Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPool:
    """The pool that a community's questions go to."""

    id: PoolId
    """It also names the account whose money is spent on what costs."""
    shared: bool
    """Others draw on it, too: only who runs Potluck may change what holds for all of it."""
    scheduler: Scheduler
    roster: Roster
    rules: PoolRules
    shelf: Shelf
    byok: Callable[[], Awaitable[ByokMonth | None]]
    """What went by providers' own keys in the account this month; None: nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeDesk:
    """What commands of admins work with, also in a shell beside the process that runs."""

    clock: Clock
    rights: Rights
    people: People
    uses: Uses
    find_member: Callable[[str, Caller], Member | None]
    """Whom a name or a key such as `discord:123` means where the caller is; None: nobody known."""
    models: Callable[[Call, str], Awaitable[Sequence[str]]]
    """Models the caller may use whose name or id holds what was typed, best first."""
    office: Office
    rules: HouseRules
    pool: Callable[[CommunityId], Awaitable[DeskPool]]
    """Which pool a community's questions go to."""
    communities: Callable[[], Awaitable[Sequence[Community]]]
    community_keys: CommunityLinks

    def now(self) -> Instant:
        return self.clock.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(OfficeDesk):
    """See the module."""

    conversations: Conversations
    keys: KeyLinks
    choices: ModelChoices
    joining: Joining
    belongings: Belongings
    day: DayBook
    fairness: Fairness
