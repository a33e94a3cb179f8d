"""Slash commands: one with every command of Potluck's behind it, and one to ask. Forms where values are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from adapters.slack import answers, forms, look, plain_text
from adapters.slack.answers import Reader
from adapters.slack.asking import Asking
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.handing import hand_over
from adapters.slack.listeners import Json, Work
from adapters.slack.people import People, Person
from adapters.slack.replies import Replies
from adapters.slack.responding import respond
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.commands.answer import Answer
from bot.commands.command import Caller, Command, Given, InGroup, Path
from bot.commands.registry import Registry
from bot.commands.typed import typed
from bot.messages import ModelId
from bot.telemetry.logs import logger

log = logger(__name__)

POTLUCK, ASK = "/potluck", "/ask"
_USER = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_GROUP = re.compile(r"<!subteam\^([A-Z0-9]+)(?:\|[^>]*)?>")
_CHANNEL = re.compile(r"<#([A-Z0-9]+)(?:\|[^>]*)?>")
_SPACED = re.compile(r"<([^<>|]*)\|[^<>]*>")
"""Slack writes names behind ids; with a space in one, a value would fall apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command was used, and how its answer gets back there."""

    channel: str
    response_url: str = ""
    """Empty: it came from a form, or from the Home tab."""


class Commands:
    """See the module."""

    def __init__(
        self,
        *,
        registry: Registry,
        people: People,
        replies: Replies,
        asking: Asking,
        session: aiohttp.ClientSession,
        clock: Clock,
    ) -> None:
        self._registry, self._people, self._replies, self._asking = registry, people, replies, asking
        self._session, self._clock = session, clock

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
        place = Place(channel=str(body["channel_id"]), response_url=str(body.get("response_url") or ""))
        await self.use(workspace, person, place, path, given, trigger=str(body.get("trigger_id") or ""))

    async def press(self, workspace: Workspace, body: Json) -> None:
        """A step that an answer offered."""
        step = look.pressed(str(body["actions"][0].get("value") or ""))
        path, values = step.get("path"), step.get("values")
        if not (isinstance(path, list) and isinstance(values, dict)):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        channel = str((body.get("container") or {}).get("channel_id") or "")
        place = Place(channel=channel, response_url=str(body.get("response_url") or ""))
        given = {str(name): str(value) for name, value in values.items()}
        trigger = str(body.get("trigger_id") or "")
        await self.use(workspace, person, place, tuple(map(str, path)), given, trigger=trigger)

    async def send_in(self, workspace: Workspace, body: Json) -> None:
        """A form."""
        view = body["view"]
        carried = look.pressed(str(view.get("private_metadata") or ""))
        path, place, kept = carried.get("path"), carried.get("place"), carried.get("kept") or {}
        if not (isinstance(path, list) and isinstance(place, dict) and isinstance(kept, dict)):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        where = Place(channel=str(place.get("channel", "")))
        given = {str(name): str(value) for name, value in kept.items()} | forms.filled(view)
        await self.use(workspace, person, where, tuple(map(str, path)), given)

    # --- using one ---------------------------------------------------------------------------------------

    async def use(
        self,
        workspace: Workspace,
        person: Person,
        place: Place,
        path: Path,
        given: Mapping[str, str],
        *,
        trigger: str = "",
    ) -> None:
        """Run a command, or show its form where a value is missing that it needs."""
        caller = self.caller(workspace, person, place.channel)
        command = next((one for one in self._registry.usable(caller) if one.path == path), None)
        if command is not None and trigger and _incomplete(command, given):
            shown = await self._show_form(workspace, caller, command, place, given, trigger)
            if shown:
                return
        values = await self._values(workspace, command, given)
        answer = await self._registry.run(path, values, caller)
        if answer.ask is not None:
            await self._ask(workspace, person, place, answer.ask)
            return
        await self._show(workspace, person, place, answer)

    def caller(self, workspace: Workspace, person: Person, channel: str) -> Caller:
        """Who calls. Commands cannot be typed in threads: the conversation is the last one the person had there."""
        spot = self._replies.last(channel, person.id)
        return Caller(
            member=person.member,
            name=person.name,
            community=workspace.community,
            standing=person.standing,
            manages=person.manages,
            conversation=None if spot is None else spot.conversation,
            channel=channel,
            locale=person.locale,
        )

    def reader(self, person: Person) -> Reader:
        return Reader(locale=person.locale, clock=self._clock)

    async def _show_form(
        self,
        workspace: Workspace,
        caller: Caller,
        command: Command,
        place: Place,
        given: Mapping[str, str],
        trigger: str,
    ) -> bool:
        models: list[ModelId] = []
        for parameter in command.parameters:
            if parameter.kind == "model":
                found = await self._registry.suggest(command.path, parameter.name, "", {}, caller)
                models = [ModelId(one) for one in found]
        view = forms.of_command(
            command,
            Reader(locale=caller.locale, clock=self._clock).speech,
            place={"channel": place.channel},
            given=given,
            models=models,
        )
        try:
            await call(workspace.client.views_open, workspace.allowance.views, tries=1, trigger_id=trigger, view=view)
        except (Refused, Unsure) as problem:
            log.info("no form", extra={"action": "slack", "error": str(problem)})
            return False
        return True

    async def _values(
        self, workspace: Workspace, command: Command | None, given: Mapping[str, str]
    ) -> dict[str, Given]:
        """What was typed or picked: people, groups and channels by what Slack's pickers gave."""
        kinds = {} if command is None else {one.name: one.kind for one in command.parameters}
        values: dict[str, Given] = {}
        for name, text in given.items():
            kind, user, group = kinds.get(name), _USER.fullmatch(text), _GROUP.fullmatch(text)
            if kind in ("member", "grantee") and (user or re.fullmatch(r"[UW][A-Z0-9]{2,}", text)):
                id = user[1] if user else text
                values[name] = (await self._people.find(workspace, id)).member
            elif kind == "grantee" and group:
                values[name] = InGroup(group[1])
            elif kind == "channel" and (channel := _CHANNEL.fullmatch(text)):
                values[name] = channel[1]
            elif kind == "secret":
                values[name] = plain_text.unescape(text)
            else:
                values[name] = plain_text.read(text)
        return values

    async def _show(self, workspace: Workspace, person: Person, place: Place, answer: Answer) -> None:
        made = answers.blocks(answer, self.reader(person))
        if place.response_url:
            await respond(self._session, place.response_url, made, openly=not answer.private)
        else:
            await self.tell(workspace, person, place.channel, made)
        for document in answers.documents(answer):
            await hand_over(workspace, person, document)

    async def tell(self, workspace: Workspace, person: Person, channel: str, made: list[look.Block]) -> None:
        """Say something to one person where they are, else directly."""
        text = look.notification(look.words_in(made))
        try:
            if channel and not channel.startswith("D"):
                await call(
                    workspace.client.chat_postEphemeral,
                    workspace.allowance.whispers,
                    channel=channel,
                    user=person.id,
                    text=text,
                    blocks=made,
                )
                return
        except Refused:
            channel = ""
        except Unsure:
            return
        try:
            if not channel:
                opened = await call(
                    workspace.client.conversations_open, workspace.allowance.opens, safe=True, users=person.id
                )
                channel = str(opened["channel"]["id"])
            posts = workspace.allowance.posts(channel)
            await call(workspace.client.chat_postMessage, posts, channel=channel, text=text, blocks=made)
        except (Refused, Unsure) as problem:
            log.info("a word was not shown", extra={"action": "slack", "error": str(problem)})

    async def _ask(self, workspace: Workspace, person: Person, place: Place, question: str) -> None:
        """Ask in a thread of its own, below the question."""
        if not await self._asking.openly(workspace, person, place.channel, question):
            made = [
                look.section(
                    f"I am not in this channel: invite me with `/invite <@{workspace.bot_user}>`, or write to me."
                )
            ]
            if place.response_url:
                await respond(self._session, place.response_url, made)
            else:
                await self.tell(workspace, person, place.channel, made)


def _incomplete(command: Command, given: Mapping[str, str]) -> bool:
    return any(one.required and not given.get(one.name) for one in command.parameters)
