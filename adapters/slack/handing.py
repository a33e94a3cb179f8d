"""What is for one person alone: their direct messages with Potluck, and files handed over there."""

from __future__ import annotations

from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.people import Person
from adapters.slack.workspace import Workspace
from bot.commands.answer import Document
from bot.telemetry.logs import logger

log = logger(__name__)


async def direct(workspace: Workspace, person: Person) -> str | None:
    """The channel of their direct messages with Potluck; None: Slack opens none."""
    try:
        opened = await call(workspace.client.conversations_open, workspace.allowance.opens, safe=True, users=person.id)
    except (Refused, Unsure) as problem:
        log.info("no direct messages", extra={"action": "slack", "error": str(problem)})
        return None
    return str(opened["channel"]["id"])


async def hand_over(workspace: Workspace, person: Person, document: Document) -> bool:
    """Send a file. False: Slack did not take it."""
    channel = await direct(workspace, person)
    if channel is None:
        return False
    try:
        await call(
            workspace.client.files_upload_v2,
            workspace.allowance.rest,
            tries=1,
            channel=channel,
            filename=document.name,
            content=document.content,
        )
    except (Refused, Unsure) as problem:
        log.info("a file was not handed over", extra={"action": "slack", "error": str(problem)})
        return False
    return True
