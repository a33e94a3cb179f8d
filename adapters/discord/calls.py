"""A use of a command: who calls, with what, and its answer brought back; forms for what no option may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import parse_qsl, urlencode

import discord

from adapters.discord import talk
from adapters.discord.safe import NOBODY
from adapters.discord.showing import OnDiscord, Shown, shown
from adapters.rendering import chatting
from adapters.rendering.saying import Speech, tongue
from bot.clock import Clock
from bot.commands.answer import Next
from bot.commands.command import Caller, Command, Everyone, Given, InRole, Parameter
from bot.commands.registry import Registry
from bot.commands.saying import Say
from bot.messages import ConversationId
from bot.telemetry.logs import logger

log = logger(__name__)

if TYPE_CHECKING:
    from adapters.discord.client import PotluckClient

FORM_SECONDS = 900.0
"""How long a form that was opened is listened for."""
_TITLE, _LABEL, _ABOUT, _FIELDS, _TYPED, _ID = 45, 45, 100, 5, 4000, 100
ASKING, ENCLOSED = ("ask",), "file"
"""The command that may come with a file, and the option that takes it."""
_IN_FORM = ("secret", "long_text")


class Calls:
    """See the module."""

    def __init__(self, client: PotluckClient, registry: Registry, clock: Clock) -> None:
        self._client, self.registry, self._clock = client, registry, clock

    def caller(self, interaction: discord.Interaction[Any]) -> Caller:
        """Who calls, as Discord says now."""
        user = interaction.user
        return Caller(
            member=talk.member(user),
            name=user.display_name,
            community=talk.community(discord.Object(interaction.guild_id) if interaction.guild_id else None),
            standing=talk.standing(user),
            manages=interaction.guild_id is not None and interaction.permissions.manage_guild,
            roles=talk.roles(user),
            conversation=self._conversation(interaction),
            channel=talk.channel(interaction.channel),
            locale=str(interaction.locale),
        )

    def _conversation(self, interaction: discord.Interaction[Any]) -> ConversationId | None:
        """The thread or DM it is used in; in a channel, the newest that the caller has under way there."""
        if interaction.guild_id is None or isinstance(interaction.channel, discord.Thread):
            return ConversationId(f"{talk.PLATFORM}:{interaction.channel_id}")
        return self._client.answers.newest(talk.member(interaction.user), str(interaction.channel_id))

    async def used(self, interaction: discord.Interaction[Any], command: Command, given: Mapping[str, object]) -> None:
        """Answer a command: by a form first, where something that belongs into one is missing."""
        files = [value for value in given.values() if isinstance(value, discord.Attachment)]
        values = {name: given_as(value) for name, value in given.items() if value is not None and name != ENCLOSED}
        lacking = [one for one in command.parameters if one.required and one.name not in values]
        asked = [one for one in command.parameters if one.kind in _IN_FORM and one.name not in values]
        if lacking and all(one.kind in _IN_FORM for one in lacking):
            await interaction.response.send_modal(Form(self, command, values, asked, self._speech(interaction)))
            return
        await self.run(interaction, command, values, files)

    async def run(
        self,
        interaction: discord.Interaction[Any],
        command: Command,
        values: Mapping[str, Given],
        files: Sequence[discord.Attachment] = (),
    ) -> None:
        if not await self._client.interactions.acknowledge(interaction, thinking=True, ephemeral=command.private):
            return
        answer = await self.registry.run(command.path, values, self.caller(interaction))
        if answer.ask is not None:
            await self._client.interactions.ask(interaction, answer.ask, files=files, acknowledged=True)
            return
        made = await shown(answer, self._speech(interaction))
        await self._client.interactions.write(
            interaction, made.text, embeds=made.embeds, view=self._buttons(made, interaction), files=made.files
        )

    async def run_guarded(
        self, interaction: discord.Interaction[Any], command: Command, values: Mapping[str, Given]
    ) -> None:
        """For what discord.py would only log the failures of."""
        await self._client.interactions.guarded(interaction, self.run(interaction, command, values))

    async def suggest(
        self, interaction: discord.Interaction[Any], command: Command, name: str, typed: str
    ) -> list[discord.app_commands.Choice[str]]:
        found = await self.registry.suggest(command.path, name, typed, {}, self.caller(interaction))
        speech = Speech(locale=str(interaction.locale), clock=self._clock)
        return [discord.app_commands.Choice(name=speech.suggested(one)[:100], value=one.value[:100]) for one in found]

    def _speech(self, interaction: discord.Interaction[Any]) -> Speech:
        return Speech(locale=str(interaction.locale), clock=self._clock, writing=OnDiscord())

    def _buttons(self, made: Shown, interaction: discord.Interaction[Any]) -> discord.ui.View | None:
        view = discord.ui.View(timeout=None)
        speech = Speech(locale=str(interaction.locale), clock=self._clock)
        for label, url in made.links:
            view.add_item(discord.ui.Button(label=label[:80], url=url))
        for step in made.nexts:
            button = NextButton.of(step, interaction.user.id, speech.say(step.said))
            if button is not None:
                view.add_item(button)
        view.stop()  # so that discord.py keeps none of them: what they do stands in their ids
        return view if view.children else None


def given_as(value: object) -> Given:
    """What Discord's pickers give, as commands take it."""
    match value:
        case discord.Role():
            return Everyone() if value.is_default() else InRole(str(value.id))
        case discord.abc.User():
            return talk.member(value)
        case str() | int() | float() | bool():
            return value
        case _:
            return str(getattr(value, "id", value))


