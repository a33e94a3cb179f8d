"""Which model and which lane a question takes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import Refused
from bot.messages import Lane, ModelId

FREE_ROUTER = ModelId("openrouter/free")
"""OpenRouter's own choice among its free models, and everyone's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a question goes."""

    lane: Lane
    model: ModelId
    window: int
    """Tokens that may be sent, the room for the answer included."""
    answer: int
    """Tokens of it kept for the answer."""


def choose(wish: ModelId | None) -> Route:
    """The route of a question whose member asks for a model, or leaves it open.

    `openrouter/free` names 200,000 tokens but passes a question on to any free model, whose own window may be far
    smaller and is not known beforehand; 32,000 fits all but the smallest.

    Raises:
        Refused: `model_not_allowed`.
    """
    if wish is not None and wish != FREE_ROUTER:
        raise Refused("model_not_allowed")
    return Route(lane="free", model=FREE_ROUTER, window=32_000, answer=4_000)
