"""The office of a process: what admins laid down, read for every pool, every place and every message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from bot.clock import Clock
from bot.messages import CommunityId, Member
from bot.office.acquaintances import Acquaintances
from bot.office.door import Door
from bot.office.edits import EVERYWHERE
from bot.office.house_rules import HouseRules
from bot.office.named import NamedAdmins
from bot.office.office import Office
from bot.office.own_terms import OwnTerms
from bot.office.pool_rules import PoolRules
from bot.office.roster import Persons, Roster
from bot.quota.ledger import PoolId
from bot.quota.scheduler import Scheduler


class Branch:
    """What is laid down for one pool, in force as long as it is open. Made by `FrontOffice.branch`."""

    def __init__(self, front: FrontOffice, pool: PoolId) -> None:
        self._front, self._pool = front, pool
        self.roster = Roster(
            office=front.office,
            persons=front.persons,
            clock=front.clock,
            pool=pool,
            serves=lambda community: front.pool_id_of(community) == pool,
        )
        self.rules = PoolRules(office=front.office, pool=pool)
        self._over: list[Callable[[], None]] = []

    async def govern(self, scheduler: Scheduler, rules_changed: Callable[[], Awaitable[None]]) -> None:
        """From now on what changes is in force at once.

        Args:
            scheduler: opened with the roster's terms.
            rules_changed: called when who may spend has changed.
        """
        enforce, more_room = self._front.office.enforce, self._front.more_room

        def lay_down() -> None:
            scheduler.lay_down(self.roster.in_force)
            more_room()

        async def limit() -> None:
            self.rules.enforce(scheduler)
            more_room()

        self.roster.lay_down = lay_down
        self._over = [
            enforce(self.roster.refresh, "member", "group", "weight", "reserve"),
            enforce(limit, "pause", "caps"),
            enforce(rules_changed, "paid_rule", "pays"),
        ]
        self.rules.enforce(scheduler)

    def close(self) -> None:
        """The pool is over: nothing more is put in force there."""
        for over in self._over:
            over()
        self._front.closed(self._pool, self)


class FrontOffice:
    """See the module. `office` is open.

    Args:
        default: the pool of every community that has none of its own.
        known: names of those who have asked.
    """

    def __init__(
        self,
        *,
        office: Office,
        persons: Persons,
        clock: Clock,
        default: PoolId,
        known: Iterable[tuple[Member, str]] = (),
    ) -> None:
        self.office, self.persons, self.clock = office, persons, clock
        self.rules, self.named, self.known = HouseRules(office), NamedAdmins(office), Acquaintances(known)
        self.pool_id_of: Callable[[CommunityId], PoolId] = lambda _: default
        """Which pool a community's questions go to."""
        self.more_room_for: Callable[[], None] = lambda: None
        """Told when there may be more room than there was."""
        self.door = Door(rules=self.rules, roster=self._roster, known=self.known)
        self._default = default
        self._branches: dict[PoolId, Branch] = {}

    async def branch(self, pool: PoolId) -> Branch:
        """What is laid down for a pool that is about to open.

        Raises:
            StorageError: what is kept cannot be read.
        """
        branch = Branch(self, pool)
        await branch.roster.refresh()
        self._branches[pool] = branch
        return branch

    def closed(self, pool: PoolId, branch: Branch) -> None:
        """A branch is over."""
        if self._branches.get(pool) is branch:
            del self._branches[pool]

    async def moved(self) -> None:
        """Communities have other pools than before: so has what is laid down for them."""
        for branch in list(self._branches.values()):
            await branch.roster.refresh()

    def more_room(self) -> None:
        self.more_room_for()

    def blocked(self, member: Member, community: CommunityId) -> bool:
        """The member is kept out of a community now, or everywhere."""
        for account in self.persons.accounts(member):
            for place in (community, EVERYWHERE):
                block = OwnTerms.read(self.office.at("member", place, account.key)).block
                if block is not None and block.stands(self.clock.now()):
                    return True
        return False

    def _roster(self, community: CommunityId) -> Roster:
        return (self._branches.get(self.pool_id_of(community)) or self._branches[self._default]).roster
