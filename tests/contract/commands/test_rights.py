"""Who may use which command, over the core: a table by what commands declare, its exceptions, and two communities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
import pytest_asyncio

from bot.commands.all import ALL
from bot.commands.command import COMMUNITY, Caller, Command, Rank
from tests.contract.commands.bindings.binding import Given, Person, Place, Reply
from tests.contract.commands.bindings.core import Core, core
from tests.contract.commands.playing import one_each
from tests.contract.commands.stage import Case, Stage, differing
from tests.fakes.virtual import VirtualClock

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.virtual]

ROLES = ("member", "admin", "other admin", "owner", "blocked", "guest")
MAY: Mapping[Rank, frozenset[str]] = {
    #                     member    admin    other admin    owner    blocked    guest
    "anyone": frozenset({"member", "admin", "other admin", "owner", "blocked", "guest"}),
    "admin": frozenset({"admin", "owner"}),
    "owner": frozenset({"owner"}),
}
"""By what a command declares. The other admin manages another community and names this one."""
EXCEPT: Mapping[tuple[str, str], str] = {
    ("ask", "blocked"): "has blocked you",
    ("unlink", "blocked"): "your accounts stay together",
    # What holds for a pool that others share:
    ("admin pool pause", "admin"): "Only who runs Potluck",
    ("admin pool resume", "admin"): "Only who runs Potluck",
    ("admin pool limits", "admin"): "Only who runs Potluck",
    ("admin pool reserve", "admin"): "Only who runs Potluck",
    # What holds for a person wherever the same account pays:
    ("admin paid spent", "admin"): "or who runs Potluck does",
}
"""Refusals beside the table, and a piece of what is said."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def right(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Core]:
    async with core(tmp_path_factory.mktemp("core"), VirtualClock(asyncio.get_running_loop())) as binding:
        yield binding


async def person(stage: Stage, binding: Core, role: str) -> Person:
    match role:
        case "admin" | "owner":
            return await binding.person(stage.place, "ann", role)
        case "guest":
            return await binding.person(stage.place, "ann", standing="guest")
        case _:
            return await binding.person(stage.place, "ann")


class Cell:
    """A command about to be used in a role, everything before it done."""

    def __init__(self, case: Case, binding: Core, stage: Stage) -> None:
        self.case, self.binding, self.stage = case, binding, stage

    @classmethod
    async def of(cls, case: Case, binding: Core, role: str) -> Cell:
        """A new one, where whoever is in the role has done what a member does before it."""
        cell = cls(case, binding, await Stage.of(binding))
        cell.stage.cast(await person(cell.stage, binding, role))
        await cell.stage.given(case.given)
        for step in case.first:
            await step(cell.stage)
        return cell

    async def use(self, role: str) -> tuple[Reply, dict[str, list[str]]]:
        """Use it in a role, as whoever did what came before it, if that is theirs, else as somebody new: the answer,
        and what has changed by it."""
        stage, command = self.stage, self.case.command
        mine = command.rank == "anyone"
        caller = await stage.caller() if mine else await person(stage, self.binding, role)
        given = await stage.given(self.case.given)
        if role == "blocked":
            ada: Caller = (await self.binding.person(stage.place, "ada", "admin")).native
            blocked = await self.binding.registry.run(("admin", "quota", "block"), {"member": caller.member}, ada)
            assert blocked.ok
        if role == "other admin":
            elsewhere = await self.binding.place()
            caller = replace(caller, native=replace(caller.native, manages=True, community=elsewhere.community))
            given |= {} if mine else {COMMUNITY.name: str(stage.place.community)}
        before = await stage.dump()
        reply = await self.binding.use(stage.place, caller, self.case.words, given)
        return reply, differing(before, await stage.dump())


async def row(case: Case, binding: Core) -> None:
    """A row of the table.

    Raises:
        AssertionError: somebody may what they may not, or may not what they may; or a refusal is none.
    """
    may = [role for role in MAY[case.command.rank] if (case.words, role) not in EXCEPT]
    for role in may:
        cell = await Cell.of(case, binding, role)
        reply, _ = await cell.use(role)
        assert not reply.refused, (role, reply.text)
        await cell.stage.tidy()
    cell = await Cell.of(case, binding, "member")
    for role in set(ROLES) - set(may):
        why = EXCEPT.get((case.words, role), "those who")
        reply, changed = await cell.use(role)
        assert reply.refused, (role, reply.text)
        assert why in reply.text, (role, reply.text)
        assert len(reply.text.strip().splitlines()) == 1, (role, reply.text)
        assert changed == {}, role
    await cell.stage.tidy()


@pytest.mark.parametrize("command", ALL, ids=lambda command: command.name)
async def test_who_may_use_a_command(right: Core, command: Command) -> None:
    (case,) = one_each([command])
    await row(case, right)


async def test_exceptions_are_of_commands_that_there_are() -> None:
    assert {words for words, _ in EXCEPT} <= {command.name for command in ALL}


class LetsStrangersManage(Core):
    """Takes whoever manages a community for an admin of every other."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        caller: Caller = person.native
        if caller.manages:
            caller = replace(caller, community=place.community)
        return await super().use(place, replace(person, native=caller), words, given)


class LetsTheBlockedAsk(Core):
    """Hides that something was refused."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        return replace(await super().use(place, person, words, given), refused=False)


async def test_the_table_finds_out_who_gets_it_wrong(right: Core) -> None:
    for kind, words in ((LetsStrangersManage, "admin quota grant"), (LetsTheBlockedAsk, "ask")):
        (case,) = one_each([command for command in ALL if command.name == words])
        with pytest.raises(AssertionError):
            await row(case, kind(potluck=right.potluck))
