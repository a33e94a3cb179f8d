"""`chat.*` but for streams, and what apps read of conversations."""

from __future__ import annotations

from tests.fakes.slack.blocks import MARKDOWN_MAX, fault_in, share
from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Channel, Json, Message, World

UPDATE_TEXT_MAX = 4_000
POST_TEXT_MAX = 40_000


class Messages:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world

    def methods(self) -> dict[str, Method]:
        return {
            "chat.postMessage": self.post,
            "chat.postEphemeral": self.post_ephemeral,
            "chat.update": self.update,
            "chat.delete": self.delete,
            "conversations.info": self.info,
            "conversations.replies": self.replies,
            "conversations.open": self.open,
            "chat.getPermalink": self.permalink,
        }

    def channel(self, call: Call) -> Channel:
        """Where the call wants to write.

        Raises:
            ApiError: there is no such place, or the app is not in it.
        """
        (id,) = need(call, "channel")
        channel = self._world.channels.get(id)
        if channel is None:
            raise ApiError("channel_not_found")
        if call.team.bot_user not in channel.members:
            raise ApiError("not_in_channel")
        if channel.archived:
            raise ApiError("is_archived")
        return channel

    def post(self, call: Call) -> Json:
        channel = self.channel(call)
        message = self._message(call, channel, sharing=True)
        self._world.post(message)
        share(message.blocks, self._world, channel.id)
        return {"channel": channel.id, "ts": message.ts, "message": {"ts": message.ts, "text": message.text}}

    def post_ephemeral(self, call: Call) -> Json:
        channel = self.channel(call)
        (user,) = need(call, "user")
        if user not in channel.members:
            raise ApiError("user_not_in_channel")
        message = self._message(call, channel)
        message.only_for = user
        self._world.post(message)
        return {"message_ts": message.ts}

    def update(self, call: Call) -> Json:
        self.channel(call)
        message = self.own(call)
        if self._world.alive(message):
            raise ApiError("streaming_state_conflict")
        self._check(call.args, text_max=UPDATE_TEXT_MAX, sharing=True)
        message.edits += 1
        message.text = call.args.get("text", message.text)
        if "markdown_text" in call.args:
            message.blocks, message.streamed = [], call.args["markdown_text"]
        if "blocks" in call.args:
            message.blocks, message.streamed = call.args["blocks"], ""
        return {"channel": message.channel, "ts": message.ts, "text": message.text}

    def delete(self, call: Call) -> Json:
        message = self.own(call)
        message.deleted = True
        return {"channel": message.channel, "ts": message.ts}

    def own(self, call: Call) -> Message:
        """The app's own message that the call means."""
        channel, ts = need(call, "channel", "ts")
        message = self._world.messages.get((channel, ts))
        if message is None or message.deleted or message.only_for is not None:
            raise ApiError("message_not_found")
        if message.user != call.team.bot_user:
            raise ApiError("cant_update_message")
        return message

    def info(self, call: Call) -> Json:
        channel = self.channel(call)
        told = {"id": channel.id, "name": channel.name, "is_im": channel.kind == "im", "is_ext_shared": channel.shared}
        return {"channel": told}

    def replies(self, call: Call) -> Json:
        channel, root = need(call, "channel", "ts")
        found = [
            one
            for one in sorted(self._world.messages.values(), key=lambda one: one.ts)
            if one.channel == channel and root in (one.ts, one.thread) and not one.deleted and one.only_for is None
        ]
        if not found:
            raise ApiError("thread_not_found")
        told: list[Json] = [
            {"type": "message", "user": one.user, "text": one.text, "ts": one.ts, "thread_ts": one.thread}
            | ({"metadata": one.sent["metadata"]} if "metadata" in one.sent else {})
            for one in found
        ]
        oldest = call.args.get("oldest", "0")
        told = [one for one in told if one["ts"] == root or one["ts"] >= oldest]
        limit, start = min(1000, int(call.args.get("limit", 1000))), int(call.args.get("cursor") or 0)
        page = told[start : start + limit]
        if start + limit >= len(told):
            return {"messages": page, "has_more": False}
        return {"messages": page, "has_more": True, "response_metadata": {"next_cursor": str(start + limit)}}

    def open(self, call: Call) -> Json:
        (user,) = need(call, "users")
        for channel in self._world.channels.values():
            if channel.kind == "im" and user in channel.members and call.team.bot_user in channel.members:
                return {"channel": {"id": channel.id}}
        channel = self._world.channel(f"D{self._world.number()}", call.team.id, kind="im", members={user})
        return {"channel": {"id": channel.id}}

    def permalink(self, call: Call) -> Json:
        channel, ts = need(call, "channel", "message_ts")
        return {"permalink": f"https://acme.slack.com/archives/{channel}/p{ts.replace('.', '')}"}

    def _message(self, call: Call, channel: Channel, *, sharing: bool = False) -> Message:
        self._check(call.args, text_max=POST_TEXT_MAX, sharing=sharing)
        if not any(call.args.get(name) for name in ("text", "blocks", "markdown_text")):
            raise ApiError("no_text")
        return Message(
            channel=channel.id,
            ts=self._world.ts(),
            thread=call.args.get("thread_ts"),
            user=call.team.bot_user,
            text=call.args.get("text", ""),
            blocks=call.args.get("blocks", []),
            streamed=call.args.get("markdown_text", ""),
            sent=call.args,
        )

    def _check(self, args: Json, *, text_max: int, sharing: bool) -> None:
        if "markdown_text" in args and (args.get("text") or args.get("blocks")):
            raise ApiError("markdown_text_conflict")
        if len(args.get("text", "")) > text_max or len(args.get("markdown_text", "")) > MARKDOWN_MAX:
            raise ApiError("msg_too_long")
        if fault := fault_in(args.get("blocks", []), self._world, sharing=sharing):
            raise ApiError(fault)
