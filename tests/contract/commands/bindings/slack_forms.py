"""Slack by forms: a command that needs values is typed without any, and the form that opens is filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.commands.all import ALL
from bot.commands.command import Command
from tests.contract.commands.bindings.binding import Everybody, Given, Group, Person, Place, Reply
from tests.contract.commands.bindings.slack import Slack, read, slack
from tests.fakes.slack.person import Person as Account
from tests.fakes.slack.world import Json
from tests.fakes.virtual import VirtualClock


class SlackForms(Slack):
    """`Binding` for the commands that need values."""

    name = "slack forms"

    def has(self, command: Command) -> bool:
        return command.name != "ask" and any(one.required for one in command.parameters)

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        command = next(one for one in ALL if one.name == words)
        if not self.has(command):
            return await super().use(place, person, words, given)
        account: Account = person.native
        names = {one.name for one in command.parameters}
        beside = " ".join(f"{name}={value}" for name, value in given.items() if name not in names)
        before = set(self._slack.views.modals)
        await account.commands(f"{words} {beside}", channel=place.channel)
        await self._slack.until(lambda: self._slack.views.modals.keys() - before, seconds=60)
        view, whispered = self._slack.views.modal, len(self._slack.whispers(account.id))
        await account.submits(view, dict(_filled(view, given)))
        await self._slack.until(lambda: len(self._slack.whispers(account.id)) > whispered, seconds=60)
        return read(self._slack.whispers(account.id)[-1].blocks, True, {})


def _filled(view: Json, given: Mapping[str, Given]) -> list[tuple[str, Json]]:
    """What stands in the inputs: people and channels are picked where there is a picker, the rest is typed."""
    found: list[tuple[str, Json]] = []
    for block in view["blocks"]:
        if block["type"] == "input" and (name := _name(block["block_id"], given)) is not None:
            element = _element(block["element"]["type"], given[name])
            found += [(block["block_id"], {"value": element})] if element else []
    return found


def _name(block: str, given: Mapping[str, Given]) -> str | None:
    """Whose input it is. A grantee has two: one to pick a person, one for all others."""
    return next((name for name in given if block == name or block.startswith(f"{name} ")), None)


def _element(kind: str, value: Given) -> Json | None:
    match kind, value:
        case "users_select", Person(member=member):
            return {"type": kind, "selected_user": member.user}
        case "conversations_select", Place(channel=channel):
            return {"type": kind, "selected_conversation": channel}
        case "plain_text_input", (Everybody() | Group()):
            return {"type": kind, "value": value.key if isinstance(value, Group) else "everyone"}
        case "static_select", bool():
            return {"type": kind, "selected_option": {"value": "yes" if value else "no"}}
        case "static_select", _:
            return {"type": kind, "selected_option": {"value": str(value)}}
        case "plain_text_input", (str() | int() | float()):
            return {"type": kind, "value": str(value)}
        case _:
            return None


@asynccontextmanager
async def slack_forms(folder: Path, clock: VirtualClock) -> AsyncIterator[Slack]:
    async with slack(folder, clock, SlackForms) as binding:
        yield binding
