"""Which models and which lane a question takes. Pure.

This is the free lane: a wish for anything else is refused here, and nothing ever turns a free wish into a paid
request. What costs is routed by `bot.routing.paid`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import AnswerFailed, AttachmentRefused, Refused
from bot.messages import Lane, ModelId, NoticeKind
from bot.routing.catalogue import FREE_ROUTER as FREE_ROUTER
from bot.routing.offer import NOTHING_KNOWN, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a question needs of the model that answers it."""

    images: bool = False
    """The question holds some. Needed: an answer that ignores them would be none."""
    older_images: bool = False
    """Earlier turns hold some. They stay behind where they cannot be read."""
    tools: bool = False
    """Wanted, and done without where they are not supported. So with `structured`."""
    structured: bool = False
    tokens: int = 0
    """About how many the question is by itself, with what must always go along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a question goes."""

    lane: Lane
    models: tuple[ModelId, ...]
    """What OpenRouter tries in turn within the one request: one to three."""
    window: int
    """Tokens that may be sent, the room for the answer included. Fits every one of the models."""
    answer: int
    """Tokens of it kept for the answer."""
    images: bool = False
    """Images may be sent along, those of earlier turns too."""
    tools: bool = False
    """Tools may be offered. False: not supported, or not wanted."""
    structured: bool = False
    notices: tuple[NoticeKind, ...] = ()

    @property
    def model(self) -> ModelId:
        """The first choice."""
        return self.models[0]

    @property
    def named(self) -> bool:
        """It is one model that answers or nothing does, not whichever is free."""
        return len(self.models) == 1 and self.model != FREE_ROUTER


def choose(wish: ModelId | None, needs: Needs = Needs(), offer: Offer = NOTHING_KNOWN) -> Route:
    """The route of a question whose member asks for a model, or leaves it open.

    Raises:
        Refused: `model_not_allowed`; `attachment_refused`: no model in question reads images; `too_long`, with the
            tokens that would fit as its limit.
        AnswerFailed: `upstream_busy`: the model asked for rests, until `resets_at`; `no_route`: OpenRouter offers
            nothing free.
    """
    if wish is None:
        return _free(offer.chain.models, needs, offer)
    hidden = wish in offer.hidden  # since it was asked for: what is held may have waited for hours
    if offer.free(wish) and not hidden:
        return _free((wish,), needs, offer)
    if offer.gone(wish) or hidden:
        return _free(offer.chain.models, needs, offer, "model_gone")
    raise Refused("model_not_allowed", why="unknown")


def fitting(models: tuple[ModelId, ...], needs: Needs, offer: Offer) -> tuple[ModelId, ...]:
    """Those in which there is room for the question.

    Raises:
        Refused: `too_long`, with the tokens that fit into the roomiest of them.
    """
    room = max(offer.room(model) for model in models)
    if needs.tokens > room:
        raise Refused("too_long", limit=room)
    return tuple(model for model in models if needs.tokens <= offer.room(model))


def _free(wanted: tuple[ModelId, ...], needs: Needs, offer: Offer, *notices: NoticeKind) -> Route:
    """The free lane, by those of the models that will do. The others are left out, whatever the reason."""
    models = tuple(model for model in wanted if offer.free(model))
    if not models:
        raise AnswerFailed("no_route")
    if needs.images:
        models = tuple(model for model in models if offer.accepts_images(model))
        if not models:
            raise AttachmentRefused("images")
    models = fitting(models, needs, offer)
    models = _awake(models, offer)
    models, tools = _able(models, offer.supports_tools, wanted=needs.tools)
    models, structured = _able(models, offer.supports_structured, wanted=needs.structured)
    # A list is only as able as the least of it: OpenRouter hands the same body to each in turn.
    images = all(offer.accepts_images(model) for model in models)
    if needs.older_images and not images:
        notices = (*notices, "images_dropped")
    return Route(
        lane="free",
        models=models,
        window=offer.window_of(models),
        answer=min(offer.answer(model) for model in models),
        images=images,
        tools=tools,
        structured=structured,
        notices=notices,
    )


def _awake(models: tuple[ModelId, ...], offer: Offer) -> tuple[ModelId, ...]:
    """Those that do not rest.

    Raises:
        AnswerFailed: all of them do.
    """
    awake = tuple(model for model in models if offer.rests_until(model) is None)
    if not awake:
        ends = [until for model in models if (until := offer.rests_until(model)) is not None]
        # The router never rests, so it was one model that was asked for.
        raise AnswerFailed("upstream_busy", resets_at=min(ends), reason="model_busy")
    return awake


def _able(
    models: tuple[ModelId, ...], can: Callable[[ModelId], bool], *, wanted: bool
) -> tuple[tuple[ModelId, ...], bool]:
    """Those that can, and that it may be asked of them; all of them if none can, or it is not wanted."""
    able = tuple(model for model in models if can(model)) if wanted else ()
    return (able, True) if able else (models, False)
