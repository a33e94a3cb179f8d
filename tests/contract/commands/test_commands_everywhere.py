"""Every command on every platform: the same rights, the same effects, the same numbers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.commands.all import ALL
from bot.commands.command import Caller, Rank
from tests.contract.commands.bad_input import BAD, refused_in_a_sentence
from tests.contract.commands.bindings import BINDINGS
from tests.contract.commands.bindings.binding import Binding, Given, Person, Place, Reply
from tests.contract.commands.bindings.core import Core, core
from tests.contract.commands.bindings.slack_forms import slack_forms
from tests.contract.commands.playing import CASES, one_each, play, refused, without_case
from tests.contract.commands.stage import Case, Stage
from tests.fakes.virtual import VirtualClock

HELP = next(command for command in ALL if command.name == "help")
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.virtual]


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=list(BINDINGS))
async def binding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Binding]:
    """One Potluck a platform, for all cases: each is played in a community of its own."""
    start = BINDINGS[request.param]
    async with start(tmp_path_factory.mktemp(request.param), VirtualClock(asyncio.get_running_loop())) as binding:
        yield binding


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_command_does_and_says_the_same_on_every_platform(binding: Binding, case: Case) -> None:
    if binding.has(case.command) and binding.name not in case.not_in:
        await play(case, binding)


async def test_what_is_filled_into_a_form_does_the_same_as_what_is_typed(tmp_path: Path) -> None:
    async with slack_forms(tmp_path, VirtualClock(asyncio.get_running_loop())) as forms:
        for case in [case for case in CASES if forms.has(case.command)]:
            await play(case, forms)


async def test_who_may_not_use_a_command_may_use_it_on_no_platform(binding: Binding) -> None:
    for rank, kept in (("anyone", ("admin", "owner")), ("admin", ("owner",))):
        if rank in binding.ranks:
            commands = [command for command in ALL if command.rank in kept and binding.has(command)]
            await refused(one_each(commands), binding, rank)  # type: ignore[arg-type]


async def test_what_cannot_be_is_one_sentence_with_the_fix_and_changes_nothing(binding: Binding) -> None:
    assert await refused_in_a_sentence(binding) > len(BAD) / 2


async def test_every_platform_offers_every_command(binding: Binding) -> None:
    place = await binding.place()
    found = await binding.registered(place, await binding.person(place, "olga", "owner"))
    assert {command.name for command in ALL if binding.has(command)} <= set(found)


async def test_help_lists_what_its_reader_may_use_and_nothing_else(binding: Binding) -> None:
    ranks: tuple[Rank, ...] = ("anyone", "admin", "owner")
    for rank in binding.ranks if binding.has(HELP) else ():
        stage = await Stage.of(binding)
        told = [row[0].removeprefix("/") for row in (await stage.use("help", by=rank)).rows]
        usable = {one.name for one in ALL if ranks.index(one.rank) <= ranks.index(rank)}
        assert set(told) & {one.name for one in ALL} == usable, rank


async def test_every_command_has_a_case() -> None:
    assert without_case(ALL, CASES) == set()
    left_out = [case for case in CASES if case.words != "admin top"]
    assert without_case(ALL, left_out) == {"admin top"}, "the control"


# --- controls: platforms that get it wrong ---------------------------------------------------------------


class LetsEverybodyManage(Core):
    """Says of everybody that they manage the community."""

    def caller(self, place: Place, person: Person) -> Caller:
        return replace(super().caller(place, person), manages=True)


class ShowsOtherNumbers(Core):
    """Is one short."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        reply = await super().use(place, person, words, given)
        facts = {name: str(int(value) - 1) if value.isdecimal() else value for name, value in reply.facts.items()}
        return replace(reply, facts=facts)


class ForgetsValues(Core):
    """Hands on the first value only."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        return await super().use(place, person, words, dict(list(given.items())[:1]))


class TellsAll(Core):
    """Shows everybody what is one person's."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        return replace(await super().use(place, person, words, given), private=False)


class TakesWhatItCanOf(Core):
    """Makes something of what cannot be."""

    async def use(self, place: Place, person: Person, words: str, given: Mapping[str, Given]) -> Reply:
        better = {name: value.lstrip("-") if isinstance(value, str) else value for name, value in given.items()}
        return await super().use(place, person, words, better)


def case(id: str) -> Case:
    return next(one for one in CASES if one.id == id)


async def test_a_platform_that_gets_it_wrong_is_found_out(tmp_path: Path) -> None:
    async with core(tmp_path, VirtualClock(asyncio.get_running_loop())) as right:
        potluck = right.potluck
        admins = [command for command in ALL if command.rank == "admin"]
        for binding in (right, LetsEverybodyManage(potluck=potluck)):
            for used in one_each(admins)[:3]:
                wrong = binding is not right
                with pytest.raises(AssertionError) if wrong else nullcontext():
                    await refused([used], binding, "anyone")
        assert await refused_in_a_sentence(right) > len(BAD) / 2
        with pytest.raises(AssertionError):
            await refused_in_a_sentence(TakesWhatItCanOf(potluck=potluck))
        for kind, id in (
            (ShowsOtherNumbers, "quota"),
            (ShowsOtherNumbers, "pool"),
            (ShowsOtherNumbers, "admin quota show who=ben"),
            (ForgetsValues, "admin quota block member=ben until=2100-01-01"),
            (ForgetsValues, "link code=code sure=True"),
            (TellsAll, "key show"),
        ):
            await play(case(id), right)
            with pytest.raises(AssertionError):
                await play(case(id), kind(potluck=potluck))
