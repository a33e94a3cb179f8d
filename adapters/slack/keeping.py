"""What is only noted must not take an answer with it: a database that is full or gone is said in the log."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from bot.telemetry.logs import logger

log = logger(__name__)
T = TypeVar("T")


async def noted(work: Awaitable[T], otherwise: T) -> T:
    """What comes of it, or `otherwise` where it fails: the core says what a member has to know."""
    try:
        return await work
    except Exception as error:  # whatever the database raises
        log.error("something could not be noted", extra={"action": "slack", "error": type(error).__name__})
        log.debug("the failure", exc_info=error)
        return otherwise
