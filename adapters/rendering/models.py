"""The words for models to choose from: what each costs, and what came of a choice."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from adapters.rendering.saying import ENGLISH, Tongue
from bot.commands.saying import Say, say
from bot.messages import ModelId
from bot.ports import ModelOnOffer

AUTO = "auto"
"""What is written for leaving the choice to Potluck."""


def price(model: ModelOnOffer, *, brief: bool = False, tongue: Tongue = ENGLISH) -> str:
    """What a model costs: "free", "$0.15 in, $0.60 out per million tokens"; `brief`: "$0.15/$0.60"."""
    if model.free:
        return tongue.say(say("free"))
    if model.prompt is None or model.completion is None:
        return tongue.say(say("price varies"))
    asked, answered = _dollars(model.prompt, tongue), _dollars(model.completion, tongue)
    whole = say("{asked} in, {answered} out per million tokens", asked=asked, answered=answered)
    cost = f"{asked}/{answered}" if brief else tongue.say(whole)
    return tongue.say(say("at most {cost}", cost=cost)) if model.at_most else cost


def _dollars(amount: Decimal, tongue: Tongue) -> str:
    """Two places at least, and as many as a small price needs."""
    places = "0.01" if amount >= Decimal("0.1") or not amount else "0.0001"
    return tongue.dollars(amount.quantize(Decimal(places)))


def line(model: ModelOnOffer, *, tongue: Tongue = ENGLISH) -> str:
    """A model in one line of a list."""
    return f"{model.id} · {price(model, tongue=tongue)}"


def chosen(model: ModelId | None, *, tongue: Tongue = ENGLISH) -> str:
    """What answers from now on."""
    if model is None:
        return tongue.say(say("Potluck chooses the model, among those that are free."))
    return tongue.say(say("From now on {model} answers you.", model=model))


def nearest(models: Iterable[ModelOnOffer], *, tongue: Tongue = ENGLISH) -> str:
    """What may have been meant by a name that is none; empty: nothing."""
    names: str | Say = ""
    for model in models:
        names = say("{one} or {other}", one=names, other=model.id) if names else model.id
    return tongue.say(say("Did you mean {models}?", models=names)) if names else ""
