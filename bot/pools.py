"""Which pool a community's questions go to: everybody's, or that of an account it has linked.

A pool is an account. Communities that link keys of one account are one pool, and one that links the account behind
everybody's pool stays in that: nothing is ever counted twice, as far as OpenRouter tells whose key it is. Where it does
not tell, a key is taken for an account of its own, and what others use of it is noticed as drift.

What the database says is what holds. A pool is opened when it is first asked for and closed when it has been idle for
long, so a linked community that says nothing costs a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pydantic import SecretStr

from bot.account_clients import AccountClients
from bot.errors import FailureKind
from bot.messages import CommunityId
from bot.openrouter.wire import KeyInfo
from bot.pool import Pool, Shared, open_pool
from bot.quota.ledger import PoolId
from bot.quota.scheduler import Scheduler
from bot.storage.catalogue import SqlCatalogues
from bot.storage.keys import Linked, SqlKeys
from bot.telemetry.logs import logger
from bot.vault import VaultError

log = logger(__name__)

LOOK_EVERY = 60.0
"""Seconds between looks for what was linked or removed from elsewhere, and for pools that can be closed."""
IDLE = 3600.0
"""Seconds after which a pool nobody has asked for is closed."""


def account_pool(info: KeyInfo, key: SecretStr, pseudonym: Callable[[str], str]) -> PoolId:
    """The pool of the account that a key is of, by what OpenRouter says of the key."""
    if info.account is not None:
        return _pool_of_account(info.account, pseudonym)
    return _pool_of_key(key, pseudonym)


def _pool_of_key(key: SecretStr, pseudonym: Callable[[str], str]) -> PoolId:
    return PoolId(f"key:{pseudonym(f'key {key.get_secret_value()}')[:16]}")


def _pool_of_account(account: str, pseudonym: Callable[[str], str]) -> PoolId:
    return PoolId(f"account:{pseudonym(f'account {account}')[:16]}")


class Questions(Protocol):
    """Who has questions waiting. `bot.conversation.service.ConversationService` is the one."""

    def moved(self, community: CommunityId, before: Pool, after: Pool) -> None:
        """The community has another pool from now on. Both are open."""
        ...

    @property
    def held_for(self) -> set[CommunityId]:
        """The communities something is held for: their pools stay open."""
        ...


class Pools:
    """See the module. `open` before use, then `watch` in a task of its own; `close` after.

    Args:
        default: everybody's, open; it ends with the others.
    """

    def __init__(
        self,
        *,
        shared: Shared,
        default: Pool,
        clients: AccountClients,
        keys: SqlKeys,
    ) -> None:
        self.default = default
        self._shared, self._clients, self._keys = shared, clients, keys
        self._questions: Questions | None = None
        self._linked: dict[CommunityId, Linked] = {}
        self._open: dict[PoolId, Pool] = {}
        self._opening: dict[PoolId, asyncio.Task[Pool | None]] = {}
        self._ending: dict[PoolId, asyncio.Task[None]] = {}
        self._identity: str | None = None
        self._stands_for: frozenset[PoolId] = frozenset()
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Read which communities have an account of their own."""
        self._linked = dict(await self._keys.communities())

    def serve(self, questions: Questions) -> None:
        """Tell this one when a community's pool changes."""
        self._questions = questions

    async def close(self) -> None:
        """Finish what is under way in the ledger, in every pool."""
        for opening in self._opening.values():
            opening.cancel()
        await asyncio.gather(*self._opening.values(), *self._ending.values(), return_exceptions=True)
        for pool in self.at_hand:
            await pool.close()
        self._open.clear()

    # --- which pool --------------------------------------------------------------------------------------

    async def of(self, community: CommunityId) -> Pool:
        """The pool a community has now, opened if need be.

        Raises:
            StorageError: what is kept of it cannot be read.
        """
        while (id := self.id_of(community)) != self.default.id:
            pool = self._open.get(id) or await self._opened(id)
            if pool is not None:
                pool.used_at = self._shared.clock.monotonic()
                return pool
        return self.default

    def now(self, community: CommunityId) -> Pool:
        """The same as far as it is open; else everybody's."""
        return self._open.get(self.id_of(community), self.default)

    def id_of(self, community: CommunityId) -> PoolId:
        """Which pool a community has. It also names the account in grants, budgets and charges."""
        linked = self._linked.get(community)
        return self.default.id if linked is None or linked.pool in self._of_default() else linked.pool

    async def line(self, community: CommunityId) -> Scheduler:
        """As `of`: where the community's questions wait."""
        return (await self.of(community)).scheduler

    def line_at_hand(self, community: CommunityId) -> Scheduler:
        """As `now`."""
        return self.now(community).scheduler

    def lines(self) -> Sequence[Scheduler]:
        """The lines of all that are open."""
        return [pool.scheduler for pool in self.at_hand]

    @property
    def at_hand(self) -> Sequence[Pool]:
        """All that are open."""
        return (self.default, *self._open.values())

    def weights(self, id: PoolId) -> Mapping[str, float]:
        """What the communities of a pool count, as admins have laid it down; of one that is not open: alike."""
        pool = next((pool for pool in self.at_hand if pool.id == id), None)
        return {} if pool is None else pool.scheduler.terms.communities

    @property
    def linked(self) -> Mapping[CommunityId, Linked]:
        """The communities with an account of their own."""
        return self._linked

    def state(self) -> str:
        """How the communities' own pools are, in a few words. None of them keeps another from being used."""
        shut = sum(pool.scheduler.shut_for is not None for pool in self._open.values())
        return f"{len(self._open)} open, {shut} of them shut, for {len(self._linked)} communities"

    # --- what changes ------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Take up what was linked, replaced and removed since, here or by another process.

        Whoever waits in a line their community no longer has goes on in the one it has; what is held moves likewise.
        What is under way ends where it began.
        """
        async with self._changing:
            kept = await self._keys.communities()
            others = [one for one in self._linked.keys() | kept.keys() if self._linked.get(one) != kept.get(one)]
            for community in others:
                try:
                    await self._change(community, kept.get(community))
                except Exception as error:  # tried again at the next look; the others' go on meanwhile
                    failed = {"action": "pools", "community": community, "error": repr(error)}
                    log.error("a community's pool could not be changed", extra=failed)
            if others:
                await self._shared.front.moved()

    async def watch(self) -> None:
        """Do so whenever it is time, and close what is idle, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.refresh()
            await self.close_idle()

    async def close_idle(self) -> None:
        """Close what has been of no use for long, or is nobody's any more."""
        held_for = self._questions.held_for if self._questions is not None else set()
        needed = {self.id_of(community) for community in held_for}
        for pool in [pool for pool in self._open.values() if pool.id not in needed and pool.idle(IDLE)]:
            await self._end(pool)

    # --- inside ------------------------------------------------------------------------------------------

    async def _change(self, community: CommunityId, linked: Linked | None) -> None:
        """A community has this from now on. Its new pool is open before anything moves."""
        before = self._linked.get(community)
        try:
            if linked is not None and not await self._ready(linked.pool):
                return  # removed again in the same moment
        except Exception as error:  # who asks is told, and tries it again; the old key is not used any more
            log.error("a community's pool cannot be opened", extra={"action": "pool", "error": repr(error)})
        old = self.now(community)
        if linked is None:
            del self._linked[community]
        else:
            self._linked[community] = linked
        new = self.now(community)
        if old is not new and self._questions is not None:
            self._questions.moved(community, old, new)
        if before is not None and (linked is None or linked.pool != before.pool):
            await self._without(before.pool)

    async def _ready(self, id: PoolId) -> bool:
        """Open, with the newest of its keys. False: nobody has it linked any more."""
        if id in self._of_default():
            return True
        if (known := self._open.get(id)) is None:
            return await self._opened(id) is not None
        await self._go_on(known)
        return True

    async def _go_on(self, pool: Pool) -> None:
        """By the newest of its keys."""
        await self._clients.change_key(pool.client, pool.id)
        if pool.left:
            pool.left = False
            pool.scheduler.reopen()
            pool.watch()
        await pool.look()

    async def _without(self, id: PoolId) -> None:
        """One of a pool's communities has left it: what the others have linked goes on, the last one's key rests."""
        if id in self._opening:
            await self._opened(id)
        pool, of_others = self._open.get(id), any(linked.pool == id for linked in self._linked.values())
        if pool is not None and of_others:
            await self._go_on(pool)
        elif pool is not None:
            pool.left = True
            pool.scheduler.shut("admin", here=True)
            await pool.rest()
            if pool.quiet:
                await self._end(pool)
        if not of_others:
            await SqlCatalogues(self._shared.database).forget(id)

    async def _opened(self, id: PoolId) -> Pool | None:
        """Opened once, whoever asks at the same time. None: nobody has it linked any more."""
        opening = self._opening.get(id)
        if opening is None:
            opening = self._opening[id] = asyncio.create_task(self._begin(id))
            opening.add_done_callback(lambda _: self._opening.pop(id, None))
        return await asyncio.shield(opening)

    async def _begin(self, id: PoolId) -> Pool | None:
        if (ending := self._ending.get(id)) is not None:
            await asyncio.wait([ending])
        readable = True
        try:
            client = await self._clients.of(id)
        except VaultError as error:
            log.error(str(error), extra={"action": "pool", "pool": id})
            client, readable = self._clients.without_key(), False
        if client is None:
            for community in [community for community, linked in self._linked.items() if linked.pool == id]:
                del self._linked[community]
            return None
        pool = await open_pool(self._shared, id, client, own=True)
        if not readable:
            pool.scheduler.shut("bad_key", here=True)
        elif pool.account.trouble == FailureKind.BAD_KEY.value:
            pool.account.suspect("bad_key")  # asked once more, and shut if that is so
        self._open[id] = pool
        log.info("a community's pool is open", extra={"action": "pool", "pool": id, "rpd": pool.scheduler.caps.rpd})
        return pool

    async def _end(self, pool: Pool) -> None:
        del self._open[pool.id]
        ending = self._ending[pool.id] = asyncio.create_task(pool.close())
        ending.add_done_callback(lambda _: self._ending.pop(pool.id, None))
        await asyncio.shield(ending)

    def _of_default(self) -> frozenset[PoolId]:
        """The pools that everybody's stands for: its account's, as far as that is known, and its key's."""
        identity = self.default.account.identity
        if identity != self._identity or not self._stands_for:
            pseudonym, key = self._shared.pseudonym, self._shared.settings.openrouter_api_key
            self._identity = identity
            ids = [] if key is None else [_pool_of_key(key, pseudonym)]
            if identity is not None:
                ids.append(_pool_of_account(identity, pseudonym))
            self._stands_for = frozenset(ids)
        return self._stands_for
