"""Playing a case on a platform: what must be so of every command is asked here, once for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.commands.command import Command, Rank
from bot.office.edits import EVERYWHERE, Change
from tests.contract.commands.bindings.binding import Binding, Person, Reply
from tests.contract.commands.cases_of_admins import OF_ADMINS
from tests.contract.commands.cases_of_members import OF_MEMBERS
from tests.contract.commands.stage import Case, Stage, differing

CASES = (*OF_MEMBERS, *OF_ADMINS)
QUESTIONS = frozenset({"ask"})
"""Commands that are a question, and cost what one costs."""


def without_case(commands: Iterable[Command], cases: Iterable[Case]) -> set[str]:
    """The names of commands that no case is about."""
    return {command.name for command in commands} - {case.words for case in cases}


def one_each(commands: Iterable[Command]) -> list[Case]:
    """A case of each command."""
    return [next(case for case in CASES if case.words == command.name) for command in commands]


async def refused(cases: Iterable[Case], binding: Binding, rank: Rank) -> None:
    """Use each of these commands as somebody who may not.

    Raises:
        AssertionError: one is not refused in one sentence that says whose it is, or something has changed.
    """
    stage = await Stage.of(binding)
    caller, given = await stage.caller(rank), [(case.words, await stage.given(case.given)) for case in cases]
    before = await stage.dump()
    for words, values in given:
        reply = await binding.use(stage.place, caller, words, values)
        assert reply.refused is not False, f"{words}: {reply.text}"
        assert re.search(r"is for those who (manage this community|run Potluck)\.$", reply.text.strip()), reply.text
        assert len(reply.text.strip().splitlines()) == 1, reply.text
        assert reply.private is not False
    assert differing(before, await stage.dump()) == {}


async def play(case: Case, binding: Binding) -> None:
    """Play it, and take back what it changed.

    Raises:
        AssertionError: the platform does something else than the command.
    """
    stage = await Stage.of(binding)
    try:
        await _play(case, stage)
    finally:
        await stage.tidy()


async def _play(case: Case, stage: Stage) -> None:
    command = case.command
    caller = await stage.caller(case.by or command.rank)
    for step in case.first:
        await step(stage)
    given = await stage.given(case.given)
    before, stood, last = await stage.dump(), dict(stage.office.laid_down), await stage.newest_change()
    reply = await stage.binding.use(stage.place, caller, case.words, given)
    assert not reply.refused, reply.text
    if command.name not in QUESTIONS:
        assert reply.private in (command.private, None), (
            f"{reply.text!r} was shown to {'one' if reply.private else 'all'}"
        )
        assert len((await stage.dump())["leases"]) == len(before["leases"]), "a command costs nothing"
    await _says(case, stage, reply)
    if case.does is None:
        assert differing(before, await stage.dump()) == {}
        return
    for name, (found, wanted) in (await case.does(stage)).items():
        assert found == wanted, f"{name}: {found!r}, and not {wanted!r}"
    if command.rank != "anyone":
        newest = await stage.newest_change()
        assert newest is not None
        assert newest.number == (last.number if last else 0) + 1
        await _on_the_record(newest, case, stage, caller)
        if newest.wish.undoes is None:
            back = await stage.binding.use(stage.place, caller, "admin audit undo", {"number": newest.number})
            if case.for_good:
                assert "cannot be taken back" in back.text
                return
            assert "is taken back" in back.text, back.text
            assert stage.office.laid_down == stood


async def _on_the_record(change: Change, case: Case, stage: Stage, caller: Person) -> None:
    wish = change.wish
    assert (wish.by, wish.command) == (stage.potluck.running.people.of(caller.member), case.words)
    named = (await stage.elsewhere()) if "community" in case.given else stage.place
    assert wish.community in (named.community, EVERYWHERE)


async def _says(case: Case, stage: Stage, reply: Reply) -> None:
    assert case.says in reply.text, reply.text
    if case.facts is not None:
        for name, value in (await case.facts(stage)).items():
            assert reply.facts.get(name) == stage.shown(value), f"{name} is {value}; the answer: {reply}"
    if case.row is not None:
        wanted = tuple(stage.shown(value) for value in await case.row(stage))
        assert any(tuple(row)[: len(wanted)] == wanted for row in reply.rows), f"no row {wanted}; the answer: {reply}"
    if case.check is not None:
        await case.check(stage, reply)
