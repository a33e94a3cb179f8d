"""Finds out what paid answers cost of which nobody said it: a stream that was cut, a process that was killed.

OpenRouter knows it minutes after an answer ended, if at all. Until then the money stays set aside; after a day it
counts as spent, and the operator is told.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from bot.clock import Clock, Instant
from bot.errors import UpstreamFailure
from bot.openrouter.client import OpenRouter
from bot.quota.ledger import PoolId
from bot.routing.budget import Pico, pico
from bot.storage.money import ChargeNotOpenError, SqlMoney, Unknown
from bot.telemetry.logs import logger
from bot.vault import VaultError

log = logger(__name__)

AGAIN = 60.0
"""Seconds to the second look; each further one waits twice as long as the one before."""
SELDOM = 3600.0
"""Seconds between looks at most."""
_TOGETHER = 20
"""Costs looked up in one go."""


class Clients(Protocol):
    """OpenRouter by account. `bot.account_clients.AccountClients` is the one."""

    async def of(self, account: PoolId) -> OpenRouter | None:
        """None: its key is gone. Raises: VaultError: it does not open."""
        ...


class Costs:
    """See the module. `watch` runs until cancelled."""

    def __init__(self, *, clients: Clients, money: SqlMoney, clock: Clock) -> None:
        self._clients, self._money, self._clock = clients, money, clock
        self._wake = asyncio.Event()
        money.left_behind = self.expect

    def expect(self) -> None:
        """There is a cost to be found out."""
        self._wake.set()

    async def watch(self) -> None:
        """Look whenever something is due."""
        while True:
            await self.look()
            next_look = await self._money.next_look()
            patience = SELDOM if next_look is None else min(SELDOM, max(0.0, next_look - self._clock.now()))
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._wake.wait()
            self._wake.clear()

    async def look(self) -> None:
        """Ask for what is due, and give up what has been for a day."""
        for unknown in await self._money.due(_TOGETHER):
            await self._ask(unknown)
        for unknown in await self._money.give_up():
            log.warning(
                "nobody has said what a paid answer cost, so it counts as what was set aside: "
                "compare with openrouter.ai/activity",
                extra={"action": "cost_unknown", "charge": unknown.charge.id, "generation": unknown.generation or ""},
            )

    async def _ask(self, unknown: Unknown) -> None:
        assert unknown.generation is not None
        told = None
        try:
            client = await self._clients.of(unknown.charge.spend.account)
            if client is not None:  # an account that was unlinked cannot be asked
                told = await client.generation(unknown.generation)
        except UpstreamFailure as failure:
            log.debug("a cost could not be asked for", extra={"action": "cost", "kind": failure.kind.value})
        except VaultError:
            log.debug("a cost could not be asked for", extra={"action": "cost", "kind": "vault"})
        if told is None:
            wait = min(SELDOM, AGAIN * 2 ** min(unknown.looks, 10))
            await self._money.unknown(unknown.charge, unknown.generation, Instant(self._clock.now() + wait))
        else:
            await self._settle(unknown, pico(told.usage.whole_usd))

    async def _settle(self, unknown: Unknown, cost: Pico) -> None:
        with suppress(ChargeNotOpenError):  # given up in between
            await self._money.settle(unknown.charge, cost)
            log.info("a cost was found out", extra={"action": "cost", "charge": unknown.charge.id})
