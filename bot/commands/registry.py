"""What an adapter binds: the commands, who may use which, and one way to run any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bot.commands import values
from bot.commands.answer import Answer, refusal
from bot.commands.command import COMMUNITY, BadInput, Call, Caller, Command, Given, Path, Rank, Suggestion
from bot.commands.desk import Desk
from bot.commands.known_here import known_here
from bot.commands.saying import Code, Say, say
from bot.errors import PotluckError
from bot.messages import CommunityId, Member
from bot.telemetry.logs import logger

log = logger(__name__)

_RANKS: Mapping[Rank, int] = {"anyone": 0, "admin": 1, "owner": 2}
_SUGGESTED = 25


class Registry:
    """See the module."""

    def __init__(self, desk: Desk, commands: Iterable[Command]) -> None:
        self._desk = desk
        self._commands = {command.path: command for command in commands}

    @property
    def desk(self) -> Desk:
        """What they work with."""
        return self._desk

    @property
    def commands(self) -> Sequence[Command]:
        """All there are, in the order help shows them."""
        return tuple(self._commands.values())

    def find(self, path: Path) -> Command | None:
        return self._commands.get(path)

    def usable(self, caller: Caller) -> Sequence[Command]:
        """Those the caller may use where they are."""
        rank = self._desk.rights.rank(caller, caller.community)
        return [command for command in self._commands.values() if _RANKS[command.rank] <= _RANKS[rank]]

    async def run(self, path: Path, given: Mapping[str, Given], caller: Caller) -> Answer:
        """Check and do it. Raises nothing for what the caller did wrong, and nothing for what failed inside."""
        command = self._commands.get(path)
        if command is None:
            help = _HELP if (group := self._group(path)) is None else Code(f"{_HELP.text} {group}")
            return refusal(say("There is no {command}. {help} lists what there is.", command=_shown(path), help=help))
        try:
            call = self._call(command, given, await self._person(caller))
            answer = await command.handler(call)
        except BadInput as bad:
            answer = refusal(bad.said)
        except PotluckError as error:
            log.warning("a command failed", extra={"action": command.name, "error": type(error).__name__})
            answer = refusal(say("That did not work, and nothing was changed. Try again in a moment."))
        except Exception as error:
            # The values may hold what a person wrote: only the type is logged, the rest at DEBUG.
            log.error("a command failed inside", extra={"action": command.name, "error": type(error).__name__})
            log.debug("the failure", exc_info=error)
            answer = refusal(say("Something went wrong inside Potluck. Who runs it finds it in the log."))
        here = known_here(answer, lambda member: self._desk.people.here(member, caller.community))
        return replace(here, private=command.private)

    async def suggest(
        self, path: Path, name: str, typed: str, given: Mapping[str, Given], caller: Caller
    ) -> Sequence[Suggestion]:
        """Values to offer for one parameter, at most 25. Nothing for whom the command is not, and never an error."""
        command = self._commands.get(path)
        parameter = None if command is None else next((one for one in command.parameters if one.name == name), None)
        if command is None or parameter is None:
            return ()
        if parameter.choices:
            return [Suggestion(one) for one in parameter.choices if typed.lower() in one.lower()][:_SUGGESTED]
        try:
            call = self._call(replace(command, parameters=()), {}, await self._person(caller))
            if parameter.suggests is not None:
                return (await parameter.suggests(call, typed))[:_SUGGESTED]
            if parameter.kind == "model":
                return [Suggestion(one) for one in await self._desk.models(call, typed)][:_SUGGESTED]
        except (BadInput, PotluckError):
            return ()
        return ()

    def _group(self, path: Path) -> str | None:
        """The longest beginning of a path that commands have in common with it."""
        for words in range(len(path), 0, -1):
            if any(known[:words] == path[:words] for known in self._commands):
                return " ".join(path[:words])
        return None

    async def _person(self, caller: Caller) -> Caller:
        """The same with the person in the account's place."""
        await self._desk.people.settled(caller.member)
        return replace(caller, member=self._desk.people.of(caller.member))

    def _call(self, command: Command, given: Mapping[str, Given], caller: Caller) -> Call:
        """Raises: BadInput: they may not, or a value cannot be."""
        community = caller.community
        rest = dict(given)
        if command.rank != "anyone" and (named := rest.pop(COMMUNITY.name, None)) is not None:
            community = CommunityId(str(named))
        rank = self._desk.rights.rank(caller, community)
        if _RANKS[rank] < _RANKS[command.rank]:
            raise BadInput(_not_for_you(command, community == caller.community))
        if not command.blocked_too and self._desk.rights.blocked(caller):
            raise BadInput(say("Who manages this community has blocked you from asking here."))
        taken = {parameter.name: parameter for parameter in command.parameters}
        shown = _shown(command.path)
        if unknown := next((name for name in rest if name not in taken), None):
            raise BadInput(
                say("{command} takes no {name}. {help} says what it takes.", command=shown, name=unknown, help=_HELP)
            )
        call = Call(caller=caller, desk=self._desk, community=community, rank=rank, usable=tuple(self.usable(caller)))
        checked = {}
        for name, parameter in taken.items():
            value = rest.get(name)
            if value is None or value == "":
                if parameter.required:
                    needs = say(
                        "{command} needs {name}: {about}.", command=shown, name=Code(name), about=parameter.about
                    )
                    raise BadInput(needs)
                continue
            found = values.check(parameter, value, call)
            # The person by name, also of one whose name was deleted today: what is laid down is for who comes back.
            checked[name] = self._desk.people.accounts(found)[0] if isinstance(found, Member) else found
        return replace(call, values=checked)


def _not_for_you(command: Command, here: bool) -> Say:
    shown = _shown(command.path)
    if command.rank == "owner":
        return say("{command} is for those who run Potluck.", command=shown)
    if not here:
        return say("You manage this community only; another one is changed by those who manage it.")
    return say("{command} is for those who manage this community.", command=shown)


def _shown(path: Path) -> Code:
    return Code("/" + " ".join(path))


_HELP = Code("/help")
