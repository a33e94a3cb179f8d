"""Keeps the catalogue: read from the database at the start, asked for again at most hourly, never made worse.

What OpenRouter says is believed unless it would take the models away: an answer that lost half of them, or all that
are free, is more often a fault on the way than the truth, and no one could ask anything if it was taken for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from bot.clock import DAY, Clock
from bot.errors import UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from bot.quota.ledger import PoolId
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.telemetry.logs import logger

log = logger(__name__)

EVERY = 3600.0
"""Seconds between two refreshes, at least."""
SPREAD = 0.1
"""How much later a refresh may come, as a part of `EVERY`: not everybody's at the same second."""
RETRY = 300.0
"""Seconds after a refresh that brought nothing."""
MODELS_MAX = 10_000
"""More are not kept; OpenRouter has some hundreds."""
PERSONAL_FOR = DAY
"""Seconds an account's own list is preferred to everybody's newer one, while the former cannot be had."""

Doubt: TypeAlias = Literal["empty", "no_free_models", "half_gone", "too_many"]


class Catalogues(Protocol):
    """Where a pool's catalogue outlives the process. `bot.storage.catalogue.SqlCatalogues` is the one."""

    async def save(self, pool: PoolId, catalogue: Catalogue) -> None:
        """Keep this one in place of the last, whole or not at all."""
        ...

    async def load(self, pool: PoolId) -> Catalogue | None:
        """The one kept last; None: there is none that can be read."""
        ...


def doubt(known: Catalogue | None, new: Catalogue) -> Doubt | None:
    """Why an answer is not to be believed as it stands; None: it is."""
    if not new.models:
        return "empty"
    if len(new.models) > MODELS_MAX:
        return "too_many"
    if known is None:
        return None
    if known.free_models(new.fetched_at) and not new.free_models(new.fetched_at):
        return "no_free_models"
    # An account's own list may well be half of everybody's.
    if known.personal == new.personal and len(new.models) * 2 < len(known.models):
        return "half_gone"
    return None


class Models:
    """The catalogue of one pool. `open` before use, then `watch` in a task of its own.

    Args:
        chance: numbers from 0 to 1, for the spread.
    """

    def __init__(
        self, *, client: OpenRouter, store: Catalogues, pool: PoolId, clock: Clock, chance: Callable[[], float]
    ) -> None:
        self._client, self._store, self._pool, self._clock, self._chance = client, store, pool, clock, chance
        self.trouble: str | None = None
        """Why the last refresh brought nothing: a kind of failure, or a doubt. None: it did bring something."""
        self.routable: bool | None = None
        """Whether the account's own list had a free model when it last came. False: its privacy settings forbid all of
        them. None: it has not come."""
        self._known: Catalogue | None = None
        self._offered: Catalogue | None = None
        self._missing: set[ModelId] = set()
        self._doubted: frozenset[ModelId] | None = None
        self._due = 0.0

    @property
    def catalogue(self) -> Catalogue | None:
        """The newest that was believed, less what is missing; None: there never was one."""
        return self._offered

    @property
    def age(self) -> float | None:
        """Seconds since the catalogue at hand was fetched; None: there is none."""
        return None if self._known is None else self._age(self._known)

    async def open(self) -> None:
        """Take the catalogue that was kept. Waits for no network."""
        kept = await self._store.load(self._pool)
        if kept is not None and kept.models:
            self._take(kept)
        age = EVERY if kept is None else self._clock.now() - kept.fetched_at
        # One from the future tells that the clock was set back, and nothing of its age.
        self._due = self._clock.monotonic() + (EVERY - age if 0 <= age < EVERY else 0.0)

    def missing(self, model: ModelId) -> None:
        """OpenRouter has no endpoint for a model that it lists: off the shelf until the next refresh.

        Never the router, which stands for all of them: whatever 404 it answers is not about one model.
        """
        if model != FREE_ROUTER and self._known is not None:
            self._missing.add(model)
            self._offered = self._known.without(self._missing)

    async def watch(self) -> None:
        """Refresh when it is time, until cancelled."""
        while True:
            await asyncio.sleep(max(0.0, self._due - self._clock.monotonic()))
            await self.look()

    async def look(self) -> bool | None:
        """Ask once. Never raises for what OpenRouter answers, nor for a database that cannot keep it.

        Returns whether the account's own list has a free model; None: it did not come.
        """
        self._due = self._clock.monotonic() + RETRY
        try:
            new = await self._ask()
        except UpstreamFailure as failure:
            self._no_news(failure.kind.value)
            return None
        routable = bool(new.free_models(new.fetched_at)) if new.personal and new.models else None
        if routable is not None:
            self.routable = routable
        if (why := self._doubt(new)) is not None:
            self._no_news(why)
            return routable
        self.trouble = None
        self._due = self._clock.monotonic() + EVERY * (1 + SPREAD * self._chance())
        self._missing.clear()
        self._take(new)
        try:
            await self._store.save(self._pool, new)
        except Exception as error:  # whatever the database has: the catalogue at hand is as good without it
            log.error("the catalogue could not be kept", extra={"action": "catalogue", "error": type(error).__name__})
        return routable

    async def _ask(self) -> Catalogue:
        """The account's own list, else everybody's.

        Raises:
            UpstreamFailure: neither came, or the account's own did not and a recent one of it is better.
        """
        personal = True
        try:
            entries = await self._client.user_models()
        except UpstreamFailure:
            if self._known is not None and self._known.personal and self._age(self._known) < PERSONAL_FOR:
                raise
            entries, personal = await self._client.models(), False
        return Catalogue.of(entries, fetched_at=self._clock.now(), personal=personal)

    def _age(self, catalogue: Catalogue) -> float:
        return self._clock.now() - catalogue.fetched_at

    def _doubt(self, new: Catalogue) -> Doubt | None:
        """As `doubt`; but what is said twice on end is no accident, so that a list may shrink for good."""
        why = doubt(self._known, new)
        listed = frozenset(new.models)
        again, self._doubted = self._doubted == listed, listed if why == "half_gone" else None
        if why == "half_gone" and again:
            self._doubted = None
            return None
        return why

    def _no_news(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.warning("the catalogue stays as it was", extra={"action": "catalogue", "reason": trouble})
        self.trouble = trouble

    def _take(self, catalogue: Catalogue) -> None:
        self._known = self._offered = catalogue
