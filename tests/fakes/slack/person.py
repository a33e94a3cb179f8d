"""What people do in Slack, and the payloads it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.slack.delivery import Ack, Delivery
from tests.fakes.slack.views import Views
from tests.fakes.slack.world import Channel, Json, Message, Team, User, World


@dataclass(kw_only=True)
class Said:
    """Something a person wrote, and the events Slack made of it."""

    channel: str
    ts: str
    root: str
    events: list[Json] = field(default_factory=list)


class Person:
    """See the module. Writes in the workspace `here`, which for a guest from elsewhere is not their own."""

    def __init__(
        self, user: User, here: Team, *, world: World, delivery: Delivery, views: Views, base: Callable[[], str]
    ) -> None:
        self.user, self.here = user, here
        self._world, self._delivery, self._views, self._base = world, delivery, views, base

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def bot(self) -> str:
        """How the app is mentioned."""
        return f"<@{self.here.bot_user}>"

    def dm(self) -> Channel:
        """The direct messages with the app."""
        id = f"D{self.here.id}{self.id}"
        return self._world.channels.get(id) or self._world.channel(id, self.here.id, kind="im", members={self.id})

    # --- writing -----------------------------------------------------------------------------------------

    def writes(
        self, text: str, *, channel: str = "C1", thread: str | None = None, files: Sequence[Json] = (), **more: Any
    ) -> Said:
        """Write it, and keep the events for `send`: a mention is two of them, with one ts and different ids."""
        place, ts = self._world.channels[channel], self._world.ts()
        self._world.post(Message(channel=channel, ts=ts, thread=thread, user=self.id, text=text))
        message_id = f"client-{self._world.number()}"
        common: Json = {
            "user": self.id,
            "ts": ts,
            "text": text,
            "channel": channel,
            "event_ts": ts,
            "team": self.user.team,
        }
        common |= {"client_msg_id": message_id} | ({"thread_ts": thread} if thread else {})
        if place.shared or self.user.team != self.here.id:
            common |= {"user_team": self.user.team, "source_team": self.user.team}
        message = {"type": "message", "channel_type": place.kind} | common | more
        if files:
            message |= {"subtype": "file_share", "files": list(files), "upload": False}
        said = Said(channel=channel, ts=ts, root=thread or ts, events=[self._event(message, place)])
        if self.bot in text and place.kind != "im":
            said.events.append(self._event({"type": "app_mention"} | common, place))
        return said

    async def send(self, said: Said, *, attempt: int = 0) -> list[Ack | None]:
        """Deliver the events of something written, in order."""
        return [await self._delivery.deliver("events_api", event, attempt=attempt) for event in said.events]

    async def says(self, text: str, **more: Any) -> Said:
        """Write in a channel."""
        said = self.writes(text, **more)
        await self.send(said)
        return said

    async def asks(self, text: str, **more: Any) -> Said:
        """Mention the app in a channel."""
        return await self.says(f"{self.bot} {text}", **more)

    async def dms(self, text: str, **more: Any) -> Said:
        """Write to the app directly."""
        return await self.says(text, channel=self.dm().id, **more)

    async def deletes(self, said: Said) -> Ack | None:
        """Delete a message of one's own."""
        place, message = self._world.channels[said.channel], self._world.messages[said.channel, said.ts]
        message.deleted = True
        event = {
            "type": "message",
            "subtype": "message_deleted",
            "hidden": True,
            "channel": said.channel,
            "channel_type": place.kind,
            "ts": self._world.ts(),
            "deleted_ts": said.ts,
            "previous_message": {"type": "message", "user": self.id, "text": message.text, "ts": said.ts},
        }
        return await self._delivery.deliver("events_api", self._event(event, place))

    async def edits(self, said: Said, text: str) -> Ack | None:
        """Change a message of one's own."""
        place = self._world.channels[said.channel]
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "channel": said.channel,
            "channel_type": place.kind,
            "ts": self._world.ts(),
            "message": {"type": "message", "user": self.id, "text": text, "ts": said.ts, "edited": {"user": self.id}},
        }
        return await self._delivery.deliver("events_api", self._event(event, place))

    # --- doing -------------------------------------------------------------------------------------------

    async def event(self, event: Json) -> Ack | None:
        return await self._delivery.deliver("events_api", self._event(event, None))

    async def opens(self, tab: str) -> Ack | None:
        """Open the app's `home` or `messages` tab."""
        return await self.event(
            {
                "type": "app_home_opened",
                "user": self.id,
                "channel": self.dm().id,
                "tab": tab,
                "event_ts": self._world.ts(),
            }
        )

    async def presses_stop(self, channel: str, root: str, streams: Sequence[Message] = ()) -> Ack | None:
        """Press Slack's own Stop button: what streams there takes nothing more."""
        for message in streams:
            message.stream = "stopped_by_user"
        return await self.event(
            {
                "type": "agent_session_stopped",
                "channel": channel,
                "thread_ts": root,
                "user": self.id,
                "streaming_message_ts": [message.ts for message in streams],
                "event_ts": self._world.ts(),
            }
        )

    async def commands(self, text: str, *, name: str = "/potluck", channel: str = "C1") -> Ack | None:
        """Type a slash command."""
        place = self._world.channels[channel]
        payload: Json = {
            **self._base_fields(),
            "team_id": self.here.id,
            "team_domain": "acme",
            "channel_id": channel,
            "channel_name": place.name,
            "user_id": self.id,
            "user_name": self.user.name,
            "command": name,
            "text": text,
            "is_enterprise_install": str(self.here.by_organisation).lower(),  # a string, as Slack sends it
            "response_url": f"{self._base()}/respond/{self._world.number()}",
            "trigger_id": self._views.trigger(),
        }
        if self.here.enterprise:
            payload["enterprise_id"] = self.here.enterprise
        return await self._delivery.deliver("slash_commands", payload)

    async def presses(self, action_id: str, message: Message, *, value: str | None = None) -> Ack | None:
        """Press what has this action id on a message."""
        found = _pressable(message.blocks, action_id)
        action = {"type": found["type"], "action_id": action_id, "block_id": "b", "action_ts": self._world.ts()}
        action["value"] = found.get("value", "") if value is None else value
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.only_for is not None,
            "thread_ts": message.thread,
        }
        return await self._interact(
            {
                "type": "block_actions",
                "container": container,
                "channel": {"id": message.channel, "name": "x"},
                "message": {"ts": message.ts, "thread_ts": message.thread, "user": message.user, "text": message.text},
                "actions": [action],
                "response_url": f"{self._base()}/respond/{self._world.number()}",
            }
        )

    async def presses_in(self, view: Json, action_id: str, *, option: str | None = None) -> Ack | None:
        """Press or choose something on the Home tab or in a modal."""
        found = _pressable(view["blocks"], action_id)
        action: Json = {"type": found["type"], "action_id": action_id, "block_id": "b", "action_ts": self._world.ts()}
        if option is not None:
            chosen = next(one for one in found["options"] if one["value"] == option)
            action["selected_option"] = chosen
        else:
            action["value"] = found.get("value", "")
        return await self._interact(
            {
                "type": "block_actions",
                "container": {"type": "view", "view_id": view.get("id", "VHOME")},
                "view": view,
                "actions": [action],
            }
        )

    async def submits(self, view: Json, values: dict[str, Json]) -> Ack | None:
        """Send a modal in. `values` are by block id, each by action id."""
        state = {"values": values}
        return await self._interact({"type": "view_submission", "view": {**view, "state": state, "hash": "1"}})

    async def shortcut(self, callback_id: str) -> Ack | None:
        """Choose a shortcut that is at hand everywhere."""
        return await self._interact({"type": "shortcut", "callback_id": callback_id, "action_ts": self._world.ts()})

    async def uses(self, callback_id: str, message: Message, *, files: Sequence[Json] = ()) -> Ack | None:
        """Choose a shortcut on a message."""
        return await self._interact(
            {
                "type": "message_action",
                "callback_id": callback_id,
                "channel": {"id": message.channel, "name": "x"},
                "message_ts": message.ts,
                "message": {
                    "type": "message",
                    "user": message.user,
                    "ts": message.ts,
                    "text": message.text,
                    **({"thread_ts": message.thread} if message.thread else {}),
                    **({"files": list(files)} if files else {}),
                },
                "response_url": f"{self._base()}/respond/{self._world.number()}",
                "action_ts": self._world.ts(),
            }
        )

    async def _interact(self, payload: Json) -> Ack | None:
        enterprise = {"id": self.here.enterprise, "name": "Org"} if self.here.enterprise else None
        whole: Json = {
            **self._base_fields(),
            "team": None if self.here.by_organisation else {"id": self.here.id, "domain": "acme"},
            "enterprise": enterprise,
            "is_enterprise_install": self.here.by_organisation,
            "user": {"id": self.id, "username": self.user.name, "team_id": self.user.team},
            "trigger_id": self._views.trigger(),
            **payload,
        }
        return await self._delivery.deliver("interactive", whole)

    def _event(self, event: Json, place: Channel | None) -> Json:
        number = self._world.number()
        authorization = {
            "enterprise_id": self.here.enterprise or None,
            "team_id": None if self.here.by_organisation else self.here.id,
            "user_id": self.here.bot_user,
            "is_bot": True,
            "is_enterprise_install": self.here.by_organisation,
        }
        return {
            **self._base_fields(),
            "team_id": self.here.id,
            **({"enterprise_id": self.here.enterprise} if self.here.enterprise else {}),
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{number:08d}",
            "event_time": int(self._world.clock.now()),
            "authorizations": [authorization],
            "is_ext_shared_channel": place is not None and place.shared,
            "event_context": f"4-{number}",
        }

    def _base_fields(self) -> Json:
        return {"token": "old-verification-token", "api_app_id": self._world.app_id}


def _pressable(blocks: list[Json], action_id: str) -> Json:
    found = [one for one in _elements(blocks) if one["action_id"] == action_id]
    assert found, f"there is no {action_id} to press, but {[one['action_id'] for one in _elements(blocks)]}"
    return found[0]


def _elements(tree: Any) -> list[Json]:
    """Every element in blocks that can be pressed."""
    if isinstance(tree, dict):
        own = [tree] if "action_id" in tree else []
        return own + [one for value in tree.values() for one in _elements(value)]
    if isinstance(tree, list):
        return [one for value in tree for one in _elements(value)]
    return []
