"""Messages that come whole: answers that are short or had no room to grow, and what only one person is to see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from adapters.slack import look
from adapters.slack.calls import Refused, call, outlasting
from adapters.slack.inbound import Spot
from adapters.slack.workspace import Workspace
from bot.telemetry.logs import logger

log = logger(__name__)

ANSWER = "potluck_answer"
"""The type of the metadata by which a message is found again."""
_TS = re.compile(r"\d{9,}\.\d+")
_NOT_SEEN = frozenset({"user_not_in_channel", "user_not_found", "channel_type_not_supported", "ephemeral_not_allowed"})


async def post(workspace: Workspace, spot: Spot, *, id: str, text: str, blocks: Sequence[look.Block] = ()) -> str:
    """Post to a thread, once, however long Slack is away meanwhile. `id` names the message among all of Potluck's and
    begins with its question's. Returns its `ts`.

    Raises:
        Refused: Slack does not take it.
        Unsure: Slack cannot be reached for half an hour.
    """
    arguments = _arguments(text, blocks) | {
        "channel": spot.channel,
        "thread_ts": spot.root,
        "metadata": {"event_type": ANSWER, "event_payload": {"id": id}},
    }
    posts, doubt = workspace.allowance.posts(spot.channel), False

    async def once() -> str:
        nonlocal doubt
        # One whose answer was lost may be there: it is looked for before anything is posted again.
        if doubt and (found := await _find(workspace, spot, id)) is not None:
            return found
        doubt = True
        return str((await call(workspace.client.chat_postMessage, posts, **arguments))["ts"])

    return await outlasting(once)


async def directly(workspace: Workspace, channel: str, *, text: str, blocks: Sequence[look.Block] = ()) -> None:
    """Post to direct messages, below nothing.

    Raises:
        Refused, Unsure: as `call`.
    """
    arguments = _arguments(text, blocks) | {"channel": channel}
    await call(workspace.client.chat_postMessage, workspace.allowance.posts(channel), **arguments)


def _arguments(text: str, blocks: Sequence[look.Block]) -> dict[str, Any]:
    return {
        "text": look.notification(text or look.words_in(blocks)),
        "blocks": [*([look.markdown(text)] if text else []), *blocks],
        "unfurl_links": False,
        "unfurl_media": False,
    }


async def _find(workspace: Workspace, spot: Spot, id: str) -> str | None:
    """Whether a message that no answer came to has been posted. Only what came after its question is looked at."""
    asked_at = _TS.search(id)
    answer = await call(
        workspace.client.conversations_replies,
        workspace.allowance.replies,
        safe=True,
        channel=spot.channel,
        ts=spot.root,
        oldest=spot.root if asked_at is None else asked_at[0],
        include_all_metadata=True,
        limit=200,
    )
    messages: list[dict[str, Any]] = answer.get("messages") or []
    for message in messages:
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == ANSWER and metadata.get("event_payload", {}).get("id") == id:
            return str(message["ts"])
    return None


async def whisper(workspace: Workspace, spot: Spot, user: str, blocks: Sequence[look.Block], *, id: str) -> None:
    """Show it to one person in a channel; to all in the thread where that cannot be.

    Raises:
        Refused, Unsure: as `post`.
    """
    try:
        await call(
            workspace.client.chat_postEphemeral,
            workspace.allowance.whispers,
            safe=True,  # nobody can look for one: better twice than never
            channel=spot.channel,
            user=user,
            thread_ts=spot.root,
            text=look.notification(look.words_in(blocks)),
            blocks=list(blocks),
        )
    except Refused as refused:
        if refused.error not in _NOT_SEEN:
            raise
        await post(workspace, spot, id=id, text="", blocks=blocks)
