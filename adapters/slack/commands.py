"""Slash commands: one with every command of Potluck's behind it, and one to ask. Forms where values are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from adapters.rendering.saying import Speech
from adapters.slack import forms, look, plain_text
from adapters.slack.asking import Asking
from adapters.slack.listeners import Json, Work
from adapters.slack.people import People, Person
from adapters.slack.replies import Replies
from adapters.slack.showing import Place, Showing, show_modal
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.commands.answer import Answer
from bot.commands.command import Caller, Command, Given, InGroup, Path, Suggestion
from bot.commands.registry import Registry
from bot.commands.typed import typed

Form: TypeAlias = Literal["always", "missing", "never"]
"""When a form is shown before a command runs: if it takes anything, if it needs what was not given, or not again."""
POTLUCK, ASK = "/potluck", "/ask"
_USER = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_GROUP = re.compile(r"<!subteam\^([A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([A-Z0-9]+)(?:\|[^>]*)?>")
_ID = re.compile(r"[UW][A-Z0-9]{2,}")
_SPACED = re.compile(r"<([^<>|]*)\|[^<>]*>")
"""Slack writes names behind ids; with a space in one, a value would fall apart."""


class Commands:
    """See the module."""

    def __init__(
        self,
        *,
        registry: Registry,
        people: People,
        replies: Replies,
        asking: Asking,
        showing: Showing,
        clock: Clock,
    ) -> None:
        self._registry, self._people, self._replies, self._asking = registry, people, replies, asking
        self._showing, self._clock = showing, clock

    @property
    def listened(self) -> Mapping[str, Work]:
        return {POTLUCK: self._on_potluck, ASK: self._on_ask}

    # --- what Slack tells --------------------------------------------------------------------------------

    async def _on_potluck(self, workspace: Workspace, body: Json) -> None:
        line = _SPACED.sub(r"<\1>", str(body.get("text") or "").strip()) or "help"
        read = typed("/" + line.lstrip("/"), self._registry.commands)
        path, given = (read.path, read.given) if read is not None else ((line.split()[0],), {})
        await self._typed(workspace, body, path, given)

    async def _on_ask(self, workspace: Workspace, body: Json) -> None:
        text = str(body.get("text") or "").strip()
        await self._typed(workspace, body, ("ask",), {"question": text} if text else {})

    async def _typed(self, workspace: Workspace, body: Json, path: Path, given: Mapping[str, str]) -> None:
        person = await self._people.find(workspace, str(body["user_id"]))
        await self.use(workspace, person, place_of(body, str(body["channel_id"])), path, given)

    async def press(self, workspace: Workspace, body: Json) -> None:
        """A step that an answer offered."""
        path, given = _carried(body)
        if path:
            person = await self._people.find(workspace, str(body["user"]["id"]))
            await self.use(workspace, person, place_of(body, _channel(body)), path, given)

    async def picture(self, workspace: Workspace, body: Json) -> None:
        """The pictures of an answer are wanted, which could not stand in it."""
        path, given = _carried(body)
        person = await self._people.find(workspace, str(body["user"]["id"]))
        place = place_of(body, _channel(body))
        answer = await self.run(workspace, self.caller(workspace, person, place.channel), path, given)
        if not await self._showing.send_pictures(workspace, person, place, answer):
            await self._showing.show(workspace, person, place, answer, path=path, given=given)

    async def send_in(self, workspace: Workspace, body: Json) -> None:
        """A form."""
        view = body["view"]
        carried = look.pressed(str(view.get("private_metadata") or ""))
        path, place, kept = carried.get("path"), carried.get("place"), carried.get("kept") or {}
        if not (isinstance(path, list) and isinstance(place, dict) and isinstance(kept, dict)):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        where = place_of(body, str(place.get("channel", "")))
        given = {str(name): str(value) for name, value in kept.items()} | forms.filled(view)
        await self.use(workspace, person, where, tuple(map(str, path)), given, form="never")

    # --- using one ---------------------------------------------------------------------------------------

    async def use(
        self,
        workspace: Workspace,
        person: Person,
        place: Place,
        path: Path,
        given: Mapping[str, str],
        *,
        form: Form = "missing",
    ) -> None:
        """Run a command, or show its form first."""
        caller = self.caller(workspace, person, place.channel)
        command = next((one for one in self._registry.usable(caller) if one.path == path), None)
        wanted = command is not None and _wants_a_form(command, given, form)
        if wanted and command is not None and await self._show_form(workspace, caller, command, place, given):
            return
        answer = await self.run(workspace, caller, path, given)
        if answer.ask is not None:
            await self._asking.ask(workspace, person, place, answer.ask)
            return
        await self._showing.show(workspace, person, place, answer, path=path, given=given)

    async def run(self, workspace: Workspace, caller: Caller, path: Path, given: Mapping[str, str]) -> Answer:
        """Run a command with values as they were typed or picked in Slack."""
        return await self._registry.run(path, await self._values(workspace, self._registry.find(path), given), caller)

    def caller(self, workspace: Workspace, person: Person, channel: str) -> Caller:
        """Who calls. Commands cannot be typed in threads: the conversation is the last one the person had there."""
        spot = self._replies.last(channel, person.id)
        return Caller(
            member=person.member,
            name=person.name,
            community=workspace.community,
            standing=person.standing,
            manages=person.manages,
            groups=person.groups,
            conversation=None if spot is None else spot.conversation,
            channel=channel,
            locale=person.locale,
        )

    async def _show_form(
        self, workspace: Workspace, caller: Caller, command: Command, place: Place, given: Mapping[str, str]
    ) -> bool:
        models: Sequence[Suggestion] = ()
        for parameter in command.parameters:
            if parameter.kind == "model":
                models = await self._registry.suggest(command.path, parameter.name, "", {}, caller)
        view = forms.of_command(
            command,
            Speech(locale=caller.locale, clock=self._clock),
            place={"channel": place.channel},
            given=given,
            models=models,
        )
        return await show_modal(workspace, place, view)

    async def _values(
        self, workspace: Workspace, command: Command | None, given: Mapping[str, str]
    ) -> dict[str, Given]:
        """What was typed or picked: people, groups and channels by what Slack's pickers gave."""
        kinds = {} if command is None else {one.name: one.kind for one in command.parameters}
        values: dict[str, Given] = {}
        for name, text in given.items():
            kind, user, group = kinds.get(name), _USER.fullmatch(text), _GROUP.fullmatch(text)
            if kind in ("member", "grantee") and (user or _ID.fullmatch(text)):
                person = await self._people.find(workspace, user[1] if user else text)
                # A word that only looks like an id is left for a name.
                values[name] = person.member if user or person.told else text
            elif kind == "grantee" and group:
                values[name] = InGroup(group[1])
            elif kind == "channel" and (channel := _CHANNEL.fullmatch(text)):
                values[name] = channel[1]
            elif kind == "secret":
                values[name] = plain_text.unescape(text)
            else:
                values[name] = plain_text.read(text)
        return values


def _wants_a_form(command: Command, given: Mapping[str, str], form: Form) -> bool:
    if form == "missing":
        return any(one.required and not given.get(one.name) for one in command.parameters)
    return form == "always" and bool(command.parameters)


def place_of(body: Json, channel: str) -> Place:
    view = body.get("view") or {}
    pressed_in = (
        str(view.get("id") or "") if body.get("type") == "block_actions" and view.get("type") == "modal" else ""
    )
    return Place(
        channel=channel,
        response_url=str(body.get("response_url") or ""),
        trigger=str(body.get("trigger_id") or ""),
        modal=pressed_in,
    )


def _channel(body: Json) -> str:
    return str((body.get("container") or {}).get("channel_id") or "")


def _carried(body: Json) -> tuple[Path, Mapping[str, str]]:
    """The command a button calls; an empty path: it is none of ours."""
    step = look.pressed(str(body["actions"][0].get("value") or ""))
    path, values = step.get("path"), step.get("values")
    if not (isinstance(path, list) and isinstance(values, dict)):
        return (), {}
    return tuple(map(str, path)), {str(name): str(value) for name, value in values.items()}
