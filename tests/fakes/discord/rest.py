"""The REST API over the world: what an ordinary bot may do with its token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from bot.clock import Clock
from tests.fakes.discord import composing, intents
from tests.fakes.discord.buckets import Buckets
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.places import (
    DM,
    MANAGE_MESSAGES,
    PUBLIC_THREAD,
    SEND_IN_THREADS,
    SEND_MESSAGES,
    TEXT,
    VIEW_CHANNEL,
    Channel,
    Payload,
    Refused,
)
from tests.fakes.discord.world import Sent, World

HOUR = 3600.0


class Rest:
    """See the module."""

    def __init__(self, world: World, gateway: Gateway, buckets: Buckets, clock: Clock) -> None:
        self._world, self._gateway, self._buckets, self._clock = world, gateway, buckets, clock

    def routes(self) -> Iterable[web.RouteDef]:
        message = r"/channels/{channel:\d+}/messages/{message:\d+}"
        return (
            web.get("/users/@me", self.me),
            web.get("/users/@me/guilds", self.my_guilds),
            web.post("/users/@me/channels", self.open_dm),
            web.get("/oauth2/applications/@me", self.application),
            web.get("/applications/@me", self.application),
            web.get("/gateway/bot", self.gateway),
            web.get(r"/guilds/{guild:\d+}", self.guild),
            web.get(r"/guilds/{guild:\d+}/channels", self.guild_channels),
            web.get(r"/guilds/{guild:\d+}/members/{user:\d+}", self.member),
            web.get(r"/channels/{channel:\d+}", self.channel),
            web.patch(r"/channels/{channel:\d+}", self.edit_channel),
            web.post(r"/channels/{channel:\d+}/messages", self.create),
            web.post(r"/channels/{channel:\d+}/typing", self.typing),
            web.get(message, self.message),
            web.patch(message, self.edit),
            web.delete(message, self.delete),
            web.post(message + "/threads", self.start_thread),
            web.put(message + "/reactions/{emoji}/@me", self.react),
            web.get(r"/applications/{application:\d+}/commands", self.commands),
            web.put(r"/applications/{application:\d+}/commands", self.put_commands),
        )

    # --- about the bot -----------------------------------------------------------------------------------

    async def me(self, _: web.Request) -> web.Response:
        return web.json_response({**self._world.bot, "verified": True, "mfa_enabled": False, "locale": "en-US"})

    async def my_guilds(self, _: web.Request) -> web.Response:
        keys = ("id", "name", "icon", "features")
        mine = [{**{key: guild[key] for key in keys}, "owner": False} for guild in self._world.guilds.values()]
        return web.json_response([{**guild, "permissions": "0", "permissions_new": "0"} for guild in mine])

    async def open_dm(self, request: web.Request) -> web.Response:
        payload, _ = await composing.read(request)
        channel = self._world.dm(self._world.users[int(payload["recipient_id"])])
        return web.json_response(self._world.channel_payload(channel))

    async def application(self, _: web.Request) -> web.Response:
        flags = (1 << 19) if self._world.content_intent else 0
        return web.json_response(
            {
                "id": self._world.application,
                "name": "Potluck",
                "description": "",
                "icon": None,
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "0" * 64,
                "flags": flags,
                "team": None,
                "owner": {**self._world.bot, "bot": False},
                "integration_types_config": {"0": {}, "1": {}},
            }
        )

    async def gateway(self, _: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 1000 - self._gateway.identified, "reset_after": 1, "max_concurrency": 1}
        return web.json_response(
            {"url": self._gateway.url, "shards": self._gateway.shards, "session_start_limit": limit}
        )

    # --- places ------------------------------------------------------------------------------------------

    async def guild(self, request: web.Request) -> web.Response:
        guild = self._world.guilds.get(int(request.match_info["guild"]))
        if guild is None:
            raise Refused(404, 10004, "Unknown Guild")
        return web.json_response(self._world.guild_payload(guild))

    async def guild_channels(self, request: web.Request) -> web.Response:
        number = int(request.match_info["guild"])
        mine = [channel for channel in self._world.channels.values() if channel.guild == number]
        return web.json_response([self._world.channel_payload(channel) for channel in mine if channel.type == TEXT])

    async def member(self, request: web.Request) -> web.Response:
        user = self._world.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refused(404, 10007, "Unknown Member")
        return web.json_response({**self._world.member(), "user": user})

    async def channel(self, request: web.Request) -> web.Response:
        return web.json_response(self._world.channel_payload(self._where(request)))

    async def edit_channel(self, request: web.Request) -> web.Response:
        """A thread is opened again by whoever may write in it, unless it is locked."""
        channel = self._where(request)
        payload, _ = await composing.read(request)
        if channel.locked or channel.type != PUBLIC_THREAD or set(payload) != {"archived"}:
            raise Refused(403, 50013, "Missing Permissions")
        self._need(channel, SEND_IN_THREADS)
        self._world.archive(channel, archived=payload["archived"])
        return web.json_response(self._world.channel_payload(channel))

    # --- messages ----------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        world, channel = self._world, self._where(request)
        payload, files = await composing.read(request)
        self._note(request, payload, files)
        self._need(channel, SEND_IN_THREADS if channel.type == PUBLIC_THREAD else SEND_MESSAGES)
        composing.check(payload, files)
        self._moderate(payload)
        if channel.archived:
            if channel.locked:
                raise Refused(403, 160005, "This thread is locked")
            world.archive(channel, archived=False)
        nonce = payload.get("nonce")
        if nonce is not None and payload.get("enforce_nonce"):
            earlier = world.earlier(channel, nonce)
            if earlier is not None:
                return self._answer(earlier)
        reference, replied = payload.get("message_reference"), None
        if reference is not None:
            try:
                replied = world.find(channel.id, int(reference["message_id"]))
            except Refused:
                if reference.get("fail_if_not_exists", True):
                    raise Refused(400, 50035, "Invalid Form Body: message_reference: Unknown message") from None
        made = composing.fields(world, channel, payload, files)
        message = world.message(
            channel,
            world.bot,
            made.pop("content", ""),
            reply_to=replied,
            ping=bool((payload.get("allowed_mentions") or {}).get("replied_user")),
            nonce=nonce,
            **made,
        )
        world.ping(message, payload.get("allowed_mentions"))
        return self._answer(message)

    async def message(self, request: web.Request) -> web.Response:
        return self._answer(self._world.find(self._where(request).id, int(request.match_info["message"])))

    async def edit(self, request: web.Request) -> web.Response:
        world, channel = self._world, self._where(request)
        payload, files = await composing.read(request)
        self._note(request, payload, files)
        message = world.find(channel.id, int(request.match_info["message"]))
        if message["author"] is not world.bot:
            raise Refused(403, 50005, "Cannot edit a message authored by another user")
        if channel.archived:
            raise Refused(400, 50083, "Thread is archived")
        if self._clock.now() - message["_at"] > HOUR:
            refused = self._buckets.old_edit(request.path, message["id"])
            if refused is not None:
                return refused
        composing.check(payload, files, old=message)
        self._moderate(payload)
        world.edit(message, composing.fields(world, channel, payload, files, old=message))
        world.ping(message, payload.get("allowed_mentions"))
        return self._answer(message)

    async def delete(self, request: web.Request) -> web.Response:
        world, channel = self._world, self._where(request)
        message = world.find(channel.id, int(request.match_info["message"]))
        if message["author"] is not world.bot:
            self._need(channel, MANAGE_MESSAGES)
        world.delete(channel, message)
        return web.Response(status=204)

    async def typing(self, request: web.Request) -> web.Response:
        channel = self._where(request)
        self._need(channel, SEND_MESSAGES)
        self._world.typed.append((self._clock.now(), channel.id))
        return web.Response(status=204)

    async def react(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def start_thread(self, request: web.Request) -> web.Response:
        payload, _ = await composing.read(request)
        thread = self._world.thread(self._where(request), str(payload["name"]))
        return web.json_response(self._world.channel_payload(thread), status=201)

    # --- commands ----------------------------------------------------------------------------------------

    async def commands(self, _: web.Request) -> web.Response:
        return web.json_response(self._world.commands)

    async def put_commands(self, request: web.Request) -> web.Response:
        payload: Any = await request.json()
        names = [(one["name"], one.get("type", 1)) for one in payload]
        if len(set(names)) != len(names) or any(not 1 <= len(name) <= 32 for name, _ in names):
            raise Refused(400, 50035, "Invalid Form Body: names")
        self._world.command_syncs += 1
        self._world.commands = [
            {
                "id": str(self._world.snowflake()),
                "application_id": self._world.application,
                "version": "1",
                "type": 1,
                "description": "",
                "default_member_permissions": None,
                **one,
            }
            for one in payload
        ]
        return web.json_response(self._world.commands)

    # --- what they share ---------------------------------------------------------------------------------

    def _where(self, request: web.Request) -> Channel:
        channel = self._world.channels.get(int(request.match_info["channel"]))
        if channel is None:
            raise Refused(404, 10003, "Unknown Channel")
        if channel.guild in self._world.left:
            raise Refused(403, 50001, "Missing Access")
        if channel.type != DM:
            self._need(channel, VIEW_CHANNEL)
        return channel

    def _need(self, channel: Channel, permission: int) -> None:
        if permission & ~self._world.bot_may(channel) & ~(MANAGE_MESSAGES if self._may_manage(channel) else 0):
            raise Refused(403, 50001 if permission == VIEW_CHANNEL else 50013, "Missing Permissions")

    def _may_manage(self, channel: Channel) -> bool:
        return channel.guild is not None and any(
            int(role["permissions"]) & MANAGE_MESSAGES for role in self._world.guilds[channel.guild]["roles"]
        )

    def _moderate(self, payload: Payload) -> None:
        if self._world.blocked and self._world.blocked in str(payload):
            raise Refused(400, 200000, "Message was blocked by automatic moderation")

    def _note(self, request: web.Request, payload: Payload, files: dict[str, bytes]) -> None:
        self._world.sent.append(
            Sent(at=self._clock.now(), method=request.method, path=request.path, payload=payload, files=files)
        )

    def _answer(self, message: Payload) -> web.Response:
        asked = max((session.intents for session in self._gateway.sessions.values()), default=0)
        return web.json_response(intents.as_shown(message, bot=self._world.bot, intents=asked))
