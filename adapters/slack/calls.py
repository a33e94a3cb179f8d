"""Calling Slack: within its limits, again after a 429, and with what can go wrong told apart.

The SDK's own retries are off: it would send a message again whose answer was lost on the way, and the reader would
have it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.telemetry.logs import logger

log = logger(__name__)

Method: TypeAlias = Callable[..., Awaitable[AsyncSlackResponse]]

_TRIES = 6
_RETRY_AFTER = 30.0
_NETWORK = (aiohttp.ClientError, asyncio.TimeoutError, ConnectionError, SlackRequestError)
_AGAIN_AFTER = 1.0
AWAY = (4.0, 15.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0, 300.0, 130.0)
"""Seconds between two tries while Slack cannot be reached: half an hour in all."""
T = TypeVar("T")


class Limit(Protocol):
    """`adapters.slack.limits.Window` or `Bucket`."""

    async def acquire(self) -> None: ...

    def pause(self, seconds: float) -> None: ...


class Refused(Exception):
    """Slack said no, and did nothing."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Unsure(Exception):
    """No answer came: it may have been done or not."""


async def call(
    method: Method, place: Limit, /, *, safe: bool = False, taken: bool = False, tries: int = _TRIES, **arguments: Any
) -> AsyncSlackResponse:
    """One call. `safe`: doing it twice is as good as once, so it is tried again when no answer comes. `taken`: its
    place has been taken already.

    Raises:
        Refused: Slack did not do it.
        Unsure: nobody knows. Never where it is `safe` and Slack can be reached in the end.
    """
    for attempt in range(1, tries + 1):
        if not (taken and attempt == 1):
            await place.acquire()
        try:
            return await method(**arguments)
        except SlackApiError as error:
            code, status = _code(error), _status(error)
            if code == "ratelimited" or status == 429:
                wait = _retry_after(error)
                log.warning("Slack asks to slow down", extra={"action": "slack", "seconds": wait})
                place.pause(wait)
                if attempt < tries:
                    continue
            if status < 500:
                raise Refused(code) from None
            problem: Exception = error
        except _NETWORK as error:
            problem = error
        if not safe or attempt == tries:
            raise Unsure(type(problem).__name__) from None
        await asyncio.sleep(_AGAIN_AFTER * attempt)
    raise AssertionError("every try returns or raises")


async def outlasting(work: Callable[[], Awaitable[T]]) -> T:
    """Do what can be done twice, again and again while Slack is away.

    Raises:
        Refused: as the work does.
        Unsure: it is away for longer than that.
    """
    for seconds in AWAY:
        try:
            return await work()
        except Unsure as unsure:
            log.info("Slack is away", extra={"action": "slack", "error": str(unsure), "seconds": seconds})
            await asyncio.sleep(seconds)
    return await work()


def _code(error: SlackApiError) -> str:
    answer = error.response
    found = answer.get("error") if isinstance(answer, AsyncSlackResponse | dict) else None
    return str(found or "unknown")


def _status(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", 200) or 200)


def _retry_after(error: SlackApiError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    try:
        return max(1.0, min(600.0, float(headers.get("Retry-After", _RETRY_AFTER))))
    except ValueError:
        return _RETRY_AFTER
