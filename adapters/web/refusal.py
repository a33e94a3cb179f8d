"""A request that is turned away before anything happens: a status, a name for programs, a sentence for people."""

from __future__ import annotations

from aiohttp import web

from adapters.rendering.saying import Tongue
from bot.commands.saying import Say, say


class Refusal(Exception):
    """Ends a request with `{"error", "message"}`. Nothing has been charged."""

    def __init__(self, status: int, error: str, said: Say | str) -> None:
        """`said` is text where it is in the reader's language already."""
        super().__init__(error)
        self.status, self.error, self.said = status, error, said

    def response(self, tongue: Tongue) -> web.Response:
        message = self.said if isinstance(self.said, str) else tongue.say(self.said)
        return web.json_response({"error": self.error, "message": message}, status=self.status)


def bad_request(said: Say) -> Refusal:
    return Refusal(400, "bad_request", said)


def from_http(error: web.HTTPException) -> Refusal:
    """aiohttp's own refusals, in the same form."""
    match error.status:
        case 404:
            return Refusal(404, "not_found", say("There is nothing at this address."))
        case 405:
            return Refusal(405, "method_not_allowed", say("This address does not take that method."))
        case 413:
            return Refusal(413, "too_large", say("The request is larger than 1 MB."))
        case _:
            return Refusal(error.status, "refused", say("The request was refused: {status}.", status=str(error.status)))
