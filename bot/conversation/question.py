"""What an exchange asks, as every lane needs it: what is sent, what is claimed, and what its member is told first."""

from __future__ import annotations

from collections.abc import Sequence

from bot.conversation.context import Asking, Context, QuestionTooLongError, needed, plan, written
from bot.conversation.exchange import Exchange
from bot.conversation.transcripts import Transcripts
from bot.errors import Refused
from bot.messages import Notice
from bot.ports import Turn
from bot.quota.ledger import Claim, PoolId, Question
from bot.routing.router import Needs, Route

TURNS = 60
"""Turns read from a conversation; what of them fits is sent."""


def asking(exchange: Exchange) -> Asking:
    """The question at hand."""
    first = exchange.first
    return Asking(
        author=first.author,
        author_name=first.author_name,
        place=first.place,
        text=exchange.question,
        files=exchange.files,
    )


def needs(exchange: Exchange) -> Needs:
    """What it asks of a model."""
    asked = asking(exchange)
    return Needs(images=asked.images > 0, tokens=needed(asked))


async def fitted(exchange: Exchange, turns: Sequence[Turn], route: Route, transcripts: Transcripts) -> Context:
    """What is sent along a route, with as much of the ended turns as fits.

    Raises:
        Refused: `too_long`, with the tokens that would fit.
    """
    ended = [turn for turn in turns if turn.ended]
    try:
        planned = plan(asking(exchange), ended, window=route.window, answer=route.answer, images=route.images)
    except QuestionTooLongError:
        raise Refused("too_long", limit=route.window - route.answer) from None
    return written(planned, await transcripts.contents(planned.wanted) if planned.wanted else {})


def claim(exchange: Exchange, pool: PoolId, route: Route) -> Claim:
    """The wish to send it."""
    first = exchange.first
    return Claim(
        pool=pool,
        member=first.author,
        lane=route.lane,
        model=route.model,
        question=Question(
            messages=[message.id for message in exchange.messages],
            conversation=first.conversation,
            community=first.community,
            author_name=first.author_name,
            text=exchange.question,
            asked_at=first.received_at,
        ),
    )


def tell_first(exchange: Exchange, route: Route, sending: Context, *, warn: bool) -> None:
    """What the member should know before the answer. `warn`: that free models may keep what is written."""
    if len(exchange.messages) > 1:
        exchange.say(Notice(kind="messages_gathered", count=len(exchange.messages)))
    for kind in route.notices:
        exchange.say(Notice(kind=kind))
    if sending.left_out:
        exchange.say(Notice(kind="history_shortened", count=sending.left_out))
    if sending.shortened:
        exchange.say(Notice(kind="attachment_shortened", count=sending.shortened))
    if sending.images_dropped:
        exchange.say(Notice(kind="images_dropped", count=sending.images_dropped))
    if warn:
        exchange.say(Notice(kind="free_models_may_train"))
