"""Where a reply cannot be shown any more in its channel, whoever asked has it in their direct messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.slack import look, pieces, posting
from adapters.slack.calls import Refused, Unsure
from adapters.slack.feed import Feed
from adapters.slack.handing import direct
from adapters.slack.inbound import Spot
from adapters.slack.people import Person
from adapters.slack.workspace import Workspace
from bot.commands.saying import say
from bot.messages import Failed, Finished, Held, MessageId
from bot.telemetry.logs import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """For whom a reply is, and what stands beside it."""

    question: MessageId
    author: Person
    hold: str = ""
    """The value of the button that lets a refused question wait; empty: it may not."""
    beside: Sequence[look.Block] = ()
    """Blocks below a whole answer."""


async def elsewhere(workspace: Workspace, spot: Spot, told: Told, feed: Feed) -> None:
    """Show all of a reply that is over to who asked, with a word why there."""
    if feed.ending is None and not feed.text:
        return
    channel = await direct(workspace, told.author)
    if channel is None:
        return
    texts, blocks = pieces.whole(feed.text) or ("",), _below(told, feed)
    try:
        await posting.directly(workspace, channel, text="", blocks=[_why(spot, told)])
        for number, text in enumerate(texts, start=1):
            await posting.directly(workspace, channel, text=text, blocks=blocks if number == len(texts) else [])
    except (Refused, Unsure) as problem:
        log.warning("an answer could not be shown directly", extra={"action": "slack", "error": str(problem)})


def _why(spot: Spot, told: Told) -> look.Block:
    said = told.author.tongue.say(
        say("I cannot write in {channel} any more. This is what you asked there.", channel="CHANNEL")
    )
    return look.context(said.replace("CHANNEL", f"<#{spot.channel}>"))


def _below(told: Told, feed: Feed) -> list[look.Block]:
    tongue = told.author.tongue
    match feed.ending:
        case Finished() as finished:
            return look.footer(finished, feed.notices, tongue)
        case Failed() as failed if feed.text:
            return look.broken_off(failed, tongue)
        case Failed() as failed:
            return look.failed(failed, tongue, hold=told.hold)
        case Held() as held:
            return look.held(held, tongue)
        case None:
            return []
