"""The free models a deployment prefers, in order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER, is_free_id

CHAIN_MAX = 3
"""OpenRouter refuses a longer list of models: "'models' array must have 3 items or fewer"."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What is tried in turn within one request. The router is always last: it is there when the others are not."""

    models: tuple[ModelId, ...] = (FREE_ROUTER,)

    @classmethod
    def of(cls, ids: Sequence[str]) -> Chain:
        """The chain of these ids, in which the router may be left out.

        Raises:
            ValueError: says what is wrong, and repeats none of the ids: what was pasted here by mistake may be a key.
        """
        preferred = list(ids)
        if preferred and preferred[-1] == FREE_ROUTER:
            preferred.pop()
        for place, model in enumerate(preferred, start=1):
            if model == FREE_ROUTER:
                raise ValueError(f"names {FREE_ROUTER} before others, which would never have their turn")
            if not is_free_id(model):
                raise ValueError(f"has no exact id of a free model as number {place}")
        if len(set(preferred)) < len(preferred):
            raise ValueError("names a model twice")
        if len(preferred) >= CHAIN_MAX:
            raise ValueError(f"names more than {CHAIN_MAX} models, {FREE_ROUTER} included")
        return cls((*(ModelId(model) for model in preferred), FREE_ROUTER))

    def led_by(self, first: ModelId | None, *, without: Collection[ModelId] = ()) -> Chain:
        """The same with another model asked first, as far as there is room, and with none of those left out."""
        if first == FREE_ROUTER:
            return Chain()
        named = self.models if first is None else (first, *self.models)
        wanted = [model for model in dict.fromkeys(named) if model != FREE_ROUTER and model not in without]
        return Chain((*wanted[: CHAIN_MAX - 1], FREE_ROUTER))
