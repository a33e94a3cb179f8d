"""Commands, buttons, modals: an interaction is answered within three seconds, and its token dies after 15 minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.clock import Clock
from tests.fakes.discord import composing, intents
from tests.fakes.discord.places import DM, EVERYONE_MAY, Channel, Payload, Refused
from tests.fakes.discord.world import EPHEMERAL, Sent, World

FIRST_ANSWER, TOKEN_SECONDS = 3.0, 900.0
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5
ANSWER, DEFER, DEFER_UPDATE, UPDATE, CHOICES, ASK = 4, 5, 6, 7, 8, 9


@dataclass
class Interaction:
    id: str
    token: str
    channel: Channel
    user: Payload
    at: float
    on: Payload | None = None
    """The message whose component it is."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    kind: int = 0
    """How it was answered first; 0: not yet."""
    ephemeral: bool = False
    original: Payload | None = None
    """The first message it was answered with."""
    choices: list[Payload] = field(default_factory=list)
    modal: Payload | None = None
    followups: list[Payload] = field(default_factory=list)


class Interactions:
    """See the module."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self._open: dict[str, Interaction] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        hook = r"/webhooks/{application:\d+}/{token}"
        return (
            web.post(r"/interactions/{id:\d+}/{token}/callback", self.callback),
            web.post(hook, self.follow_up),
            web.get(hook + "/messages/{message}", self.get),
            web.patch(hook + "/messages/{message}", self.edit),
            web.delete(hook + "/messages/{message}", self.delete),
        )

    def begin(
        self,
        kind: int,
        data: Payload,
        *,
        user: Payload,
        channel: Channel,
        on: Payload | None = None,
        locale: str = "en-US",
        bot_is_there: bool = True,
    ) -> Interaction:
        """A person does something; the bot is told."""
        world, number = self._world, self._world.snowflake()
        interaction = Interaction(
            id=str(number), token=f"token-{number}", channel=channel, user=user, at=self._clock.now(), on=on
        )
        self._open[interaction.token] = interaction
        told: Payload = {
            "id": interaction.id,
            "application_id": world.application,
            "type": kind,
            "data": data,
            "token": interaction.token,
            "version": 1,
            "channel_id": str(channel.id),
            "channel": world.channel_payload(channel),
            "app_permissions": str(world.bot_may(channel)),
            "locale": locale,
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(channel.guild)}
            if bot_is_there and channel.guild
            else {"1": user["id"]},
            "context": 0 if channel.guild else 1,
            "attachment_size_limit": 10 << 20,
        }
        if channel.type == DM:
            told["user"] = user
        else:
            member = {
                **world.member(user.get("_roles", ())),
                "user": user,
                "permissions": str(EVERYONE_MAY | user.get("_permissions", 0)),
            }
            told |= {"guild_id": str(channel.guild), "guild_locale": "en-US", "member": member}
            told["guild"] = {"id": str(channel.guild), "locale": "en-US", "features": []}
        if on is not None:
            told["message"] = intents.as_shown(on, bot=world.bot, intents=intents.MESSAGE_CONTENT)
        world.tell("INTERACTION_CREATE", told)
        return interaction

    # --- the API -----------------------------------------------------------------------------------------

    async def callback(self, request: web.Request) -> web.Response:
        world = self._world
        payload, files = await composing.read(request)
        interaction = self._open.get(request.match_info["token"])
        if interaction is None or (not interaction.kind and self._clock.now() - interaction.at > FIRST_ANSWER):
            raise Refused(404, 10062, "Unknown interaction")
        if interaction.kind:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        kind, data = int(payload["type"]), payload.get("data") or {}
        message: Payload | None = None
        if kind in (ANSWER, DEFER):
            interaction.ephemeral = bool(int(data.get("flags") or 0) & EPHEMERAL)
            if kind == ANSWER:
                message = self._write(request, interaction, data, files)
            else:
                message = world.message(
                    interaction.channel,
                    world.bot,
                    "",
                    **self._marks(interaction, 0 if not interaction.ephemeral else EPHEMERAL),
                )
                message["flags"] |= 1 << 7
            interaction.original = message
        elif kind in (DEFER_UPDATE, UPDATE):
            interaction.original = message = interaction.on
            if kind == UPDATE and message is not None:
                self._change(request, interaction, message, data, files)
        elif kind == CHOICES:
            interaction.choices = data["choices"]
        elif kind == ASK:
            interaction.modal = data
        interaction.kind = kind
        interaction.answered.set()
        if "with_response" not in request.query or request.query["with_response"] in ("0", "false"):
            return web.Response(status=204)
        answer: Payload = {
            "interaction": {"id": interaction.id, "type": COMMAND, "response_message_loading": kind == DEFER}
        }
        if message is not None:
            answer["interaction"]["response_message_id"] = message["id"]
            answer["resource"] = {"type": kind, "message": self._shown(message)}
        return web.json_response(answer)

    async def follow_up(self, request: web.Request) -> web.Response:
        interaction = self._alive(request)
        payload, files = await composing.read(request)
        original = interaction.original
        if interaction.kind == DEFER and original is not None and original["flags"] & (1 << 7):
            # The first follow-up to a deferred answer becomes the answer.
            self._change(request, interaction, original, payload, files)
            return web.json_response(self._shown(original))
        if interaction.kind == 0:
            raise Refused(404, 10015, "Unknown Webhook")
        message = self._write(request, interaction, payload, files)
        interaction.followups.append(message)
        return web.json_response(self._shown(message))

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._message(self._alive(request), request)))

    async def edit(self, request: web.Request) -> web.Response:
        interaction = self._alive(request)
        payload, files = await composing.read(request)
        message = self._message(interaction, request)
        self._change(request, interaction, message, payload, files)
        return web.json_response(self._shown(message))

    async def delete(self, request: web.Request) -> web.Response:
        interaction = self._alive(request)
        self._world.delete(interaction.channel, self._message(interaction, request))
        return web.Response(status=204)

    # --- what they share ---------------------------------------------------------------------------------

    def _alive(self, request: web.Request) -> Interaction:
        interaction = self._open.get(request.match_info["token"])
        if interaction is None or self._clock.now() - interaction.at > TOKEN_SECONDS:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return interaction

    def _message(self, interaction: Interaction, request: web.Request) -> Payload:
        wanted = request.match_info["message"]
        for message in [*([interaction.original] if interaction.original else []), *interaction.followups]:
            if wanted in ("@original", message["id"]):
                return message
        raise Refused(404, 10008, "Unknown Message")

    def _marks(self, interaction: Interaction, flags: int) -> Payload:
        return {
            "type": 20,
            "flags": flags,
            "_for": interaction.user["id"],
            "webhook_id": self._world.application,
            "interaction_metadata": {
                "id": interaction.id,
                "type": COMMAND,
                "user": interaction.user,
                "authorizing_integration_owners": {},
            },
        }

    def _write(
        self, request: web.Request, interaction: Interaction, payload: Payload, files: dict[str, bytes]
    ) -> Payload:
        world = self._world
        self._note(request, payload, files)
        composing.check(payload, files)
        made = composing.fields(world, interaction.channel, payload, files)
        flags = int(made.pop("flags", 0) or 0)
        message = world.message(
            interaction.channel, world.bot, made.pop("content", ""), **self._marks(interaction, flags), **made
        )
        world.ping(message, payload.get("allowed_mentions"), interaction=True)
        return message

    def _change(
        self,
        request: web.Request,
        interaction: Interaction,
        message: Payload,
        payload: Payload,
        files: dict[str, bytes],
    ) -> None:
        self._note(request, payload, files)
        composing.check(payload, files, old=message)
        made = composing.fields(self._world, interaction.channel, payload, files, old=message)
        made["flags"] = (message["flags"] | int(made.get("flags") or 0)) & ~(1 << 7)
        self._world.edit(message, made)
        self._world.ping(message, payload.get("allowed_mentions"), interaction=True)

    def _note(self, request: web.Request, payload: Payload, files: dict[str, bytes]) -> None:
        self._world.sent.append(
            Sent(at=self._clock.now(), method=request.method, path=request.path, payload=payload, files=files)
        )

    def _shown(self, message: Payload) -> Any:
        return intents.as_shown(message, bot=self._world.bot, intents=intents.MESSAGE_CONTENT)
