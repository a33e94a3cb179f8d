"""Who manages a community links an account for it where they are: at once a pool of its own, and on the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.answer import Link, Next
from bot.messages import CommunityId, Member
from bot.office.edits import Address, Edit, Wish, to
from bot.office.office import Office
from bot.quota.ledger import PoolId
from bot.storage.database import Database
from bot.storage.keys import SqlKeys
from bot.storage.office import SqlArchive
from tests.fakes.commanding import Person
from tests.fakes.databases import HOME, known
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.linking import challenge_in, key_of
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("kind")]

OURS = CommunityId("web:ours")
OLGA, ADA, BEN = Member("web", "olga"), Member("web", "ada"), Member("web", "ben")
ENV = {"owner_ids": OLGA.key}


def person(potluck: Deployment, member: Member, *, manages: bool = False) -> Person:
    return Person(potluck.running.registry, potluck.clock, member, community=OURS, manages=manages)


async def test_an_account_is_linked_by_its_code_and_everyone_draws_on_it_at_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env=ENV) as potluck:
        ada = person(potluck, ADA, manages=True)
        assert "No OpenRouter account" in ada.read(await ada.does("admin key show"))
        opened = await ada.does("admin key add")
        link = next(part.url for part in opened.parts if isinstance(part, Link))
        step = next(part for part in opened.parts if isinstance(part, Next))
        code = potluck.sandbox.grant(challenge_in(link), account="ours")
        await potluck.ask("ben", community=OURS)
        linked = await ada.does(" ".join(step.path), pasted=code)
        assert linked.private
        assert "is a pool of its own" in ada.read(linked)
        await potluck.ask("ben", community=OURS)
        assert [attempt.account for attempt in potluck.sandbox.log] == ["", "ours"]
        (change,) = await potluck.running.office.history(OURS, limit=9)
        assert (change.wish.by, change.wish.command, change.number) == (ADA, "admin key paste", 1)
        assert "linked" in ada.read(await ada.does("admin audit list"))
        await ada.does("admin audit undo", number="1")
        await potluck.ask("ben", community=OURS)
        assert potluck.sandbox.log[-1].account == "", "taken back, it is everybody's pool again"
        await potluck.quiet()


async def test_a_key_is_pasted_replaced_and_removed_and_stands_nowhere_in_the_record(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env=ENV) as potluck:
        ada = person(potluck, ADA, manages=True)
        first, second = [(await key_of(potluck, name)).get_secret_value() for name in ("ours", "others")]
        for key in (first, second):
            answer = await ada.does("admin key paste", pasted=key)
            assert key[-4:] in ada.read(answer)
            assert key not in repr(answer)
            await potluck.ask("ben", community=OURS)
        assert "kept nowhere" in await ada.fails("admin audit undo", number="2")
        assert (await potluck.ask("ben", community=OURS)).error is None, "what could not be taken back still stands"
        removed = await ada.does("admin key remove")
        assert "still exists" in ada.read(removed)
        await potluck.ask("ben", community=OURS)
        assert [attempt.account for attempt in potluck.sandbox.log] == ["ours", "others", "others", ""]
        assert "There was no key" in ada.read(await ada.does("admin key remove"))
        record = repr(await potluck.running.office.history(None, limit=99)) + repr(potluck.running.office.laid_down)
        assert "sealed" not in record
        assert not any(key[-12:] in record for key in (first, second))
        await potluck.quiet()


async def test_only_who_manages_it_links_for_a_community_and_what_is_no_key_changes_nothing(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env=ENV) as potluck:
        ada, ben, olga = person(potluck, ADA, manages=True), person(potluck, BEN), person(potluck, OLGA)
        key = (await key_of(potluck, "ours")).get_secret_value()
        for name in ("admin key add", "admin key show", "admin key remove"):
            assert "manage" in await ben.fails(name)
            assert "manage" in await ada.fails(name, community="web:theirs")
        assert "manage" in await ben.fails("admin key paste", pasted=key)
        assert "manage" in await ada.fails("admin key paste", pasted=key, community="web:theirs")
        assert "everywhere" not in await olga.fails("admin key show", community="everywhere")
        for wrong in ("sk-or-no", "not a code", "auth_code_" + "0" * 32, "sk-or-v1-" + "bad0cafe" * 8):
            said = await ada.fails("admin key paste", pasted=wrong)
            assert wrong not in said
        assert await potluck.running.office.history(None, limit=9) == []
        assert not potluck.running.pools.linked
        await olga.does("admin key paste", pasted=key, community="web:theirs")
        assert list(potluck.running.pools.linked) == ["web:theirs"], "the control"


async def test_a_link_of_a_members_own_is_none_of_the_communitys(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=ENV) as potluck:
        ada = person(potluck, ADA, manages=True)
        opened = [await ada.does(words) for words in ("key add", "admin key add")]
        links = [part.url for answer in opened for part in answer.parts if isinstance(part, Link)]
        codes = [potluck.sandbox.grant(challenge_in(link), account="adas") for link in links]
        assert "does not take this code" in await ada.fails("admin key paste", pasted=codes[0])
        assert not potluck.running.pools.linked
        await ada.does("key paste", pasted=potluck.sandbox.grant(challenge_in(links[0]), account="adas"))
        assert not potluck.running.pools.linked


async def test_what_is_linked_beside_the_process_holds_once_it_looks(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    """As by `potluck admin key` in a shell, whose line of the audit is seen within a second."""
    async with deployment(tmp_path, clock, env=ENV) as potluck:
        database = known(Database(HOME.where(tmp_path), clock, keeps_time=False), loop)
        await database.open()
        keys = SqlKeys(database, clock, potluck.running.secret.vault())
        office = Office(SqlArchive(database, clock))
        await office.open()
        sealed = keys.to_keep(OURS, await key_of(potluck, "ours"), pool=PoolId("account:ours"))
        wish = Wish(by=OLGA, community=OURS, command="admin key paste")
        await office.change(wish, [Edit(Address("key", OURS, ""), to(sealed))])
        await potluck.ask("ben", community=OURS)
        await potluck.running.office.look()
        await potluck.ask("ben", community=OURS)
        assert [attempt.account for attempt in potluck.sandbox.log] == ["", "ours"]
        await database.close()
        await potluck.quiet()
