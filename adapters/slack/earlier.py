"""What was written in a thread before Potluck was called into it: how it began, and what was said last.

It is asked for once a thread; from then on Potluck's own record goes on.
"""

from __future__ import annotations

from typing import Any

from adapters.slack import plain_text
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.inbound import Written
from adapters.slack.people import People
from adapters.slack.workspace import Workspace

_MESSAGES = 15
_FIRST, _LENGTH = 1_500, 6_000
"""Characters of its first message, and of all that is quoted."""
_PAGE, _PAGES = 200, 10


async def earlier(workspace: Workspace, people: People, said: Written) -> str:
    """It, as an addition to a question; empty: there was nothing, or Slack does not tell."""
    lines = []
    for one in await _thread(workspace, said):
        user, text = str(one.get("user") or ""), str(one.get("text") or "")
        if not text or one.get("ts") == said.ts or user in ("", workspace.bot_user):
            continue
        name = (await people.find(workspace, user)).name
        lines.append(f"{name}: {plain_text.read(text, bot_user=workspace.bot_user)}")
    if not lines:
        return ""
    first, rest = lines[0][:_FIRST], "\n".join(lines[1:])[_FIRST - _LENGTH :]
    return f"\n\nEarlier in this thread:\n{first}\n{rest}".rstrip()


async def _thread(workspace: Workspace, said: Written) -> list[dict[str, Any]]:
    """Its first message and its newest ones. Slack tells the oldest first: a long one comes page after page."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for _ in range(_PAGES):
        try:
            answer = await call(
                workspace.client.conversations_replies,
                workspace.allowance.replies,
                tries=1,
                channel=said.spot.channel,
                ts=said.spot.root,
                limit=_PAGE,
                **more,
            )
        except (Refused, Unsure):  # some apps may ask for one page of fifteen a minute
            break
        found += answer.get("messages") or []
        found = found if len(found) <= _MESSAGES else [found[0], *found[1 - _MESSAGES :]]
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            break
        more = {"cursor": cursor}
    return found
