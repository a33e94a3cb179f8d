"""What the caller may use: all of it in groups, or one command with what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.commands.answer import Answer, Line, Part, Table
from bot.commands.command import BadInput, Call, Command, Parameter, Suggestion
from bot.commands.saying import Code, Say, Value, say

_TALKING, _STANDING, _YOURS = say("Talking"), say("Where you stand"), say("Yours")
_ADMINS, _OWNERS = say("For those who manage this community"), say("For those who run Potluck")
_GROUPS: Mapping[str, Say] = {
    "ask": _TALKING,
    "new": _TALKING,
    "stop": _TALKING,
    "quota": _STANDING,
    "pool": _STANDING,
}
_SUGGESTED = 25


async def help(call: Call) -> Answer:
    usable = _usable(call)
    if not call.has("command"):
        return Answer([*_all(usable), Line(say("{help} says what a command takes.", help=Code("/help quota")))])
    named = call.text("command").strip().lstrip("/").lower()
    of_group = [command for command in usable if f"{command.name} ".startswith(f"{named} ")]
    if not of_group:
        raise BadInput(
            say(
                "There is no {command} for you here. {help} lists what there is.",
                command=Code(f"/{named}"),
                help=Code("/help"),
            )
        )
    if len(of_group) > 1:
        return Answer([_table(of_group)])
    return Answer(_one(of_group[0]))


def _usable(call: Call) -> Sequence[Command]:
    """Who is blocked is not shown what would only tell them so."""
    blocked = call.desk.rights.blocked(call.caller)
    return [command for command in call.usable if command.blocked_too or not blocked]


def _all(usable: Iterable[Command]) -> list[Part]:
    groups: dict[str, tuple[Say, list[Command]]] = {}
    for command in usable:
        group = _group(command)
        groups.setdefault(group.text, (group, []))[1].append(command)
    parts: list[Part] = []
    for group, commands in groups.values():
        parts += [Line(group), _table(commands)]
    return parts


def _group(command: Command) -> Say:
    if command.rank == "owner":
        return _OWNERS
    return _ADMINS if command.rank == "admin" else _GROUPS.get(command.path[0], _YOURS)


def _table(commands: Iterable[Command]) -> Table:
    return Table(
        head=(say("Command"), say("What it does")),
        rows=[(Code(f"/{command.name}"), command.about) for command in commands],
        none=say("There is nothing here that you may use."),
    )


def _one(command: Command) -> list[Part]:
    rows: list[tuple[Value, ...]] = [
        (Code(parameter.name), parameter.about, _needed(parameter)) for parameter in command.takes
    ]
    who = say("Only you see the answer.") if command.private else say("Everyone here sees the answer.")
    return [
        Line(say("{command}: {about}.", command=Code(f"/{command.name}"), about=command.about)),
        Table(head=(say("Value"), say("What it is"), say("Needed")), rows=rows, none=say("It takes no values.")),
        Line(who),
    ]


def _needed(parameter: Parameter) -> Say:
    needed = say("yes") if parameter.required else say("no")
    if not parameter.choices:
        return needed
    return say("{needed}; one of {choices}", needed=needed, choices=", ".join(parameter.choices))


async def _names(call: Call, typed: str) -> Sequence[Suggestion]:
    typed = typed.strip().lstrip("/").lower()
    found = [command.name for command in _usable(call) if typed in command.name]
    return [Suggestion(name) for name in sorted(found, key=lambda name: not name.startswith(typed))][:_SUGGESTED]


COMMANDS = (
    Command(
        path=("help",),
        about=say("What you can do here, or what one command takes"),
        handler=help,
        parameters=(
            Parameter(
                name="command",
                kind="text",
                about=say("The command you want to know about"),
                required=False,
                most=100,
                suggests=_names,
            ),
        ),
    ),
)
