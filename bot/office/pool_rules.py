"""What admins laid down for a pool itself: that it is paused, and other caps than the account's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.errors import StorageError
from bot.messages import CommunityId
from bot.office.edits import EVERYWHERE, Address, Json
from bot.office.office import Office
from bot.quota.ledger import Caps
from bot.quota.scheduler import Scheduler

RPM_MAX, RPD_MAX = 100_000, 10_000_000
"""As POOL_RPM and POOL_RPD."""


class PoolRules:
    """Of one pool. `refresh` puts in force what stands.

    Args:
        pool: `EVERYWHERE`: the shared one. Else the community whose own it is.
    """

    def __init__(self, *, office: Office, scheduler: Scheduler, pool: CommunityId = EVERYWHERE) -> None:
        self._office, self._scheduler = office, scheduler
        self.pause = Address("pause", pool, "pool")
        self.caps = Address("caps", pool, "pool")
        self._paused = False
        self._caps: Caps | None = None
        self.changed: Callable[[], None] = lambda: None
        """Told when there may be more room than there was."""
        office.enforce(self.refresh, "pause", "caps")

    async def refresh(self) -> None:
        """Raises: StorageError: what is kept cannot be read; nothing has changed."""
        caps = read_caps(self._office.laid_down.get(self.caps))
        paused = self._office.laid_down.get(self.pause) is not None
        if caps != self._caps:
            self._caps = caps
            self._scheduler.lay_down_caps(caps)
        if paused != self._paused:
            self._paused = paused
            self._scheduler.suspend(paused)
        self.changed()

    @property
    def paused(self) -> bool:
        """An admin has paused it."""
        return self._paused


def read_caps(kept: Json) -> Caps | None:
    """Caps as they are kept. Raises: StorageError: they are none."""
    if kept is None:
        return None
    try:
        found: Any = kept
        caps = Caps(rpm=found["rpm"], rpd=found["rpd"])
    except (TypeError, KeyError) as error:
        raise StorageError(f"The caps that admins laid down cannot be read: {error!r}.") from error
    if not (1 <= caps.rpm <= RPM_MAX and 1 <= caps.rpd <= RPD_MAX):
        raise StorageError("The caps that admins laid down are out of all bounds.")
    return caps
