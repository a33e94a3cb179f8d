"""Answers to a press or a command, by the address Slack gives for it: for thirty minutes, five times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp

from adapters.slack import look
from bot.telemetry.logs import logger

log = logger(__name__)

_SECONDS = 20


async def respond(
    session: aiohttp.ClientSession,
    url: str,
    blocks: Sequence[look.Block] = (),
    *,
    replace: bool = False,
    delete: bool = False,
    openly: bool = False,
) -> bool:
    """Say something to who pressed or typed it, to all there if `openly`, or in place of what was pressed.

    False: Slack did not take it.
    """
    document: dict[str, Any] = {"delete_original": True}
    if not delete:
        document = {
            "response_type": "in_channel" if openly else "ephemeral",
            "replace_original": replace,
            "text": look.notification(look.words_in(blocks)),
            "blocks": list(blocks),
            "unfurl_links": False,
            "unfurl_media": False,
        }
    try:
        async with session.post(url, json=document, timeout=aiohttp.ClientTimeout(total=_SECONDS)) as answer:
            if answer.status == 200:
                return True
            why = str(answer.status)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        why = type(error).__name__
    log.info("a response was not taken", extra={"action": "slack", "error": why})
    return False