class Form(discord.ui.Modal):
    """Asks for texts too long for an option, and for secrets, which no channel may show."""

    def __init__(
        self, calls: Calls, command: Command, values: Mapping[str, Given], asked: list[Parameter], speech: Speech
    ) -> None:
        super().__init__(title=f"/{command.name}"[:_TITLE], timeout=FORM_SECONDS)
        self._calls, self._command, self._values = calls, command, dict(values)
        self._inputs: dict[str, discord.ui.TextInput[Any]] = {}
        for parameter in asked[:_FIELDS]:
            about = speech.say(parameter.about)
            box: discord.ui.TextInput[Any] = discord.ui.TextInput(
                custom_id=parameter.name,
                style=discord.TextStyle.paragraph if parameter.kind == "long_text" else discord.TextStyle.short,
                required=parameter.required,
                max_length=min(_TYPED, int(parameter.most or _TYPED)),
            )
            self._inputs[parameter.name] = box
            label = parameter.name.replace("_", " ")[:_LABEL]
            self.add_item(discord.ui.Label(text=label, description=about[:_ABOUT], component=box))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        typed = {name: box.value for name, box in self._inputs.items() if box.value}
        await self._calls.run_guarded(interaction, self._command, {**self._values, **typed})


class NextButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"potluck!(?P<owner>\d{1,20})!(?P<danger>[01])!(?P<path>[a-z ]+)\?(?P<values>.*)",
):
    """A command that is offered as the next step, for the one who called the last."""

    def __init__(self, owner: int, path: tuple[str, ...], values: Mapping[str, str], danger: bool, label: str) -> None:
        self.owner, self.path, self.values = owner, path, dict(values)
        style = discord.ButtonStyle.danger if danger else discord.ButtonStyle.primary
        super().__init__(
            discord.ui.Button(style=style, label=label[:80] or "…", custom_id=_id(owner, path, values, danger))
        )

    @classmethod
    def of(cls, step: Next, owner: int, label: str) -> Self | None:
        """None: what it would do does not fit into a button's id."""
        if len(_id(owner, step.path, step.values, step.danger)) > _ID:
            return None
        return cls(owner, step.path, step.values, step.danger, label)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        values = dict(parse_qsl(match["values"]))
        label = str(getattr(item, "label", "") or "")
        return cls(int(match["owner"]), tuple(match["path"].split()), values, match["danger"] == "1", label)

    async def interaction_check(self, interaction: discord.Interaction[Any]) -> bool:
        if cast("PotluckClient", interaction.client).standing_by:
            return False
        if interaction.user.id == self.owner:
            return True
        await _whisper(interaction, chatting.ONLY_WHO_ASKED)
        return False

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        client = cast("PotluckClient", interaction.client)
        command = None if client.calls is None else client.calls.registry.find(self.path)
        if client.calls is None or command is None:
            await _whisper(interaction, chatting.NO_LONGER_KNOWN)
            return
        await client.interactions.guarded(interaction, client.calls.used(interaction, command, self.values))


async def _whisper(interaction: discord.Interaction[Any], said: Say) -> None:
    text = tongue(str(interaction.locale)).say(said)
    await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY)


def _id(owner: int, path: tuple[str, ...], values: Mapping[str, str], danger: bool) -> str:
    return f"potluck!{owner}!{int(danger)}!{' '.join(path)}?{urlencode(values)}"
