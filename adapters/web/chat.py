"""Asking and answering over HTTP: `POST /api/chat`, held tickets, stopping, starting over, the turns so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from aiohttp import web

from adapters.web import inbound, wire
from adapters.web.refusal import Refusal, bad_request
from adapters.web.relay import NoReply, Relays
from adapters.web.uploads import Uploads
from bot.clock import Clock
from bot.commands.saying import say
from bot.messages import CommunityId, Member, ReplyEvent, TicketId
from bot.ports import Conversations

TURNS = 200
"""How many turns the page is given after a reload."""


class Chat:
    """The handlers of everything that belongs to one conversation."""

    def __init__(self, *, conversations: Conversations, clock: Clock) -> None:
        self._conversations, self._clock = conversations, clock
        self.relays, self._uploads = Relays(), Uploads()

    def routes(self) -> Iterable[web.RouteDef]:
        return (
            web.post("/api/chat", self.chat),
            web.get("/api/tickets/{ticket}/events", self.follow),
            web.delete("/api/tickets/{ticket}", self.give_up),
            web.post("/api/stop", self.stop),
            web.post("/api/forget", self.forget),
            web.get("/api/turns", self.turns),
            web.get("/api/share", self.share),
            web.get("/api/explanation", self.explanation),
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 1 <= len(key) <= 256:
            raise bad_request(say("Idempotency-Key: use 1 to 256 characters."))
        fields, attachments = await self._uploads.question(request)
        message = inbound.message(fields, key=key, now=self._clock.now(), attachments=attachments)
        reply = self._conversations.reply(message)
        share = partial(self._conversations.share, message.author, message.community)
        del fields, attachments, message  # files are not to stay in memory for as long as the answer takes
        try:
            return await self.relays.relay(request, reply, encode=self._encoder(request), share=share)
        except NoReply:
            raise Refusal(409, "duplicate", say("This message has been handled already.")) from None

    async def follow(self, request: web.Request) -> web.StreamResponse:
        # Whoever knows a ticket may follow it, so it does not say whose it is; a share is shown only by the core.
        try:
            return await self.relays.relay(
                request,
                self._conversations.follow(_ticket(request)),
                encode=self._encoder(request),
                share=partial(self._conversations.share, Member(platform="web", user="-"), CommunityId("web")),
            )
        except (KeyError, NoReply):
            raise _no_ticket() from None

    async def give_up(self, request: web.Request) -> web.Response:
        if not await self._conversations.give_up(_ticket(request)):
            raise _no_ticket()
        return web.json_response({"given_up": True})

    async def stop(self, request: web.Request) -> web.Response:
        seat = inbound.seat(await inbound.read_json(request))
        return web.json_response({"stopped": self._conversations.stop(seat.conversation, seat.member)})

    async def forget(self, request: web.Request) -> web.Response:
        seat = inbound.seat(await inbound.read_json(request))
        await self._conversations.forget(seat.conversation)
        return web.json_response({"forgotten": True})

    async def turns(self, request: web.Request) -> web.Response:
        turns = await self._conversations.turns(inbound.seat(request.query).conversation, limit=TURNS)
        return web.json_response({"turns": [wire.turn(turn) for turn in turns]})

    async def share(self, request: web.Request) -> web.Response:
        who, where = inbound.member(request.query), inbound.community(request.query)
        return web.json_response(wire.share(await self._conversations.share(who, where)))

    async def explanation(self, request: web.Request) -> web.Response:
        who, where = inbound.member(request.query), inbound.community(request.query)
        pool = await self._conversations.pool(where)
        explanation = await self._conversations.explain(who, where)
        zone, tongue = inbound.zone(request), inbound.spoken(request)
        told = wire.explanation(explanation, pool, now=self._clock.now(), zone=zone, tongue=tongue)
        return web.json_response(told)

    def _encoder(self, request: web.Request) -> Callable[[ReplyEvent], bytes]:
        zone, tongue = inbound.zone(request), inbound.spoken(request)
        return lambda event: wire.event(event, now=self._clock.now(), zone=zone, tongue=tongue)


def _ticket(request: web.Request) -> TicketId:
    return TicketId(request.match_info["ticket"])


def _no_ticket() -> Refusal:
    return Refusal(404, "no_such_ticket", say("Nothing is waiting under this ticket."))
