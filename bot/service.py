"""A Potluck that runs, but for its adapters: everything they and the commands are given. `bot.app` puts it together."""

from __future__ import annotations

from dataclasses import dataclass

from bot.backlog import Backlog
from bot.belongings import Belongings
from bot.chores import Chores
from bot.clock import Clock
from bot.commands.registry import Registry
from bot.community_keys import CommunityKeys
from bot.conversation.paying import Paying
from bot.conversation.service import ConversationService
from bot.day_book import LedgerDayBook
from bot.fairness import Fairness
from bot.joining import Joining
from bot.office.office import Office
from bot.openrouter.account import Account
from bot.openrouter.models import Models
from bot.own_keys import OwnKeys
from bot.people import People
from bot.personal import PersonalChoices, PersonalKeys
from bot.pools import Pools
from bot.quota.scheduler import Scheduler
from bot.secrets import Secret
from bot.settings import Settings
from bot.storage.access import SqlAccess
from bot.storage.board import SqlBoard
from bot.storage.database import Database
from bot.storage.money import SqlMoney
from bot.storage.probing import Probing
from bot.telemetry.metrics import Metrics
from bot.uses import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything that is running, but for the adapters."""

    settings: Settings
    clock: Clock
    secret: Secret
    database: Database
    board: SqlBoard | None
    """Where processes that share the database tell each other what they do."""
    probing: Probing
    """Whether the database takes and gives."""
    backlog: Backlog
    """What could not be written down yet."""
    chores: Chores
    conversations: ConversationService
    pools: Pools
    own_keys: OwnKeys
    """Members' own accounts."""
    community_keys: CommunityKeys
    """Communities' own accounts."""
    keys: PersonalKeys
    """Members' own accounts for adapters, which know no persons."""
    choices: PersonalChoices
    people: People
    joining: Joining
    belongings: Belongings
    uses: Uses
    money: SqlMoney
    """How much may be spent, and what has been."""
    day: LedgerDayBook
    fairness: Fairness
    office: Office
    """What admins have laid down. `follow` it where others may change it beside this process."""
    registry: Registry
    """The commands."""
    metrics: Metrics
    upstream: str
    """The base URL requests go to."""
    recovered: int
    """Leases the last run left open."""

    # --- of the pool for all communities that have none of their own -------------------------------------

    @property
    def scheduler(self) -> Scheduler:
        return self.pools.default.scheduler

    @property
    def account(self) -> Account:
        return self.pools.default.account

    @property
    def models(self) -> Models:
        return self.pools.default.models

    @property
    def access(self) -> SqlAccess:
        """Who may spend on which models."""
        return self.pools.default.access

    @property
    def paying(self) -> Paying:
        return self.pools.default.paying
