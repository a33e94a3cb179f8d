"""What a person on Discord does, and what they see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import components
from tests.fakes.discord.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL, Interaction
from tests.fakes.discord.places import Channel, Payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

CHAT, USER, MESSAGE = 1, 2, 3
_TYPES = {str: 3, int: 4, bool: 5, float: 10}


class Person:
    """One person with an account."""

    def __init__(self, discord: FakeDiscord, name: str, *, roles: Sequence[str] = (), locale: str = "en-US") -> None:
        self._discord, self._world = discord, discord.world
        self.user = self._world.user(name)
        self.user["_roles"] = list(roles)
        self.locale = locale
        self._world.users[int(self.user["id"])] = self.user

    @property
    def id(self) -> int:
        return int(self.user["id"])

    @property
    def dm(self) -> Channel:
        return self._world.dm(self.user)

    # --- writing -----------------------------------------------------------------------------------------

    def say(
        self,
        channel: Channel,
        text: str,
        *,
        reply_to: Payload | None = None,
        ping: bool = True,
        files: Sequence[tuple[str, bytes, str | None]] = (),
    ) -> Payload:
        """Write a message. `files`: name, contents, type as the client says it."""
        attached = [self._world.attach(channel, *file) for file in files]
        said = self._world.message(channel, self.user, text, reply_to=reply_to, ping=ping, attachments=attached)
        if channel.archived and not channel.locked:
            self._world.archive(channel, archived=False)
        return said

    def mention(self, channel: Channel, text: str, **more: Any) -> Payload:
        return self.say(channel, f"<@{self._world.bot['id']}> {text}", **more)

    # --- commands, buttons, modals -----------------------------------------------------------------------

    async def slash(self, channel: Channel, name: str, /, *, here: bool = True, **options: Any) -> Interaction:
        """Use a command: `"quota show"` for one in a group; a file is its name, contents and type.

        Returns once it was answered, or was not in time.
        """
        return await self._do(COMMAND, channel, self._command(name, options), here=here)

    async def complete(self, channel: Channel, name: str, /, focused: str, **options: Any) -> list[str]:
        """What is offered while an option is typed."""
        data = self._command(name, options)
        inner = data
        while inner.get("options") and inner["options"][0]["type"] in (1, 2):
            inner = inner["options"][0]
        for option in inner["options"]:
            option["focused"] = option["name"] == focused
        interaction = await self._do(AUTOCOMPLETE, channel, data)
        return [choice["name"] for choice in interaction.choices]

    async def use_on(self, message: Payload, name: str) -> Interaction:
        """A message's context menu."""
        channel = self._world.channels[int(message["channel_id"])]
        shown = {key: value for key, value in message.items() if not key.startswith("_")}
        data = {
            **self._find(name, MESSAGE),
            "target_id": message["id"],
            "resolved": {"messages": {message["id"]: shown}},
        }
        return await self._do(COMMAND, channel, data)

    async def press(self, message: Payload, label: str) -> Interaction:
        """Press the button of that label."""
        found = [
            button
            for row in message["components"]
            for button in row.get("components", [])
            if button.get("label") == label
        ]
        assert found, f"no button {label!r} on {message['components']}"
        channel = self._world.channels[int(message["channel_id"])]
        data = {"custom_id": found[0]["custom_id"], "component_type": 2, "id": found[0].get("id", 1)}
        return await self._do(COMPONENT, channel, data, on=message)

    async def submit(self, asked: Interaction, **values: str) -> Interaction:
        """Fill in the modal an interaction was answered with, by the ids of its fields."""
        modal = asked.modal
        assert modal is not None, "no modal was shown"
        rows = []
        for number, row in enumerate(modal["components"]):
            inner = row.get("component") or row["components"][0]
            value = {
                "type": 4,
                "custom_id": inner["custom_id"],
                "value": values.get(inner["custom_id"], ""),
                "id": number,
            }
            if "component" in row:
                rows.append({"type": 18, "id": 100 + number, "component": value})
            else:
                rows.append({"type": 1, "id": 100 + number, "components": [value]})
        return await self._do(MODAL, asked.channel, {"custom_id": modal["custom_id"], "components": rows})

    async def _do(
        self, kind: int, channel: Channel, data: Payload, *, on: Payload | None = None, here: bool = True
    ) -> Interaction:
        interaction = self._discord.interactions.begin(
            kind, data, user=self.user, channel=channel, on=on, locale=self.locale, bot_is_there=here
        )
        try:
            async with asyncio.timeout(3.5):
                await interaction.answered.wait()
        except TimeoutError:
            pass
        return interaction

    def _find(self, name: str, kind: int) -> Payload:
        for command in self._world.commands:
            if (command["name"], command.get("type", 1)) == (name, kind):
                return {"id": command["id"], "name": name, "type": kind}
        raise AssertionError(f"no command {name!r} among {[one['name'] for one in self._world.commands]}")

    def _command(self, name: str, options: Payload) -> Payload:
        first, *rest = name.split()
        given: list[Payload] = []
        resolved: dict[str, Payload] = {}
        for key, value in options.items():
            if isinstance(value, tuple):
                attached = self._world.attach(self.dm, *value)
                given.append({"name": key, "type": 11, "value": attached["id"]})
                resolved.setdefault("attachments", {})[attached["id"]] = attached
            elif isinstance(value, dict):
                given.append({"name": key, "type": self._pick(name, key), "value": value["id"]})
                self._resolve(value, resolved)
            else:
                given.append({"name": key, "type": _TYPES[type(value)], "value": value})
        for depth, word in enumerate(reversed(rest)):
            given = [{"name": word, "type": 1 if depth == 0 else 2, "options": given}]
        return {**self._find(first, CHAT), "options": given, "resolved": resolved}

    def _pick(self, name: str, option: str) -> int:
        """The type of an option that a picker fills in, as it was registered."""
        first, *rest = name.split()
        at = next(one for one in self._world.commands if one["name"] == first)
        for word in rest:
            at = next(one for one in at["options"] if one["name"] == word)
        return int(next(one["type"] for one in at["options"] if one["name"] == option))

    def _resolve(self, value: Payload, resolved: dict[str, Payload]) -> None:
        if "username" in value:
            shown = {key: one for key, one in value.items() if not key.startswith("_")}
            resolved.setdefault("users", {})[value["id"]] = shown
            member = {**self._world.member(), "permissions": "0"}
            resolved.setdefault("members", {})[value["id"]] = member
        elif "guild_id" in value:
            resolved.setdefault("channels", {})[value["id"]] = {**value, "permissions": "0"}
        else:
            resolved.setdefault("roles", {})[value["id"]] = value

    # --- seeing ------------------------------------------------------------------------------------------

    def sees(self, channel: Channel) -> list[Payload]:
        """The bot's messages there, those for this person alone among them."""
        return self._world.shown(channel, to=self.user)

    def reads(self, channel: Channel) -> list[str]:
        """All the text of each, as it stands there."""
        return ["\n".join(components.texts(message)) for message in self.sees(channel)]
