"""A request that is turned away before anything happens: a status, a name for programs, a sentence for people."""

from __future__ import annotations

from aiohttp import web


class Refusal(Exception):
    """Ends a request with `{"error", "message"}`. Nothing has been charged."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(error)
        self.status, self.error, self.message = status, error, message

    def response(self) -> web.Response:
        return web.json_response({"error": self.error, "message": self.message}, status=self.status)


def bad_request(message: str) -> Refusal:
    return Refusal(400, "bad_request", message)


def from_http(error: web.HTTPException) -> Refusal:
    """aiohttp's own refusals, in the same form."""
    match error.status:
        case 404:
            return Refusal(404, "not_found", "There is nothing at this address.")
        case 405:
            return Refusal(405, "method_not_allowed", "This address does not take that method.")
        case 413:
            return Refusal(413, "too_large", "The request is larger than 1 MB.")
        case _:
            return Refusal(error.status, "refused", error.reason)
