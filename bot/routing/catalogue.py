"""The models there are, as OpenRouter lists them, and which of them cost nothing. Pure.

Free is decided here, in one place, by what an entry says of itself and never by a part of its id alone: of 647
entries of October 2026 a hundred asked nothing for a prompt, and 24 were free.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

from bot.clock import Instant
from bot.messages import ModelId

FREE_ROUTER = ModelId("openrouter/free")
"""OpenRouter's own choice among its free models, and everyone's default."""

_FREE_ID = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*:free")
"""One maker, one model, the one variant. Nothing that OpenRouter reads as an order to route elsewhere has this shape:
`x:online`, `x:floor`, `x:free:online`, `~maker/alias`, `@preset/name`; nor has what only looks like it."""


def is_free_id(model: str) -> bool:
    """It could be a free model's id, by its shape."""
    return model == FREE_ROUTER or _FREE_ID.fullmatch(model) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraPrice:
    """A further price of an entry, or one that takes the place of a base price from some length of prompt on."""

    name: str
    """As in `pricing`: `prompt`, `input_cache_write` and so on."""
    price: Decimal | None
    """US dollars per token or piece. None: it cannot be read."""
    min_prompt_tokens: int = 0
    """It may hold from this many tokens of prompt on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One entry of the catalogue. Prices are US dollars per token, request or image; -1 on routers."""

    id: ModelId
    name: str
    canonical_slug: str = ""
    """The dated name behind the id. Empty: none stated."""
    alias_of: ModelId | None = None
    """The id stands for this one, today."""
    context_length: int | None = None
    provider_context: int | None = None
    """What the provider most used takes of it, where that is stated."""
    max_completion_tokens: int | None = None
    prompt_price: Decimal | None = None
    """None: the entry states none that can be read, so it must not pass for free."""
    completion_price: Decimal | None = None
    request_price: Decimal | None = Decimal(0)
    """Zero where it states none; None: it states one that cannot be read. So with images."""
    image_price: Decimal | None = Decimal(0)
    surcharges: tuple[str, ...] = ()
    """Names of further prices a chat request can meet that are not zero or cannot be read."""
    extra_prices: tuple[ExtraPrice, ...] = ()
    """What stands behind `surcharges`. One that is named there and not here is not known."""
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    supported_parameters: tuple[str, ...] = ()
    judges: bool = False
    """It passes judgement on what it is told and holds no conversation. See `bot.routing.judges`."""
    expires_at: Instant | None = None
    """When the model is withdrawn, 00:00 UTC of the day named."""

    @property
    def costs_nothing(self) -> bool:
        """Every price that a chat request can meet is stated and zero."""
        stated = (self.prompt_price, self.completion_price, self.request_price, self.image_price)
        return not self.surcharges and not any(price is None or price for price in stated)

    @property
    def window(self) -> int | None:
        """Tokens of question and answer together; None: unknown."""
        return min((length for length in (self.context_length, self.provider_context) if length), default=None)

    @property
    def accepts_images(self) -> bool:
        return "image" in self.input_modalities

    @property
    def supports_tools(self) -> bool:
        return "tools" in self.supported_parameters

    @property
    def supports_structured(self) -> bool:
        """Answers in a JSON schema. `response_format` alone may mean no more than any JSON."""
        return "structured_outputs" in self.supported_parameters

    def expired(self, now: Instant) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def free(self, now: Instant) -> bool:
        """May be sent to at nobody's cost, and answers in text."""
        if not is_free_id(self.id) or self.alias_of is not None or self.expired(now) or not self.costs_nothing:
            return False
        # Text alone: what else a model puts out has no place in an answer. The router's entry describes no model.
        return self.id == FREE_ROUTER or (self.output_modalities == ("text",) and not self.judges)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every model on offer at one time. What is not in it is not on offer."""

    models: Mapping[ModelId, ModelInfo]
    fetched_at: Instant
    personal: bool
    """As the account's own settings leave it (`/models/user`); False: everybody's (`/models`)."""

    @classmethod
    def of(cls, entries: Iterable[ModelInfo], *, fetched_at: Instant, personal: bool) -> Catalogue:
        """Of an id that is listed twice the entry that costs counts."""
        models: dict[ModelId, ModelInfo] = {}
        for entry in entries:
            if entry.id not in models or models[entry.id].costs_nothing:
                models[entry.id] = entry
        return cls(models=MappingProxyType(models), fetched_at=fetched_at, personal=personal)

    @cached_property
    def _candidates(self) -> tuple[ModelInfo, ...]:
        """The few that can ever be free, so that asking does not walk the whole list."""
        return tuple(one for id_, one in self.models.items() if id_ != FREE_ROUTER and is_free_id(id_))

    def free(self, model: ModelId, now: Instant) -> bool:
        """It is listed, by exactly this id, and free at this moment.

        The router may be missing from an account's own list, which leaves out what that account's settings forbid:
        nobody says whether routers are in it. By its id alone it stands for free models only, so it passes unlisted.
        Listed with a price it does not.
        """
        entry = self.models.get(model)
        return model == FREE_ROUTER if entry is None else entry.free(now)

    def free_models(self, now: Instant) -> tuple[ModelInfo, ...]:
        """Those a member may pick, by name. Without the router, which is no model."""
        return tuple(sorted((one for one in self._candidates if one.free(now)), key=lambda one: (one.name, one.id)))

    def accepts_images(self, model: ModelId, now: Instant) -> bool:
        return any(one.accepts_images for one in self._behind(model, now))

    def supports_tools(self, model: ModelId, now: Instant) -> bool:
        return any(one.supports_tools for one in self._behind(model, now))

    def supports_structured(self, model: ModelId, now: Instant) -> bool:
        return any(one.supports_structured for one in self._behind(model, now))

    def _behind(self, model: ModelId, now: Instant) -> Iterable[ModelInfo]:
        """The model; behind the router each free one, of which it picks one that can do what is asked.
        https://openrouter.ai/docs/guides/routing/routers/free-models-router"""
        if model == FREE_ROUTER:
            return (one for one in self._candidates if one.free(now))
        return (one,) if (one := self.models.get(model)) else ()

    def without(self, models: AbstractSet[ModelId]) -> Catalogue:
        """The same with these taken out."""
        if not models & self.models.keys():
            return self
        left = {id_: one for id_, one in self.models.items() if id_ not in models}
        return replace(self, models=MappingProxyType(left))
