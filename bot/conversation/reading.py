"""Reads an answer as it comes and tells it, but for what may turn out to be no answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import assert_never

from bot.chat_model import ModelEnd, ModelEvent, ModelText, ModelThinking
from bot.conversation.exchange import Exchange
from bot.conversation.failures import VerdictOnlyError
from bot.conversation.verdicts import is_verdict, may_become_verdict
from bot.errors import FailureKind, UpstreamFailure
from bot.messages import ModelId, TextDelta


async def read(
    events: AsyncGenerator[ModelEvent],
    exchange: Exchange,
    *,
    may_judge: Callable[[ModelId], bool],
    on_text: Callable[[], None],
) -> ModelEnd:
    """Tell the exchange the text of an answer, to its end.

    Args:
        may_judge: a model may be one that only judges what it is told.
        on_text: called once, with the first text.

    Raises:
        UpstreamFailure: there is no whole answer. What came of it has been told, but for a verdict.
    """
    held: str | None = ""
    begun = False
    async with aclosing(events):
        try:
            async for event in events:
                match event:
                    case ModelText(text=text):
                        if not begun:
                            begun = True
                            on_text()
                        if held is not None:
                            text = held + text
                            if may_become_verdict(text):
                                held = text
                                continue
                            held = None
                        exchange.say(TextDelta(text=text))
                    case ModelThinking():
                        pass
                    case ModelEnd():
                        if held and may_judge(event.model) and is_verdict(held):
                            held = None
                            raise VerdictOnlyError(event)
                        return event
                    case _:
                        assert_never(event)
        finally:
            if held and held.strip() and not exchange.over:
                exchange.say(TextDelta(text=held))
    raise UpstreamFailure(FailureKind.CUT_OFF)
