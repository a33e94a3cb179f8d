"""Commands called as an adapter calls them, over a whole Potluck without adapters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bot.commands.all import ALL
from bot.commands.answer import Answer, Facts, Line, sentences
from bot.commands.command import Call, Caller, Given
from bot.commands.desk import Desk
from bot.commands.registry import Registry
from bot.commands.rights import Rights
from bot.commands.saying import Code, Say, Value
from bot.messages import CommunityId, Member
from tests.fakes.deployment import Deployment


@dataclass
class NamedAdmins:
    """Whom admins have named."""

    members: dict[CommunityId, set[Member]] = field(default_factory=dict)

    def named(self, community: CommunityId) -> Collection[Member]:
        return self.members.get(community, set())


class Calling:
    """See the module. `owners` run Potluck."""

    def __init__(self, potluck: Deployment, *, owners: Collection[Member] = ()) -> None:
        running = potluck.running
        self.named = NamedAdmins()
        self.desk = Desk(
            clock=running.clock,
            conversations=running.conversations,
            rights=Rights(
                owners=owners,
                named=self.named,
                accounts=running.people.accounts,
                blocked=lambda member, _: running.pools.default.scheduler.terms.member(member.key).blocked(
                    running.clock.now()
                ),
            ),
            keys=running.keys,
            choices=running.choices,
            people=running.people,
            joining=running.joining,
            belongings=running.belongings,
            uses=running.uses,
            day=running.day,
            fairness=running.fairness,
            find_member=lambda text, _: _parsed(text),
            models=_no_models,
        )
        self.registry = Registry(self.desk, ALL)

    async def __call__(self, line: str, caller: Caller | str, **given: Given) -> Answer:
        """Call a command by its name."""
        who = caller if isinstance(caller, Caller) else on_the_page(caller)
        return await self.registry.run(tuple(line.split()), given, who)


def on_the_page(user: str, *, manages: bool = False) -> Caller:
    return Caller(member=Member("web", user), name=user, community=CommunityId("web"), standing="full", manages=manages)


async def code_of(call: Calling, caller: Caller | str) -> str:
    """A code that makes another account one with the caller's."""
    commands = [
        value.text
        for part in (await call("link", caller)).parts
        if isinstance(part, Line)
        for value in part.said.values.values()
        if isinstance(value, Code)
    ]
    return commands[0].split()[-1]


def facts(answer: Answer) -> dict[str, Value]:
    """The names and values an answer shows, by the English of their names."""
    return {name.text: value for part in answer.parts if isinstance(part, Facts) for name, value in part.rows}


def said(answer: Answer) -> list[str]:
    """The sentences of an answer, with their values where they stand in the English."""
    return [plain(one) for one in sentences(answer)]


def plain(say: Say) -> str:
    text = say.text if not say.plural or say.count == 1 else say.plural
    return text.format(**{name: _shown(value) for name, value in say.values.items()})


def _shown(value: Value) -> str:
    return plain(value) if isinstance(value, Say) else str(value)


def _parsed(text: str) -> Member | None:
    try:
        return Member.parse(text)
    except ValueError:
        return None


async def _no_models(call: Call, typed: str) -> Sequence[str]:
    return ()
