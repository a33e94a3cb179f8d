"""The models a member may choose from, with what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from bot.errors import NotAllowed
from bot.messages import ModelId, Who
from bot.ports import ModelOnOffer
from bot.routing.access import Covered, Rule, covers
from bot.routing.catalogue import FREE_ROUTER, ModelInfo
from bot.routing.offer import Offer
from bot.routing.paid import entry_of
from bot.routing.prices import MILLION, Price, Priced, Rates, Size, Unpriced, Variable, price

SMALL = Size(prompt_tokens=0, completion_tokens=0)
"""Prices are shown as a short question meets them; a long one may meet a higher tier, and is quoted by it."""
_LAST = Decimal("Infinity")


def listed(
    offer: Offer,
    who: Who,
    rules: Sequence[Rule],
    *,
    own_key: bool,
    search: str = "",
    all: bool = False,
) -> list[ModelOnOffer]:
    """The models on offer that the member may use; with `all` also those they may not, last.

    `own_key`: the member has an account of their own, which may use what it likes, but for what admins have taken off
    the community's list.
    """
    words = search.lower().split()
    everything = (_unless_hidden(one, offer) for one in _everything(offer, who, rules, own_key=own_key, words=words))
    found = [one for one in everything if all or one.why_not is None]
    return sorted(found, key=lambda one: _place(one, " ".join(words)))


def on_offer(
    model: ModelId,
    offer: Offer,
    who: Who,
    rules: Sequence[Rule],
    *,
    own_key: bool,
) -> ModelOnOffer | None:
    """One of them by its exact id; None: nobody can have it."""
    entry = offer.catalogue.models.get(model) if offer.catalogue is not None else None
    if entry is None:
        return _router() if model == FREE_ROUTER and offer.free(model) else None
    shown = _shown(entry, offer, who, rules, own_key=own_key)
    return None if shown is None else _unless_hidden(shown, offer)


def _unless_hidden(one: ModelOnOffer, offer: Offer) -> ModelOnOffer:
    return replace(one, why_not="hidden") if one.id in offer.hidden else one


def _everything(
    offer: Offer, who: Who, rules: Sequence[Rule], *, own_key: bool, words: Sequence[str]
) -> Iterator[ModelOnOffer]:
    entries = offer.catalogue.models if offer.catalogue is not None else {}
    if FREE_ROUTER not in entries and offer.free(FREE_ROUTER) and _matches(_router().id, _router().name, words):
        yield _router()
    for entry in entries.values():
        if _matches(entry.id, entry.name, words):
            shown = _shown(entry, offer, who, rules, own_key=own_key)
            if shown is not None:
                yield shown


def _matches(model: ModelId, name: str, words: Sequence[str]) -> bool:
    text = f"{model} {name}".lower()
    return all(word in text for word in words)


def _place(one: ModelOnOffer, search: str) -> tuple[object, ...]:
    slug, short = one.id.partition("/")[2], one.name.partition(": ")[2]
    begins = any(text.lower().startswith(search) for text in (one.id, one.name, slug, short))
    dear = _LAST if one.prompt is None or one.completion is None else one.prompt + one.completion
    # The router is the default, so it leads; a name that is not what it is searched for comes after those that are.
    free = one.free and one.lane != "paid"
    return (one.why_not is not None, not free, one.id != FREE_ROUTER, not begins, dear, one.name.lower(), one.id)


def _router() -> ModelOnOffer:
    """OpenRouter's choice among free models, which an account's own list may leave out."""
    return ModelOnOffer(id=FREE_ROUTER, name="Any free model", lane="free", prompt=Decimal(0), completion=Decimal(0))


def _shown(entry: ModelInfo, offer: Offer, who: Who, rules: Sequence[Rule], *, own_key: bool) -> ModelOnOffer | None:
    if offer.free(entry.id):
        name = _router().name if entry.id == FREE_ROUTER else entry.name
        return _of(entry.id, name, Rates(prompt=Decimal(0), completion=Decimal(0)), own_key=own_key, lane_free=True)
    if entry_of(entry.id, offer) is None:
        return None
    cost = price(entry, SMALL)
    if own_key:
        return _of(entry.id, entry.name, _rates(cost), own_key=True)
    access = covers(who, entry, cost, rules, offer.now)
    if isinstance(access, Covered):
        return _of(entry.id, entry.name, access.limit, at_most=isinstance(cost, Variable))
    return _of(entry.id, entry.name, _rates(cost), why_not=access.reason)


def _of(
    model: ModelId,
    name: str,
    rates: Rates | None,
    *,
    own_key: bool = False,
    lane_free: bool = False,
    at_most: bool = False,
    why_not: NotAllowed | None = None,
) -> ModelOnOffer:
    return ModelOnOffer(
        id=model,
        name=name,
        lane="own_key" if own_key else "free" if lane_free else "paid",
        prompt=None if rates is None else rates.prompt * MILLION,
        completion=None if rates is None else rates.completion * MILLION,
        at_most=at_most,
        why_not=why_not,
    )


def _rates(cost: Price) -> Rates | None:
    match cost:
        case Priced(listed=rates):
            return rates
        case Variable() | Unpriced():
            return None
        case _:
            assert_never(cost)
