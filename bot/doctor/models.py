"""The models: whether the account can use any, what becomes of the preferred ones, and one that was asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.clock import Clock
from bot.doctor.finding import Finding, failure, ok, shown, warning
from bot.doctor.model import Known, about
from bot.errors import UpstreamFailure
from bot.messages import ModelId
from bot.openrouter.client import OpenRouter
from bot.quota.ledger import PoolId
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.routing.chain import Chain
from bot.routing.offer import Offer
from bot.settings import Settings
from bot.storage.rights import rights as read_rights

_LISTED = 6
"""Ids told by name; the rest are counted."""
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
        rights = read_rights(settings.database, PoolId("default"), clock.now())
        everybodys = await _everybodys(client, clock) if wanted not in catalogue.models else None
        found += about(wanted, Known(offer=offer, everybodys=everybodys, rights=rights))
    return found


async def _everybodys(client: OpenRouter, clock: Clock) -> Catalogue | None:
    try:
        return Catalogue.of(await client.models(), fetched_at=clock.now(), personal=False)
    except UpstreamFailure:
        return None


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
