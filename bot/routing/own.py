"""Which models a question takes by its member's own account. Pure.

What that account may use is not known here, and it is not this project's money: a model that was asked for is sent to
as it stands. A question that names none goes to what is free, so that nobody pays by linking an account alone. What the
pool has learnt of rest and privacy is the pool's: it does not count here.
"""

from __future__ import annotations

from bot.errors import AttachmentRefused
from bot.messages import ModelId
from bot.routing.catalogue import FREE_ROUTER
from bot.routing.offer import Offer
from bot.routing.router import Needs, Route, fitting


def own_route(wish: ModelId | None, needs: Needs, offer: Offer) -> Route:
    """The route of a question.

    Raises:
        Refused: `attachment_refused`, where no model in question reads images; `too_long`, with the tokens that fit.
    """
    free = tuple(model for model in offer.chain.models if offer.free(model)) or (FREE_ROUTER,)
    models = free if wish is None else (wish,)
    if needs.images:
        models = tuple(model for model in models if offer.accepts_images(model) or model == FREE_ROUTER)
        if not models:
            raise AttachmentRefused("images")
    models = fitting(models, needs, offer)
    return Route(
        lane="own_key",
        models=models,
        window=offer.window_of(models),
        answer=min(offer.answer(model) for model in models),
        images=needs.images or all(offer.accepts_images(model) for model in models),
    )
