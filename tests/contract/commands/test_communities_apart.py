"""Two communities that share a pool: who manages one neither sees nor changes anything of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio

from bot.commands.all import ALL
from bot.messages import Who
from tests.contract.commands.bindings.binding import Everybody, Given, Reply
from tests.contract.commands.bindings.core import Core, core
from tests.contract.commands.playing import one_each
from tests.contract.commands.stage import Here, Someone, Stage, asked, used
from tests.fakes.virtual import VirtualClock

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.virtual]

BEN = Someone("ben")
HERON = "Be a heron."
PAID = "sandbox/lantern-70b"


async def lived_in(binding: Core) -> Stage:
    """A community with something of every kind laid down, whose Ben has asked twice."""
    stage = await Stage.of(binding)
    for step in (
        asked("ben", times=2),
        used("admin quota weight", who=BEN, times=2),
        used("admin quota block", member=Someone("cara")),
        used("admin persona set", text=HERON, channel=Here()),
        used("admin channels deny", channel=Here()),
        used("admin models hide", model="sandbox/harbor-24b:free"),
        used("admin admins add", member=Someone("dan")),
        used("admin paid budget", by="owner", usd="5"),
        used("admin paid allow", who=BEN, models=PAID),
        used("admin paid deny", who=Everybody(), prompt_price="1", answer_price="5"),
        used("admin paid budget", usd="0.1", of="each"),
        used("admin paid spent", by="owner", member=BEN, then="pay"),
    ):
        await step(stage)
    return stage


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Core, Stage]]:
    async with core(tmp_path_factory.mktemp("core"), VirtualClock(asyncio.get_running_loop())) as binding:
        yield binding, await lived_in(binding)


class Stranger:
    """Zoe, who manages a community of her own that lives on the same pool."""

    def __init__(self, binding: Core, here: Stage, there: Stage) -> None:
        self.binding, self.here, self.there = binding, here, there

    async def values(self, words: str) -> dict[str, Given]:
        """What she names: the other community's people, channel, rules and changes."""
        command = next(command for command in ALL if command.name == words)
        (case,) = one_each([command])
        given = dict(await self.here.given(case.given))
        there = self.there
        for parameter in command.parameters:
            match parameter.kind, parameter.name:
                case (("member" | "grantee"), _):
                    given[parameter.name] = await there.someone("ben")
                case "channel", _:
                    given[parameter.name] = there.place
                case "whole", "number":
                    given[parameter.name] = (await self._numbers())[-1]
                case "whole", "rule":
                    given[parameter.name] = int((await self._rules())[0])
                case "text", "of":
                    given[parameter.name] = (await there.someone("ben")).member.key
        return given

    async def use(self, words: str, **more: Given) -> Reply:
        zoe = await self.here.caller("admin")
        return await self.binding.use(self.here.place, zoe, words, {**await self.values(words), **more})

    async def _numbers(self) -> list[int]:
        """Of the changes that were made in the other community."""
        found = await self.there.office.history(self.there.place.community, limit=100)
        return [one.number for one in found]

    async def _rules(self) -> list[str]:
        found = self.there.office.of("paid_rule", self.there.place.community)
        return [address.key.rpartition("/")[2] for address, _ in found]


async def lives_as_before(stage: Stage) -> dict[str, object]:
    """All that somebody in a community would notice."""
    running, ben = stage.potluck.running, (await stage.someone("ben")).member
    ada, place = await stage.caller("admin"), stage.place
    told = {
        words: (await stage.binding.use(place, ada, words, {})).text
        for words in ("admin audit list", "admin quota show", "admin paid list", "admin models list", "admin top")
    }
    laid = {address: value for address, value in stage.office.laid_down.items() if address.community == place.community}
    return {
        **told,
        "laid down": laid,
        "share": running.scheduler.share(ben, place.community),
        "pays": stage.laid("pays", f"default/{ben.key}", everywhere=True),
        "models": running.choices.usable(Who(member=ben, community=place.community, standing="full"), limit=100),
    }


ADMINS = [command.name for command in ALL if command.rank == "admin"]
USES: Sequence[tuple[str, Mapping[str, Given]]] = (
    *((words, {}) for words in ADMINS),
    ("admin paid spent", {"then": "ask"}),
    ("admin paid budget", {"of": "each"}),
    ("admin models hide", {"show": True}),
    ("admin quota grant", {"who": Everybody()}),
    ("admin audit list", {"limit": 200}),
    ("admin top", {"days": 366}),
    ("admin export", {"days": 366}),
)
OF_MEMBERS = frozenset({"Left now", "Left for sure", "Counts", "Besides the share today"})
"""Figures of a member, which stand in no answer about another community's people."""


@pytest.mark.parametrize(("words", "more"), USES, ids=lambda value: value if isinstance(value, str) else "")
async def test_an_admin_of_another_community_neither_sees_nor_changes_this_one(
    apart: tuple[Core, Stage], words: str, more: Mapping[str, Given]
) -> None:
    binding, there = apart
    here = await Stage.of(binding)
    try:
        zoe, before = Stranger(binding, here, there), await lives_as_before(there)
        reply = await zoe.use(words, **more)
        assert await lives_as_before(there) == before
        told = "\n".join([reply.text, *(content.decode() for content in reply.files.values())])
        strangers = [(await there.someone(name)).member.user for name in ("cara", "dan")]
        strangers.append((await there.caller("admin")).member.user)
        for secret in (HERON, *strangers):
            assert secret not in told, told
        assert not OF_MEMBERS & reply.facts.keys()
        if words == "admin quota show":
            assert "has not asked anything here yet" in told
    finally:
        await here.tidy()


async def test_an_admin_sees_and_changes_their_own_community_by_the_same_words(apart: tuple[Core, Stage]) -> None:
    binding, there = apart
    ada, ben = await there.caller("admin"), await there.someone("ben")
    before = await lives_as_before(there)
    reply = await binding.use(there.place, ada, "admin quota show", {"who": ben})
    assert reply.facts["Used today"] == "2"
    assert HERON in (await binding.use(there.place, ada, "admin persona list", {})).text
    granted = await binding.use(there.place, ada, "admin quota grant", {"who": ben, "units": 3})
    assert await lives_as_before(there) != before
    assert not granted.refused
    newest = await there.newest_change()
    assert newest is not None
    await binding.use(there.place, ada, "admin audit undo", {"number": newest.number})
