"""What admins laid down for a pool itself: that it is paused, and other caps than the account's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.errors import StorageError
from bot.office.edits import EVERYWHERE, Address, Json
from bot.office.office import Office
from bot.quota.ledger import PoolId
from bot.quota.scheduler import Scheduler

RPM_MAX, RPD_MAX = 100_000, 10_000_000
"""As POOL_RPM and POOL_RPD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidDown:
    """Requests that may start a minute and a day. None: as many as is set, and as the account tells.

    Raises:
        ValueError: out of all bounds.
    """

    rpm: int | None = None
    rpd: int | None = None

    def __post_init__(self) -> None:
        for cap, most in ((self.rpm, RPM_MAX), (self.rpd, RPD_MAX)):
            if cap is not None and not 1 <= cap <= most:
                raise ValueError(f"a limit is from 1 to {most:,}")

    def named(self) -> dict[str, int]:
        """Those that are laid down."""
        return {name: cap for name, cap in (("rpm", self.rpm), ("rpd", self.rpd)) if cap is not None}

    def written(self) -> Json:
        """As they are kept."""
        return self.named() or None


class PoolRules:
    """Of one pool."""

    def __init__(self, *, office: Office, pool: PoolId) -> None:
        self._office = office
        self.pause = Address("pause", EVERYWHERE, pool)
        self.caps = Address("caps", EVERYWHERE, pool)
        self._paused = False
        self._caps = LaidDown()

    def enforce(self, scheduler: Scheduler) -> None:
        """Put in force what stands, where it is not.

        Raises:
            StorageError: what is kept cannot be read; nothing has changed.
        """
        caps = read_caps(self._office.laid_down.get(self.caps))
        paused = self._office.laid_down.get(self.pause) is not None
        if caps != self._caps:
            self._caps = caps
            scheduler.lay_down_caps(rpm=caps.rpm, rpd=caps.rpd)
        if paused != self._paused:
            self._paused = paused
            scheduler.suspend(paused)


def read_caps(kept: Json) -> LaidDown:
    """Caps as they are kept. Raises: StorageError: they are none."""
    if kept is None:
        return LaidDown()
    try:
        found: Any = kept
        return LaidDown(rpm=found.get("rpm"), rpd=found.get("rpd"))
    except (TypeError, AttributeError, ValueError) as error:
        raise StorageError(f"The limits that admins laid down cannot be read: {error!r}.") from error
