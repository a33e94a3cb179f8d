"""The models: whether the account can use any, what becomes of the preferred ones, and one that was asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bot.clock import Clock
from bot.doctor.finding import Finding, failure, ok, shown, warning
from bot.errors import UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from bot.routing.catalogue import FREE_ROUTER, Catalogue, ModelInfo
from bot.routing.chain import Chain
from bot.routing.offer import Offer
from bot.settings import Settings

_LISTED = 6
"""Ids told by name; the rest are counted."""
_MILLION = Decimal(1_000_000)
_PRIVACY = "Allow free models at openrouter.ai/settings/privacy: free providers may train on what they are sent."


async def models(client: OpenRouter, clock: Clock, settings: Settings, wanted: ModelId | None) -> Sequence[Finding]:
    """All there is to say of them, from one or two readings of the catalogue."""
    try:
        catalogue = await _catalogue(client, clock)
    except UpstreamFailure as error:
        return [warning("models", f"the catalogue cannot be read ({error.kind.value})", "Look again later.")]
    offer = Offer(catalogue=catalogue, chain=Chain.of(settings.free_models), now=clock.now())
    found = [_free(offer, catalogue), *_chain(offer)]
    if wanted is not None:
        found.append(_one(wanted, offer, catalogue))
    return found


async def _catalogue(client: OpenRouter, clock: Clock) -> Catalogue:
    """The account's own, else everybody's."""
    try:
        entries, personal = await client.user_models(), True
    except UpstreamFailure:
        entries, personal = await client.models(), False
    return Catalogue.of(entries, fetched_at=clock.now(), personal=personal)


def _free(offer: Offer, catalogue: Catalogue) -> Finding:
    up = [model.id for model in catalogue.free_models(offer.now)]
    if not up and catalogue.personal:
        return failure(
            "models", "no free model is routable: the account's privacy settings forbid all of them", _PRIVACY
        )
    if not up:
        return warning("models", f"none of the {len(catalogue.models):,} on offer is free", "Look again later.")
    named = ", ".join(shown(model) for model in up[:_LISTED])
    more = f" and {len(up) - _LISTED:,} more" if len(up) > _LISTED else ""
    whose = "" if catalogue.personal else "; whether the account's privacy settings allow them is not known"
    return ok("models", f"{len(up):,} free ones are up, {FREE_ROUTER} chooses among them: {named}{more}{whose}")


def _chain(offer: Offer) -> Iterator[Finding]:
    preferred = [model for model in offer.chain.models if model != FREE_ROUTER]
    if not preferred:
        return
    gone = [shown(model) for model in preferred if not offer.free(model)]
    if gone:
        found = f"not free or not on offer any more: {', '.join(gone)}; questions go to what is left"
        yield warning("FREE_MODELS", found, "Take it out, or name another from openrouter.ai/models?max_price=0.")
    else:
        named = ", then ".join(offer.chain.models)
        yield ok("FREE_MODELS", f"{named}; {offer.window_of(offer.chain.models):,} tokens fit all of them")


def _one(wanted: ModelId, offer: Offer, catalogue: Catalogue) -> Finding:
    """A model by name: its window, its price, who may ask it, and why not."""
    check, model = shown(wanted), catalogue.models.get(wanted)
    if wanted == FREE_ROUTER and offer.free(wanted):
        return ok(check, f"free: everyone's default, {offer.window(wanted):,} tokens are counted on")
    if model is None:
        found = (
            f"not among the {len(catalogue.models):,} {'this account may use' if catalogue.personal else 'on offer'}"
        )
        return failure(check, found, f"See openrouter.ai/models; until then whoever asks for it gets {FREE_ROUTER}.")
    window = f"{model.window:,} tokens" if model.window else "a window it does not tell"
    if offer.free(wanted):
        reads = ", reads images" if model.accepts_images else ""
        return ok(check, f"free: everyone may ask for it; {window}{reads}")
    return warning(check, f"{window}; {_why_not(model, offer)}, so nobody may ask for it", "Choose a free one.")


def _why_not(model: ModelInfo, offer: Offer) -> str:
    if model.expired(offer.now):
        return "it has been withdrawn"
    if model.alias_of is not None:
        return "its id stands for another model"
    if not model.costs_nothing:
        asked, written = _per_million(model.prompt_price), _per_million(model.completion_price)
        return f"it costs {asked} USD per million tokens of a question and {written} of an answer"
    if model.judges:
        return "it passes judgement on texts and holds no conversation"
    return "it costs nothing, but is none of the free models by its id"


def _per_million(price: Decimal | None) -> str:
    return "?" if price is None or price < 0 else f"{price * _MILLION:,.2f}"
