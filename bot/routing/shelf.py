"""What can be asked at this moment: the catalogue, the preferred chain, and what rests, kept from question to question.

The router is pure and chooses from an `Offer`; this makes it, and takes in what became of what was chosen.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Protocol

from bot.clock import Clock, Instant
from bot.messages import CommunityId, ModelId
from bot.routing.catalogue import Catalogue
from bot.routing.chain import Chain
from bot.routing.cooling import Cooling
from bot.routing.offer import Offer
from bot.routing.router import Needs, Route, choose


class Listed(Protocol):
    """Who keeps the catalogue. `bot.openrouter.models.Models` is the one."""

    @property
    def catalogue(self) -> Catalogue | None: ...

    def missing(self, model: ModelId) -> None: ...


class House(Protocol):
    """What communities make of it. `bot.office.house_rules.HouseRules` is the one."""

    def chain(self, community: CommunityId, otherwise: Chain) -> Chain: ...

    def hidden(self, community: CommunityId) -> Set[ModelId]: ...


class Shelf:
    """See the module.

    Args:
        chain: the deployment's.
        house: without it, all communities are alike.
    """

    def __init__(
        self,
        *,
        models: Listed,
        chain: Chain,
        clock: Clock,
        house: House | None = None,
    ) -> None:
        self._models, self._clock, self._cooling = models, clock, Cooling()
        self._chain, self._house = chain, house

    def offer(self, community: CommunityId | None = None) -> Offer:
        """What the router may choose from now, for a community's questions or by the deployment alone."""
        now = self._clock.now()
        offer = Offer(catalogue=self._models.catalogue, chain=self._chain, cooling=self._cooling.cooling(now), now=now)
        if community is None or self._house is None:
            return offer
        return replace(offer, chain=self._house.chain(community, self._chain), hidden=self._house.hidden(community))

    def choose(self, community: CommunityId, wish: ModelId | None, needs: Needs) -> Route:
        """The route a question takes if it is sent now. Raises as `bot.routing.router.choose` does."""
        return choose(wish, needs, self.offer(community))

    def busy(self, route: Route, hint: Instant | None) -> None:
        """None of a route's models had room: OpenRouter tried each. Until `hint`, where it gave one."""
        for model in route.models:
            self._cooling.cool(model, self._clock.now(), hint)

    def gone(self, route: Route) -> None:
        """OpenRouter has no endpoint for what was asked. Of several it is not known which one it spoke of."""
        if len(route.models) == 1:
            self._models.missing(route.model)

    def may_judge(self, model: ModelId) -> bool:
        """A model that answered may be one that only judges: it is, or nothing is known of it."""
        catalogue = self._models.catalogue
        listed = catalogue.models if catalogue is not None else {}
        entry = listed.get(model) or listed.get(ModelId(f"{model}:free"))  # some answers leave the variant out
        return entry is None or entry.judges

    def answered(self, model: ModelId) -> None:
        self._cooling.succeeded(model)
