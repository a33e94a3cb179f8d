"""Communities' own OpenRouter accounts: linked, replaced, removed, on the record; each makes or ends a pool at once.

Who may do so is for the caller to see to. A key is asked about at OpenRouter before it is kept, and what OpenRouter
says of it decides which pool it feeds (`bot.pools`). The record holds when it was linked and never the key. Nothing
here logs, and no error holds what was brought.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pydantic import SecretStr

from bot.errors import LinkError
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Edit, Json, Wish, to
from bot.office.office import Office
from bot.open_links import OpenLinks
from bot.openrouter.client import OpenRouter
from bot.own_keys import checked, key_in
from bot.pools import Pools, account_pool
from bot.ports import CommunityKey, LinkOpened, WhoseAccount
from bot.quota.ledger import PoolId
from bot.storage.keys import SqlKeys


class Feeds(Protocol):
    """What communities' keys feed. `PoolsFed` where there are pools, `bot.shell` where nothing runs."""

    async def know(self) -> None:
        """Whose account everybody's is ought to be known from here on.

        Raises:
            BadInput: a key of a community's would be of no use here.
        """
        ...

    async def refused(self, community: CommunityId) -> bool:
        """OpenRouter does not accept the key that the community has linked."""
        ...

    async def whose(self, community: CommunityId) -> WhoseAccount | None:
        """What it has linked is whose; None: nothing is linked."""
        ...


class CommunityKeys:
    """`bot.ports.CommunityLinks`.

    Args:
        links: None: there is nobody to come back with a code, so only keys are taken.
        client: any; its key is never sent for a community.
        office: makes the change, and has the pools take it up.
    """

    def __init__(
        self,
        *,
        kept: SqlKeys,
        links: OpenLinks | None,
        client: OpenRouter,
        feeds: Feeds,
        office: Office,
        pseudonym: Callable[[str], str],
    ) -> None:
        self._kept, self._links, self._client, self._feeds = kept, links, client, feeds
        self._office, self._pseudonym = office, pseudonym
        self._linking: dict[CommunityId, object] = {}
        """The newest attempt of each community's: what was begun before it, or before a removal, keeps nothing."""

    async def start_link(self, community: CommunityId) -> LinkOpened:
        return self._open_links().start(community)

    async def finish_link(self, community: CommunityId, pasted: str, *, by: Member) -> CommunityKey:
        links = self._open_links()
        code, verifier = links.take(community, pasted)
        attempt = self._linking[community] = object()
        return await self._keep(community, await links.exchange(code, verifier), attempt, by)

    async def link_community(self, community: CommunityId, pasted: SecretStr, *, by: Member) -> CommunityKey:
        key = key_in(pasted)
        attempt = self._linking[community] = object()
        return await self._keep(community, key, attempt, by)

    async def unlink_community(self, community: CommunityId, *, by: Member) -> bool:
        if self._links is not None:
            self._links.drop(community)
        self._linking.pop(community, None)
        return await self._change(community, None, Wish(by=by, community=community, command="admin key remove"))

    async def community_key(self, community: CommunityId) -> CommunityKey | None:
        shown = await self._kept.show(community)
        whose = await self._feeds.whose(community)
        if shown is None or whose is None:
            return None
        works = shown.works and not await self._feeds.refused(community)
        return CommunityKey(last_four=shown.last_four, linked_at=shown.linked_at, works=works, account=whose)

    async def _keep(self, community: CommunityId, key: SecretStr, attempt: object, by: Member) -> CommunityKey:
        await self._feeds.know()
        info = await checked(self._client, key)
        if self._linking.get(community) is not attempt:
            raise LinkError("no_link")
        del self._linking[community]
        sealed = self._kept.to_keep(community, key, pool=account_pool(info, key, self._pseudonym))
        await self._change(community, sealed, Wish(by=by, community=community, command="admin key paste"))
        shown = await self.community_key(community)
        if shown is None:  # removed in the same moment
            raise LinkError("no_link")
        return shown

    async def _change(self, community: CommunityId, value: Json, wish: Wish) -> bool:
        return await self._office.change(wish, [Edit(Address("key", community, ""), to(value))]) is not None

    def _open_links(self) -> OpenLinks:
        if self._links is None:
            raise LinkError("not_a_key")
        return self._links


class PoolsFed:
    """`Feeds` of a process that runs."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def know(self) -> None:
        if self._pools.default.account.identity is None:
            await self._pools.default.look()

    async def refused(self, community: CommunityId) -> bool:
        pool = await self._pools.of(community)
        return "bad_key" in (pool.account.trouble, pool.scheduler.shut_for)

    async def whose(self, community: CommunityId) -> WhoseAccount | None:
        linked = self._pools.linked.get(community)
        if linked is None:
            return None
        if self._pools.id_of(community) == self._pools.default.id:
            return "everybodys"
        others = {one.pool for other, one in self._pools.linked.items() if other != community}
        return whose(linked.pool, others)


def whose(pool: PoolId, others: set[PoolId]) -> WhoseAccount:
    """Whose account a pool is of, that is not everybody's. `others`: those of other communities."""
    if pool in others:
        return "another_communitys"
    return "own" if pool.startswith("account:") else "untold"
