"""Keeps back what could cost, and stops the pool where something could have, or has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.errors import Refused, Shut
from bot.messages import CommunityId, ModelId, Usage
from bot.quota.scheduler import Scheduler
from bot.routing.guard import Fault, costs, guard, guard_paid
from bot.routing.router import Route
from bot.routing.shelf import Shelf
from bot.telemetry import operators
from bot.telemetry.logs import logger
from bot.telemetry.metrics import Metrics

log = logger(__name__)


class ModelGoneError(Exception):
    """A model went away between the choice of the route and the sending: choose again. Nothing has left."""


class Guarding:
    """See the module."""

    def __init__(self, *, scheduler: Scheduler, shelf: Shelf, metrics: Metrics) -> None:
        self._scheduler, self._shelf, self._metrics = scheduler, shelf, metrics

    def check(self, route: Route, community: CommunityId) -> Callable[[Mapping[str, object]], None]:
        """What looks at a body that is to leave along a route, for a community's question.

        It raises `Refused`, `pool_paused`, for one that must not leave, and `ModelGoneError`.
        """

        def looked_at(body: Mapping[str, object]) -> None:
            if self._scheduler.shut_for is not None:  # since the lease was given
                raise Refused("pool_paused")
            if route.lane != "free" or (fault := guard(body, self._shelf.offer(community))) is None:
                return
            if not fault.trips:
                raise ModelGoneError
            self._trip(fault)
            raise Refused("pool_paused")

        return looked_at

    def check_paid(
        self, *, model: ModelId, completion_tokens: int, max_price: Mapping[str, str]
    ) -> Callable[[Mapping[str, object]], None]:
        """What looks at a body that is to leave for money. It raises `Refused`, `pool_paused`."""

        def looked_at(body: Mapping[str, object]) -> None:
            fault = guard_paid(body, model=model, completion_tokens=completion_tokens, max_price=max_price)
            if fault is not None:
                self._trip(fault)
                raise Refused("pool_paused")

        return looked_at

    def paid_for(self, route: Route, usage: Usage) -> None:
        """An answer has come along a route, and this is what it took."""
        if route.lane == "free" and (fault := costs(usage)) is not None:
            self._trip(fault)

    def _trip(self, fault: Fault) -> None:
        self._metrics.guard.labels(kind=fault.kind).inc()
        reason: Shut = "cost_seen" if fault.kind == "cost" else "guard"
        self._scheduler.shut(reason)
        log.error(operators.shut(reason), extra={"action": "shut", "kind": fault.kind, "pool": self._scheduler.pool})
        # What a member asked for may stand in it.
        log.debug("the fault", extra={"action": "shut", "what": fault.what})
