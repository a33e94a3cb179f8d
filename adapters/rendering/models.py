"""English for models to choose from: what each costs, and what came of a choice."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bot.messages import ModelId
from bot.ports import ModelOnOffer

AUTO = "auto"
"""What is written for leaving the choice to Potluck."""


def price(model: ModelOnOffer, *, brief: bool = False) -> str:
    """What a model costs: "free", "$0.15 in, $0.60 out per million tokens"; `brief`: "$0.15/$0.60"."""
    if model.free:
        return "free"
    if model.prompt is None or model.completion is None:
        return "price varies"
    asked, answered = _dollars(model.prompt), _dollars(model.completion)
    most = "at most " if model.at_most else ""
    return f"{most}{asked}/{answered}" if brief else f"{most}{asked} in, {answered} out per million tokens"


def _dollars(amount: Decimal) -> str:
    """Two places at least, and as many as a small price needs."""
    places = 2 if amount >= Decimal("0.1") or not amount else 4
    return f"${amount:.{places}f}"


def line(model: ModelOnOffer) -> str:
    """A model in one line of a list."""
    return f"{model.id} · {price(model)}"


def chosen(model: ModelId | None) -> str:
    """What answers from now on."""
    if model is None:
        return "Potluck chooses the model, among those that are free."
    return f"From now on {model} answers you."


def nearest(models: Iterable[ModelOnOffer]) -> str:
    """What may have been meant by a name that is none; empty: nothing."""
    names = [model.id for model in models]
    return f"Did you mean {' or '.join(names)}?" if names else ""
