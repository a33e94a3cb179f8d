"""A command typed as a line: `/admin quota grant ben 3 when=today`. For places without forms of their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.commands.command import Command, Parameter, Path

_WORD = re.compile(r"""\s*(?:(?P<name>[a-z_]+)=)?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))""")
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Typed:
    """What a line asks for."""

    path: Path
    """The longest there is; what was typed, where there is none."""
    given: dict[str, str] = field(default_factory=dict)


def typed(line: str, commands: Iterable[Command]) -> Typed | None:
    """Read a line that begins with a slash; None: it does not look like a command, but like `/usr/bin/env`.

    Values stand in the order of the parameters, or by name (`until=3d`); quotes hold words together, and the last
    parameter of free text takes what is left of the line, as it was written.
    """
    if not re.match(r"/[a-z_]+(?:\s|$)", line):
        return None
    known = {command.path: command for command in commands}
    words = line[1:].split()
    for depth in range(min(_DEPTH, len(words)), 0, -1):
        command = known.get(tuple(words[:depth]))
        if command is not None:
            return Typed(command.path, _values(command.takes, _after(line, depth)))
    group = next((n for n in range(min(_DEPTH, len(words)), 0, -1) if any(p[:n] == tuple(words[:n]) for p in known)), 0)
    return Typed(tuple(words[: group + 1]))


def _after(line: str, words: int) -> str:
    """What follows the first words."""
    return re.sub(rf"^/\S+(?:\s+\S+){{{words - 1}}}\s*", "", line)


def _values(parameters: Sequence[Parameter], rest: str) -> dict[str, str]:
    given: dict[str, str] = {}
    names = {parameter.name for parameter in parameters}
    # The community comes by its name only: it would take the place of what was forgotten.
    waiting = [parameter for parameter in parameters if parameter.name != "community"]
    while found := _WORD.match(rest):
        name = found["name"]
        if name in names and name not in given:
            given[name] = found["quoted"] if found["quoted"] is not None else found["bare"]
            waiting = [parameter for parameter in waiting if parameter.name != name]
        elif not waiting:
            given[f"more than {len(names)} values" if names else "value"] = rest.strip()
            break
        else:
            parameter = waiting.pop(0)
            free = parameter.kind in ("text", "long_text") and not parameter.choices
            if free and not waiting:
                given[parameter.name] = _unquoted(rest.strip())
                break
            word = found[0].strip()
            given[parameter.name] = found["quoted"] if found["quoted"] is not None and name is None else word
        rest = rest[found.end() :]
    return given


def _unquoted(text: str) -> str:
    whole = re.fullmatch(r'"([^"]*)"', text)
    return whole[1] if whole else text
