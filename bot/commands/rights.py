"""Who may do what: worked out at each call, from what the platform says now and from whom was named."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from bot.commands.command import Caller, Rank
from bot.messages import CommunityId, Member


class Named(Protocol):
    """Whom admins have named as admins beside them."""

    def named(self, community: CommunityId) -> Collection[Member]: ...


class Rights:
    """See the module.

    Args:
        owners: who runs Potluck, from OWNER_IDS.
        accounts: all the accounts of the person a member is, themselves included.
        blocked: the member is kept out there now.
    """

    def __init__(
        self,
        *,
        owners: Collection[Member],
        named: Named,
        accounts: Callable[[Member], Collection[Member]],
        blocked: Callable[[Member, CommunityId], bool],
    ) -> None:
        self._owners, self._named, self._accounts, self._blocked = frozenset(owners), named, accounts, blocked

    def rank(self, caller: Caller, community: CommunityId) -> Rank:
        """The highest the caller has in a community. Who manages one has nothing to say in another."""
        accounts = self._accounts(caller.member)
        if any(account in self._owners for account in accounts):
            return "owner"
        if caller.manages and caller.community == community:
            return "admin"
        named = self._named.named(community)
        return "admin" if any(account in named for account in accounts) else "anyone"

    def blocked(self, caller: Caller) -> bool:
        return self._blocked(caller.member, caller.community)
