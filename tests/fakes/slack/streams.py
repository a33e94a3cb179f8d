"""Messages that grow: `chat.startStream`, `chat.appendStream`, `chat.stopStream`, and how they die."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakes.slack.blocks import MARKDOWN_MAX, fault_in
from tests.fakes.slack.messages import Messages
from tests.fakes.slack.sessions import Sessions
from tests.fakes.slack.web_api import ApiError, Call, Method, need
from tests.fakes.slack.world import Json, Message, World

CHUNK_TITLE_MAX = 256
STATUSES = ("pending", "in_progress", "complete", "error")


class Streams:
    """See the module."""

    def __init__(self, world: World, messages: Messages, sessions: Sessions) -> None:
        self._world, self._messages, self._sessions = world, messages, sessions
        self.refused_channels: set[str] = set()
        """Where streams are not supported."""

    def methods(self) -> dict[str, Method]:
        return {"chat.startStream": self.start, "chat.appendStream": self.append, "chat.stopStream": self.stop}

    def live(self, channel: str, root: str) -> Iterable[Message]:
        """The streams that grow in a thread."""
        return [one for one in self._world.thread(channel, root) if self.alive(one)]

    def alive(self, message: Message) -> bool:
        return self._world.alive(message)

    def start(self, call: Call) -> Json:
        self._known(call)
        channel = self._messages.channel(call)
        (root,) = need(call, "thread_ts")
        if channel.id in self.refused_channels:
            raise ApiError("channel_type_not_supported")
        recipient = None
        if channel.kind != "im":
            for name in ("team", "user"):
                if not call.args.get(f"recipient_{name}_id"):
                    raise ApiError(f"missing_recipient_{name}_id")
            recipient = (call.args["recipient_team_id"], call.args["recipient_user_id"])
            user = self._world.users.get(recipient[1])
            if user is None:
                raise ApiError("user_not_found")
            if recipient[0] not in (user.team, user.enterprise):
                raise ApiError("team_not_found")
        message = Message(
            channel=channel.id,
            ts=self._world.ts(),
            thread=root,
            user=call.team.bot_user,
            stream="live",
            started_at=self._world.clock.monotonic(),
            recipient=recipient,
            sent=call.args,
        )
        _grow(message, call)
        self._world.post(message)
        self._sessions.begin(channel.id, root)
        return {"channel": channel.id, "ts": message.ts}

    def append(self, call: Call) -> Json:
        self._known(call)
        message = self._streaming(call)
        if not call.args.get("markdown_text") and not call.args.get("chunks"):
            raise ApiError("no_text")
        _grow(message, call)
        return {"channel": message.channel, "ts": message.ts}

    def stop(self, call: Call) -> Json:
        self._known(call)
        message = self._streaming(call, stopping=True)
        if fault := fault_in(call.args.get("blocks", []), self._world, sharing=True):
            raise ApiError(fault)
        status = call.args.get("session_status")
        if status is not None:
            self._sessions.check(status)
        _grow(message, call)
        message.blocks = call.args.get("blocks", [])
        message.stream = "over"
        if status is not None:
            self._sessions.set(message.channel, message.thread or "", status)
        if message.recipient is not None and self._world.users[message.recipient[1]].team not in self._home(call):
            raise ApiError("user_not_found")  # though the text is there, as Slack does for people of elsewhere
        return {"channel": message.channel, "ts": message.ts}

    def _home(self, call: Call) -> set[str]:
        return {
            team.id
            for team in self._world.teams.values()
            if team.id == call.team.id or (team.enterprise and team.enterprise == call.team.enterprise)
        }

    def _known(self, call: Call) -> None:
        if not call.team.streams:
            raise ApiError("unknown_method")

    def _streaming(self, call: Call, *, stopping: bool = False) -> Message:
        self._messages.channel(call)
        message = self._messages.own(call)
        self.alive(message)
        if message.stream == "stopped_by_user":
            if stopping:
                return message
            raise ApiError("stopped_by_user")
        if message.stream != "live":
            raise ApiError("message_not_in_streaming_state")
        return message


def _grow(message: Message, call: Call) -> None:
    text, chunks = call.args.get("markdown_text") or "", call.args.get("chunks") or []
    if len(text) > MARKDOWN_MAX:
        raise ApiError("msg_too_long")
    for chunk in chunks:
        if chunk["type"] == "task_update":
            title = chunk["title"]
            if len(title) > CHUNK_TITLE_MAX or chunk["status"] not in STATUSES or not chunk["id"]:
                raise ApiError("invalid_chunks")
            message.tasks[chunk["id"]] = chunk
            message.task_titles.append(title)
        elif chunk["type"] == "markdown_text":
            text += chunk["text"]
        else:
            raise ApiError("invalid_chunks")
    message.streamed += text
