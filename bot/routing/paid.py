"""What a question would be on the paid lane: which wish it is, where it would go, what it costs at most. Pure.

A wish is for money only by an id that stands in the catalogue word for word and could be no free model's. So
`x:free`, however it is written, is never bought, nor is what OpenRouter would read as an order (`x:online`, `@preset`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from bot.clock import Instant
from bot.errors import AttachmentRefused, Refused
from bot.messages import ModelId
from bot.routing.access import Covered, Rule, Who, covers
from bot.routing.catalogue import ModelInfo, is_free_id
from bot.routing.lanes import PaidWay, Wish
from bot.routing.offer import ROUTER_WINDOW, Offer
from bot.routing.prices import Size, Variable, most_cost, price
from bot.routing.router import Needs, Route


def wish_of(model: ModelId | None, offer: Offer) -> Wish | None:
    """What a member asks for; None: what nobody can have."""
    if model is None:
        return "open"
    if offer.free(model) or offer.gone(model):
        return "free_model"
    return "paid_model" if entry_of(model, offer) is not None else None


def entry_of(model: ModelId, offer: Offer) -> ModelInfo | None:
    """The entry of a model that can be had for money, if there is a right to it."""
    entry = offer.catalogue.models.get(model) if offer.catalogue is not None else None
    return entry if entry is not None and _for_money(entry, offer.now) else None


def _for_money(entry: ModelInfo, now: Instant) -> bool:
    if is_free_id(entry.id) or entry.judges or entry.expired(now):
        return False
    # Pictures and sound that a model puts out have prices of their own, which no bound here covers.
    return entry.output_modalities == ("text",) or (
        isinstance(_price(entry), Variable) and "text" in entry.output_modalities
    )


def _price(entry: ModelInfo) -> object:
    return price(entry, Size(prompt_tokens=0, completion_tokens=0))


def route(entry: ModelInfo, offer: Offer, needs: Needs) -> Route:
    """Where a question goes that is paid for.

    Of the conversation no more goes along than on the free lane, since every token is paid for; the question itself
    may fill the model's window.

    Raises:
        Refused: `too_long`, `attachment_refused`.
    """
    answer, window = offer.answer(entry.id), offer.window(entry.id)
    if needs.images and not entry.accepts_images:
        raise AttachmentRefused("images")
    if needs.tokens > window - answer:
        raise Refused("too_long", limit=window - answer)
    return Route(
        lane="paid",
        models=(entry.id,),
        window=min(window, max(ROUTER_WINDOW, needs.tokens + answer)),
        answer=answer,
        images=entry.accepts_images,
    )


def quote(entry: ModelInfo, size: Size, who: Who, rules: Iterable[Rule], now: Instant) -> PaidWay:
    """Whether the member may have it, and what it costs at most. What the budgets leave is not known here."""
    access = covers(who, entry, price(entry, size), rules, now)
    most = most_cost(access.most, size) if isinstance(access, Covered) else Decimal(0)
    return PaidWay(model=entry.id, access=access, most=most, purse=None)


def instead(
    preferred: ModelId | None, offer: Offer, tokens: int, who: Who, rules: Sequence[Rule], *, images: int = 0
) -> ModelInfo | None:
    """What takes the place of a free model: the one the member prefers if it will do, else the cheapest."""
    entry = None if preferred is None else entry_of(preferred, offer)
    if (
        entry is not None
        and entry.id not in offer.hidden
        and _most(entry, offer, tokens, who, rules, images) is not None
    ):
        return entry
    return cheapest(offer, tokens, who, rules, images=images)


def cheapest(offer: Offer, tokens: int, who: Who, rules: Sequence[Rule], *, images: int = 0) -> ModelInfo | None:
    """The model that a question of about so many tokens costs this member least with, of those they may have.

    Of listed prices only: what a router costs is known afterwards.
    """
    if not any(rule.allows for rule in rules):
        return None
    entries = offer.catalogue.models.values() if offer.catalogue is not None else ()
    paid = [entry for entry in entries if entry.id not in offer.hidden and _for_money(entry, offer.now)]
    costs = ((_most(entry, offer, tokens, who, rules, images), entry.id) for entry in paid)
    found = min(((most, model) for most, model in costs if most is not None), default=None)
    return None if found is None else entry_of(found[1], offer)


def _most(entry: ModelInfo, offer: Offer, tokens: int, who: Who, rules: Sequence[Rule], images: int) -> Decimal | None:
    """US dollars at most for a question of about so many tokens; None: it will not do, or costs nothing."""
    if images and not entry.accepts_images:
        return None
    answer = offer.answer(entry.id)
    size = Size(prompt_tokens=tokens, completion_tokens=answer, images=images)
    if tokens > offer.window(entry.id) - answer or isinstance(price(entry, size), Variable):
        return None
    way = quote(entry, size, who, rules, offer.now)
    return way.most if isinstance(way.access, Covered) and way.most > 0 else None
