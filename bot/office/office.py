"""Makes changes, one after the other, and puts each in force before anyone is told that it was made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

from bot.conversation.finishing import to_the_end
from bot.messages import CommunityId
from bot.office.edits import Address, Archive, Change, Edit, Json, Kind, Wish
from bot.telemetry.logs import logger

log = logger(__name__)

Enforce = Callable[[], Awaitable[None]]
LOOK_EVERY = 1.0
"""Seconds between two looks for changes that another process made."""


class Office:
    """See the module. `open` before use."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._laid_down: dict[Address, Json] = {}
        self._enforcing: list[tuple[frozenset[Kind], Enforce]] = []
        self._newest = 0
        self._lock = asyncio.Lock()

    @property
    def newest(self) -> int:
        """The number of the newest change that is in force; 0: there was none."""
        return self._newest

    @property
    def laid_down(self) -> Mapping[Address, Json]:
        """All that stands, by its address."""
        return self._laid_down

    def of(self, kind: Kind, community: CommunityId | None = None) -> Iterator[tuple[Address, Json]]:
        """What stands of one kind, everywhere or in one community."""
        for address, value in self._laid_down.items():
            if address.kind == kind and community in (None, address.community):
                yield address, value

    def at(self, kind: Kind, community: CommunityId, key: str) -> Json:
        """What stands at an address; None: nothing."""
        return self._laid_down.get(Address(kind, community, key))

    def enforce(self, enforce: Enforce, *kinds: Kind) -> Callable[[], None]:
        """Have something called whenever what stands of these kinds has changed, until the result is called."""
        entry = (frozenset(kinds), enforce)
        self._enforcing.append(entry)
        return lambda: self._enforcing.remove(entry)

    async def open(self) -> None:
        """Take up all that stands.

        Raises:
            StorageError: something that is kept cannot be read.
        """
        async with self._lock:
            await self._reload()

    async def change(self, wish: Wish, edits: Sequence[Edit]) -> Change | None:
        """Make a change, whole or not at all; in force when this returns. None: everything stood so already."""
        return await to_the_end(self._change(wish, edits))

    async def undo(self, number: int, wish: Wish) -> Change:
        """Take a change back, if nothing of it has changed since. Raises as `Archive.undo`."""
        return await to_the_end(self._undo(number, wish))

    async def find(self, number: int) -> Change | None:
        return await self._archive.find(number)

    async def history(self, community: CommunityId | None, *, limit: int) -> Sequence[Change]:
        """The newest changes, newest first: of one community, or all."""
        return await self._archive.history(community, limit=limit)

    async def look(self) -> None:
        """Put in force what another process has changed since, if it has."""
        async with self._lock:
            if await self._archive.newest() != self._newest:
                await self._reload()

    async def follow(self) -> None:
        """Look every second, until cancelled: `potluck admin` changes things beside the process that runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def _change(self, wish: Wish, edits: Sequence[Edit]) -> Change | None:
        async with self._lock:
            change = await self._archive.change(wish, edits)
            if change is not None:
                await self._adopt(change)
            return change

    async def _undo(self, number: int, wish: Wish) -> Change:
        async with self._lock:
            change = await self._archive.undo(number, wish)
            await self._adopt(change)
            return change

    async def _adopt(self, change: Change) -> None:
        if change.number != self._newest + 1:  # another process made some in between
            await self._reload()
            return
        self._newest = change.number
        for edit in change.edits:
            if edit.after is None:
                self._laid_down.pop(edit.address, None)
            else:
                self._laid_down[edit.address] = edit.after
        await self._put_in_force({edit.address.kind for edit in change.edits})

    async def _reload(self) -> None:
        newest, found = await self._archive.everything()
        before, self._newest, self._laid_down = self._laid_down, newest, dict(found)
        moved = {address.kind for address in {*before, *found} if before.get(address) != found.get(address)}
        await self._put_in_force(moved)

    async def _put_in_force(self, kinds: Collection[Kind]) -> None:
        for of, enforce in list(self._enforcing):
            if not of.isdisjoint(kinds):
                await enforce()
