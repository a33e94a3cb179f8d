"""What Tab offers: the next word of a command, the name of a value, a value, a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.commands.command import Caller, Command, Suggestion
from bot.commands.registry import Registry
from bot.commands.typed import typed


async def candidates(
    line: str, registry: Registry, caller: Caller, *, local: Iterable[str], folder: Path
) -> Sequence[str]:
    """What the last word of a line may become, each with a space after it if more may follow."""
    if not line.startswith("/"):
        return ()
    done, _, word = line.rpartition(" ")
    usable = registry.usable(caller)
    if not done:
        own = [f"/{name}{' ' if name == 'attach' else ''}" for name in local]
        return [one for one in [*_next((), usable, "/"), *own] if one.startswith(word)]
    if done.split()[0] == "/attach":
        return _files(line.partition(" ")[2].lstrip(), word, folder)
    path = tuple(done[1:].split())
    if words := [one for one in _next(path, usable, "") if one.startswith(word)]:
        return words
    return await _values(done, word, registry, caller)


def _next(path: tuple[str, ...], usable: Iterable[Command], before: str) -> list[str]:
    """The words that may follow these in a command's name, in the order help shows them."""
    depth = len(path)
    found: dict[str, None] = {}
    for command in usable:
        if len(command.path) > depth and command.path[:depth] == path:
            more = len(command.path) > depth + 1 or bool(command.parameters)
            found[f"{before}{command.path[depth]}{' ' if more else ''}"] = None
    return list(found)


async def _values(done: str, word: str, registry: Registry, caller: Caller) -> Sequence[str]:
    """What the next value may be, or the name of one that need not be given."""
    order = typed(done, registry.commands)
    command = None if order is None else registry.find(order.path)
    if order is None or command is None:
        return ()
    waiting = [one for one in command.parameters if one.name not in order.given]
    name, equals, begun = word.partition("=")
    if equals and any(one.name == name for one in waiting):
        found = await registry.suggest(order.path, name, begun, order.given, caller)
        return [f"{name}={one.value} " for one in found if _goes_on(one, begun)]
    if not waiting:
        return ()
    found = await registry.suggest(order.path, waiting[0].name, word, order.given, caller)
    values = [f"{one.value} " for one in found if _goes_on(one, word)]
    return [*values, *(f"{one.name}=" for one in waiting if not one.required and one.name.startswith(word))]


def _goes_on(suggestion: Suggestion, begun: str) -> bool:
    """It can be completed as one word."""
    return suggestion.value.startswith(begun) and " " not in suggestion.value


def _files(path: str, word: str, folder: Path) -> Sequence[str]:
    """Files whose path begins so. Only its last word is put in its place."""
    begun = Path(os.path.expanduser(path))
    within, start = (begun, "") if path.endswith("/") or not path else (begun.parent, begun.name)
    try:
        found = sorted(one for one in (folder / within).iterdir() if one.name.startswith(start))
    except OSError:
        return ()
    return [f"{word}{one.name[len(start) :]}{'/' if one.is_dir() else ''}" for one in found]
