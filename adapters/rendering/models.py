"""The words for what a model costs."""

from __future__ import annotations

from decimal import Decimal

from adapters.rendering.saying import ENGLISH, Tongue
from bot.commands.saying import say
from bot.ports import ModelOnOffer


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
