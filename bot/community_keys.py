"""Communities' own OpenRouter accounts: linked, replaced and removed, each of which makes or ends a pool at once.

Who may do so is for the caller to see to. A key is asked about at OpenRouter before it is kept, and what OpenRouter
says of it decides which pool it feeds (`bot.pools`). Nothing here logs, and no error holds what was brought.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from bot.errors import LinkError
from bot.messages import CommunityId
from bot.open_links import OpenLinks
from bot.openrouter.client import OpenRouter
from bot.own_keys import checked, key_in
from bot.pools import Pools, pool_of
from bot.ports import CommunityKey, LinkOpened, WhoseAccount
from bot.quota.ledger import PoolId
from bot.storage.keys import SqlKeys


class CommunityKeys:
    """`bot.ports.CommunityLinks`.

    Args:
        client: the default pool's; its key is never sent for a community.
    """

    def __init__(
        self,
        *,
        kept: SqlKeys,
        links: OpenLinks,
        client: OpenRouter,
        pools: Pools,
        pseudonym: Callable[[str], str],
    ) -> None:
        self._kept, self._links, self._client, self._pools, self._pseudonym = kept, links, client, pools, pseudonym
        self._linking: dict[CommunityId, object] = {}
        """The newest attempt of each community's: what was begun before it, or before a removal, keeps nothing."""

    async def start_link(self, community: CommunityId) -> LinkOpened:
        return self._links.start(community)

    async def finish_link(self, community: CommunityId, pasted: str) -> CommunityKey:
        code, verifier = self._links.take(community, pasted)
        attempt = self._linking[community] = object()
        return await self._keep(community, await self._links.exchange(code, verifier), attempt)

    async def link_community(self, community: CommunityId, pasted: SecretStr) -> CommunityKey:
        key = key_in(pasted)
        attempt = self._linking[community] = object()
        return await self._keep(community, key, attempt)

    async def unlink_community(self, community: CommunityId) -> bool:
        self._links.drop(community)
        self._linking.pop(community, None)
        removed = await self._kept.remove(community)
        await self._pools.refresh()
        return removed

    async def community_key(self, community: CommunityId) -> CommunityKey | None:
        shown = await self._kept.show(community)
        linked = self._pools.linked.get(community)
        if shown is None or linked is None:
            return None
        pool = self._pools.now(community)
        works = shown.works and pool.scheduler.shut_for != "bad_key"
        return CommunityKey(
            last_four=shown.last_four,
            linked_at=shown.linked_at,
            works=works,
            account=self._whose(community, linked.pool),
        )

    async def _keep(self, community: CommunityId, key: SecretStr, attempt: object) -> CommunityKey:
        info = await checked(self._client, key)
        default = self._pools.default
        if default.account.identity is None:
            await default.look()  # whether it is the same account ought to be known by now
        if self._linking.get(community) is not attempt:
            raise LinkError("no_link")
        del self._linking[community]
        await self._kept.put(community, key, pool=pool_of(info, key, self._pseudonym))
        await self._pools.refresh()
        shown = await self.community_key(community)
        if shown is None:  # removed in the same moment
            raise LinkError("no_link")
        return shown

    def _whose(self, community: CommunityId, pool: PoolId) -> WhoseAccount:
        if self._pools.id_of(community) == self._pools.default.id:
            return "everybodys"
        if any(one.pool == pool for other, one in self._pools.linked.items() if other != community):
            return "another_communitys"
        return "own" if pool.startswith("account:") else "untold"
