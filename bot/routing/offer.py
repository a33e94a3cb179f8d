"""What can be had for nothing at one moment: the catalogue, the preferred chain, and what rests. Pure.

Also where there is no catalogue yet, since a first start may find no network: then ids stand for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from bot.clock import Instant
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER, Catalogue, is_free_id
from bot.routing.chain import Chain

ROUTER_WINDOW = 32_000
"""Tokens. `openrouter/free` names 200,000 but passes a question on to any free model, whose own window may be far
smaller and is not known beforehand; 32,000 fits all but the smallest."""
UNKNOWN_WINDOW = 8_192
"""Tokens, for a model that states none: few are smaller."""
ANSWER = 4_000
"""Tokens kept for an answer, where a quarter of the window is not less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the router chooses from."""

    catalogue: Catalogue | None = None
    chain: Chain = field(default_factory=Chain)
    hidden: Set[ModelId] = frozenset()
    """What admins have taken off the community's list: not to be offered to anybody there."""
    cooling: Mapping[ModelId, Instant] = field(default_factory=dict)
    """Models that rest, and until when."""
    now: Instant

    def free(self, model: ModelId) -> bool:
        """It may be sent to on the free lane. Without a catalogue: the router, and what the deployment prefers."""
        if self.catalogue is not None:
            return self.catalogue.free(model, self.now)
        return is_free_id(model) and (model == FREE_ROUTER or model in self.chain.models)

    def gone(self, model: ModelId) -> bool:
        """It is no longer to be had, though its id has a free model's shape: removed, expired, or priced by now.

        False also for what is listed and free but for no conversation: that one never was to be had.
        """
        if self.free(model) or not is_free_id(model):
            return False
        entry = self.catalogue.models.get(model) if self.catalogue is not None else None
        return entry is None or entry.expired(self.now) or not entry.costs_nothing

    def rests_until(self, model: ModelId) -> Instant | None:
        """When a model that rests may be asked again. The router is never kept from being asked."""
        until = self.cooling.get(model)
        return until if until is not None and until > self.now and model != FREE_ROUTER else None

    def accepts_images(self, model: ModelId) -> bool:
        """Without a catalogue nothing is known of a model; the router finds one that can."""
        if self.catalogue is None:
            return model == FREE_ROUTER
        return self.catalogue.accepts_images(model, self.now)

    def supports_tools(self, model: ModelId) -> bool:
        return self.catalogue is not None and self.catalogue.supports_tools(model, self.now)

    def supports_structured(self, model: ModelId) -> bool:
        return self.catalogue is not None and self.catalogue.supports_structured(model, self.now)

    def window(self, model: ModelId) -> int:
        """Tokens of question and answer together."""
        entry = self.catalogue.models.get(model) if self.catalogue is not None else None
        if model == FREE_ROUTER:
            return ROUTER_WINDOW
        return (entry.window if entry is not None else None) or UNKNOWN_WINDOW

    def answer(self, model: ModelId) -> int:
        """Tokens of the window kept for the answer."""
        entry = self.catalogue.models.get(model) if self.catalogue is not None else None
        most = (entry.max_completion_tokens if entry is not None else None) or ANSWER
        return min(ANSWER, most, self.window(model) // 4)

    def window_of(self, models: Iterable[ModelId]) -> int:
        """Of several models, what fits every one of them."""
        return min(self.window(model) for model in models)

    def room(self, model: ModelId) -> int:
        """Tokens of the window left for what is sent."""
        return self.window(model) - self.answer(model)


NOTHING_KNOWN = Offer(now=Instant(0))
"""Neither a catalogue nor a preference: the router alone."""
