"""What `/readyz` says: whether questions can be answered here, and how each part is that it takes.

Not ready is who cannot write down: nothing is sent then. What OpenRouter, a pool or a platform lacks is said, and is no
reason for a proxy to send people elsewhere: it would be the same there, and here they are told what is wrong.
"""

from __future__ import annotations

from bot.ports import Platform, Readiness
from bot.service import Service


class Health:
    """See the module. `platforms` are told by whoever connects them."""

    def __init__(self, running: Service) -> None:
        self._running = running
        self.platforms: dict[str, Platform] = {}

    async def readiness(self) -> Readiness:
        """Within two seconds, whatever is away."""
        running = self._running
        trouble = await running.probing.trouble()
        parts = {
            "database": trouble or "ok",
            "openrouter": running.account.trouble or "ok",
            "pool": running.scheduler.shut_for or "ok",
        }
        if running.pools.linked:
            parts["community pools"] = running.pools.state()
        parts |= {name: platform.state for name, platform in self.platforms.items()}
        if len(running.backlog):
            parts["backlog"] = f"{len(running.backlog)} to be written down"
        if failing := running.chores.failing:
            parts["chores"] = "; ".join(f"{name}: {why}" for name, why in sorted(failing.items()))
        return Readiness(ready=trouble is None, parts=parts)
