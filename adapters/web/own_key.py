"""A member's own OpenRouter account over HTTP: `/api/own-key`. Of a key that is kept only the last four leave."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from pydantic import SecretStr

from adapters.rendering import linking
from adapters.web import inbound, wire
from adapters.web.refusal import Refusal, bad_request
from bot.commands.saying import say
from bot.errors import LinkError, LinkFault
from bot.ports import KeyLinks, KeyShown

PASTED_MAX = 1000
"""Characters of a code or a key."""


class OwnKeyPages:
    """The handlers."""

    def __init__(self, keys: KeyLinks) -> None:
        self._keys = keys

    def routes(self) -> Iterable[web.RouteDef]:
        return (
            web.get("/api/own-key", self.shown),
            web.post("/api/own-key/start", self.start),
            web.post("/api/own-key/finish", self.finish),
            web.post("/api/own-key/paste", self.paste),
            web.delete("/api/own-key", self.remove),
        )

    async def shown(self, request: web.Request) -> web.Response:
        return _told(await self._keys.shown(inbound.member(request.query)))

    async def start(self, request: web.Request) -> web.Response:
        opened = await self._keys.start(inbound.member(await inbound.read_json(request)))
        return web.json_response({"link": opened.link, "expires_at": wire.iso(opened.expires_at)})

    async def finish(self, request: web.Request) -> web.Response:
        fields = await inbound.read_json(request)
        member, code = inbound.member(fields), _pasted(fields, "code")
        try:
            return _told(await self._keys.finish(member, code))
        except LinkError as error:
            raise _refusal(error.fault) from None

    async def paste(self, request: web.Request) -> web.Response:
        fields = await inbound.read_json(request)
        member, key = inbound.member(fields), SecretStr(_pasted(fields, "key"))
        try:
            return _told(await self._keys.paste(member, key))
        except LinkError as error:
            raise _refusal(error.fault) from None

    async def remove(self, request: web.Request) -> web.Response:
        return web.json_response({"removed": await self._keys.remove(inbound.member(request.query))})


def _told(shown: KeyShown | None) -> web.Response:
    if shown is None:
        return web.json_response({"linked": False})
    return web.json_response(
        {
            "linked": True,
            "last_four": shown.last_four,
            "linked_at": wire.iso(shown.linked_at),
            "works": shown.works,
        }
    )


def _pasted(fields: object, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not (isinstance(value, str) and value.strip() and len(value) <= PASTED_MAX):
        raise bad_request(say("{name}: paste what OpenRouter shows.", name=name))
    return value


def _refusal(fault: LinkFault) -> Refusal:
    return Refusal(503 if fault == "unreachable" else 400, fault, linking.FAULTS[fault])
