"""The commands of the registry as Discord's own: groups, options with their pickers, autocomplete, other languages."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, Optional, Union

import discord
from discord import app_commands

from adapters.discord.calls import ASKING, ENCLOSED, Calls
from adapters.rendering.languages import language, texts
from bot.commands.command import COMMUNITY, Command, Parameter, Path
from bot.commands.saying import say

_OPTION_TEXT = 6000
_ABOUT = 100
_CHOICES = 25
_COMMUNITY = say("Another community")
_NAMES = (
    app_commands.TranslationContextLocation.command_name,
    app_commands.TranslationContextLocation.group_name,
    app_commands.TranslationContextLocation.parameter_name,
)
_ENCLOSED = say("A picture, PDF or text to go with it")
_FILE_OPTION = inspect.Parameter(
    ENCLOSED,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    default=None,
    annotation=Optional[discord.Attachment],  # noqa: UP045 - read at run time
)
_ALONE = "show"
"""What a command is called whose name Discord needs for its group: `/quota show` for `/quota`."""


class Languages(app_commands.Translator):
    """What commands are about, in the languages there is a catalogue for. Their names are the same everywhere."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        here = language(str(locale))
        if here == "en" or string.extras.get("name") or (context.location in _NAMES and not _in_menu(context)):
            return None
        translated = texts(here).gettext(string.message)
        return None if translated == string.message else translated[:_ABOUT]


def _in_menu(context: app_commands.TranslationContextTypes) -> bool:
    """It is what a context menu offers: that may read as any text does."""
    return isinstance(context.data, app_commands.ContextMenu)


def bind(tree: app_commands.CommandTree[Any], calls: Calls) -> None:
    """Add every command of the registry."""
    commands = calls.registry.commands
    paths = {command.path for command in commands}
    groups: dict[Path, app_commands.Group] = {}
    for command in commands:
        path = command.path
        if any(other[: len(path)] == path and other != path for other in paths):
            path = (*path, _ALONE)
        parent = _group(tree, groups, path[:-1], commands)
        made = _made(command, path[-1], calls, top=parent is None)
        if parent is None:
            tree.add_command(made)
        else:
            parent.add_command(made)


def _group(
    tree: app_commands.CommandTree[Any], groups: dict[Path, app_commands.Group], path: Path, commands: Sequence[Command]
) -> app_commands.Group | None:
    if not path:
        return None
    if path not in groups:
        parent = _group(tree, groups, path[:-1], commands)
        within = [command for command in commands if command.path[: len(path)] == path]
        names = ", ".join(dict.fromkeys(command.path[len(path)] for command in within if len(command.path) > len(path)))
        more: dict[str, Any] = {}
        if parent is None and all(command.rank != "anyone" for command in within):
            # Hidden from those who manage nothing; the registry checks again at each call, whoever sees it.
            more["default_permissions"] = discord.Permissions(manage_guild=True)
        groups[path] = app_commands.Group(name=path[-1], description=_cut(names or path[-1]), parent=parent, **more)
        if parent is None:
            tree.add_command(groups[path])
    return groups[path]


def _made(command: Command, name: str, calls: Calls, *, top: bool) -> app_commands.Command[Any, ..., None]:
    async def callback(interaction: discord.Interaction[Any], **given: object) -> None:
        await calls.used(interaction, command, given)

    options = [parameter for parameter in command.takes if parameter.kind != "secret"]
    first = inspect.Parameter(
        "interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=discord.Interaction[Any]
    )
    taken = [first, *map(_option, options)]
    about = {one.name: app_commands.locale_str(_about(one)) for one in options}
    if command.path == ASKING:
        taken.append(_FILE_OPTION)
        about[ENCLOSED] = app_commands.locale_str(_ENCLOSED.text)
    callback.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    described = app_commands.describe(**about)(callback) if about else callback
    chosen = {one.name: list(map(_choice, one.choices)) for one in options if 0 < len(one.choices) <= _CHOICES}
    if chosen:
        described = app_commands.choices(**chosen)(described)
    more: dict[str, Any] = {}
    if top and command.rank != "anyone":
        more["default_permissions"] = discord.Permissions(manage_guild=True)
    made: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name, description=app_commands.locale_str(_cut(command.about.text)), callback=described
    )
    for key, value in more.items():
        setattr(made, key, value)
    for parameter in options:
        if parameter.name not in chosen and (parameter.choices or parameter.suggests or parameter.kind == "model"):
            made.autocomplete(parameter.name)(_completing(command, parameter.name, calls))
    return made


def _completing(command: Command, name: str, calls: Calls) -> Any:
    async def complete(interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        return await calls.suggest(interaction, command, name, current)

    return complete


def _option(parameter: Parameter) -> inspect.Parameter:
    kind = _kind(parameter)
    # What belongs into a form may be given as an option, too, if it is short enough for one.
    required = parameter.required and parameter.kind != "long_text"
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=inspect.Parameter.empty if required else None,
        annotation=kind if required else Optional[kind],  # noqa: UP045 - the type is only known here
    )


def _kind(parameter: Parameter) -> Any:
    least, most = parameter.least, parameter.most
    match parameter.kind:
        case "text" | "long_text" | "model" | "moment" | "usd" | "secret":
            longest = _OPTION_TEXT if parameter.kind == "usd" else min(_OPTION_TEXT, int(most or _OPTION_TEXT))
            return str if parameter.choices else app_commands.Range[str, 1, longest]
        case "whole":
            if least is None and most is None:
                return int
            return app_commands.Range[int, None if least is None else int(least), None if most is None else int(most)]
        case "number":
            return float if least is None and most is None else app_commands.Range[float, least, most]
        case "flag":
            return bool
        case "member":
            return discord.User
        case "grantee":
            return Union[discord.Member, discord.Role]  # noqa: UP007 - read at run time
        case "channel":
            return Union[app_commands.AppCommandChannel, app_commands.AppCommandThread]  # noqa: UP007


def _about(parameter: Parameter) -> str:
    """What an option is for. Discord counts at most 8,000 characters over all of a group, and this one is in each."""
    return _COMMUNITY.text if parameter is COMMUNITY else _cut(parameter.about.text)


def _choice(value: str) -> app_commands.Choice[str]:
    return app_commands.Choice(name=app_commands.locale_str(value, name=True), value=value)


def _cut(text: str) -> str:
    return text if len(text) <= _ABOUT else text[: _ABOUT - 1] + "…"
