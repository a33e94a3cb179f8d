"""English for what a model costs."""

from __future__ import annotations

from decimal import Decimal

from bot.ports import ModelOnOffer


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
