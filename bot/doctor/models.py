"""The models: whether the account can use any, what becomes of the preferred ones, and one that was asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.clock import Clock
from bot.doctor.asked import Asking, catalogue_of
from bot.doctor.finding import Finding, failure, ok, shown, warning
from bot.errors import UpstreamFailure
from bot.messages import CommunityId, ModelId
from bot.openrouter.client import OpenRouter
from bot.routing.catalogue import FREE_ROUTER, Catalogue
from bot.routing.chain import Chain
from bot.routing.offer import Offer
from bot.settings import Settings

_LISTED = 6
"""Ids told by name; the rest are counted."""
_PRIVACY = "Allow free models at openrouter.ai/settings/privacy: free providers may train on what they are sent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked about besides."""

    model: ModelId | None = None
    community: CommunityId | None = None
    """Where; None: by the account that everybody shares."""


async def models(
    client: OpenRouter, clock: Clock, settings: Settings, wanted: Wanted, *, whose: str | None
) -> Sequence[Finding]:
    """All there is to say of them, from one or two readings of each catalogue. `whose`: as `Asking` has it."""
    try:
        catalogue = await catalogue_of(client, clock)
    except UpstreamFailure as error:
        return [warning("models", f"the catalogue cannot be read ({error.kind.value})", "Look again later.")]
    offer = Offer(catalogue=catalogue, chain=Chain.of(settings.free_models), now=clock.now())
    found = [_free(offer, catalogue), *_chain(offer)]
    if wanted.model is not None:
        asking = Asking(settings=settings, clock=clock, client=client, whose=whose, catalogue=catalogue)
        if wanted.community is None:
            found += await asking.everywhere(wanted.model)
        else:
            found += await asking.in_community(wanted.model, wanted.community)
    return found


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
