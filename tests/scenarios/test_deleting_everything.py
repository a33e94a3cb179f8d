"""A person sees, takes along and deletes what is kept of them, and wins nothing by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from bot.clock import DAY, day_of
from bot.commands.answer import Answer, Document, Next, Table
from bot.commands.command import Caller
from bot.messages import CommunityId, ConversationId, Member, Who
from bot.quota.terms import Block, MemberTerms, Terms
from bot.storage.belongings import NAMED
from bot.storage.tables import member_days, metadata, pool_days
from tests.fakes.calling import Calling, code_of, on_the_page, said
from tests.fakes.commanding import Person
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.linking import key_of
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

ANN, CHAT = Member("web", "ann"), Member("discord", "17")
FAIR = {"fair_policy": "fair", "pool_rpd": "12", "promise_units": "0"}
WEB = CommunityId("web")
IN_CHAT = Caller(member=CHAT, name="Ann", community=CommunityId("discord:g"), standing="full")
SECRET = "my cat is called Mitzi"


def everything(connection: Connection) -> dict[str, Sequence[Any]]:
    return {name: connection.execute(select(table)).all() for name, table in metadata.tables.items()}


async def tables_with(potluck: Deployment, *words: str) -> set[str]:
    """Tables in which one of the words stands anywhere."""
    found = await potluck.running.database.read(everything)
    return {name for name, rows in found.items() if any(word in str(row) for row in rows for word in words)}


async def left_behind(potluck: Deployment, call: Calling) -> None:
    """Something of Ann's in every table that can hold something of hers."""
    await potluck.ask("ann", SECRET, conversation="c1")
    await potluck.ask("ben", "I am Ben", conversation="c1")
    await potluck.running.conversations.forget(ConversationId("web/ann/c1"))
    model = next(one.id for one in potluck.running.choices.usable(Who(member=ANN, community=WEB, standing="full")))
    await potluck.running.choices.choose(ANN, model, who=Who(member=ANN, community=WEB, standing="full"))
    await potluck.running.access.pay_when_spent(ANN, True)
    code = await code_of(call, "ann")
    assert (await call("link", IN_CHAT, code=code, sure=True)).ok
    await potluck.hear(replace(potluck.message("x", SECRET), author=CHAT, community=IN_CHAT.community))
    await call("link", "ann")
    await potluck.quiet()


async def erased(call: Calling, who: str | Caller = "ann") -> Answer:
    asked = await call("privacy delete", who)
    step = next(part for part in asked.parts if isinstance(part, Next))
    assert step.danger
    caller = who if isinstance(who, Caller) else on_the_page(who)
    return await call.registry.run(step.path, step.values, caller)


async def test_nothing_is_left_that_names_her_or_says_what_she_wrote(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        await left_behind(potluck, call)
        words = (ANN.key, CHAT.key, "ann", SECRET)
        before = await tables_with(potluck, *words)
        assert before >= {
            "turns", "day_events", "member_days", "leases", "conversations", "model_choices",
            "paying_members", "linked_accounts", "link_codes",
        }  # fmt: skip
        share = await potluck.running.conversations.share(ANN, WEB)
        pool = await potluck.running.conversations.pool()
        answer = await erased(call)
        assert answer.ok, said(answer)
        assert await tables_with(potluck, *words) == set()
        assert "turns" in await tables_with(potluck, "I am Ben"), "the control: what others wrote stays"
        assert await potluck.running.conversations.share(ANN, WEB) == share, "what she took today counts on"
        assert await potluck.running.conversations.share(CHAT, WEB) == share, "for every account of hers"
        assert await potluck.running.conversations.pool() == pool
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        assert await potluck.running.conversations.share(ANN, WEB) == share, "also after a restart"
        day = day_of(clock.now())
        taken, used = await potluck.running.database.read(
            lambda connection: (
                sum(connection.scalars(select(member_days.c.taken).where(member_days.c.day == day))),
                connection.scalar(select(pool_days.c.used).where(pool_days.c.day == day)),
            )
        )
        assert taken == used == pool.used, "and no count is lost"
        await asyncio.sleep(DAY - clock.now() % DAY + 300)
        assert (await potluck.running.conversations.share(ANN, WEB)).used == 0
        assert potluck.running.people.accounts(ANN) == (ANN,), "tomorrow she is somebody new"


async def test_deleting_wins_no_unit(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        for user in ("ben", "cy", "di"):
            await potluck.ask(user)
        while (await potluck.ask("ann")).error is None:
            pass
        for _ in range(3):
            assert (await erased(call)).ok
            assert (await potluck.ask("ann")).error == "daily_share_spent"
        assert (await potluck.ask("eve")).error is None, "the control: somebody new may"
        await potluck.quiet()


async def test_an_admins_word_stays_and_so_does_what_it_is_about(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        await potluck.ask("ann", SECRET)
        await lay_down(potluck.running, Terms(members={ANN.key: MemberTerms(block=Block())}))
        assert (await erased(call)).ok
        assert await tables_with(potluck, ANN.key, SECRET) == {"laid_down"}
        assert (await potluck.ask("ann")).error == "member_blocked"


async def test_the_audit_goes_on_telling_who_did_what_to_somebody(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**FAIR, "owner_ids": "web:olga"}
    async with deployment(tmp_path, clock, env=env) as potluck:
        registry = potluck.running.registry
        olga, ann = (Person(registry, clock, Member("web", user), manages=True) for user in ("olga", "ann"))
        await potluck.ask("ann")
        await olga.does("admin quota block", member="web:ann")
        await olga.does("admin quota grant", who="web:annabel", units="2")
        await olga.does("admin paid allow", who="web:ann", models="sandbox/summit-120b")
        await olga.does("admin paid budget", usd="2", of="web:ann")
        await ann.does("admin quota grant", who="web:ben", units="3")
        mine = json.loads(await potluck.running.belongings.export(ANN))["kept"]["changes"]
        assert [line["number"] for line in mine] == [1, 3, 4, 5]
        assert not any(name in str(mine) for name in ("olga", "annabel", "web:ben"))
        await ann.does("privacy delete", sure="yes")
        (changes,) = [
            rows for name, rows in (await potluck.running.database.read(everything)).items() if name == "changes"
        ]
        assert not any("web:ann'" in str(row) or 'web:ann"' in str(row) for row in changes)
        told = olga.read(await olga.run("admin audit list")).splitlines()
        assert "5 | " in told[0]
        assert told[0].count("somebody who has deleted their name") == 1
        assert "ben" in told[0]
        assert "olga" in told[4]
        assert "somebody who has deleted their name" in told[4]
        assert "annabel" in told[3], "the control: who only begins so keeps their name"
        assert "erased:" not in "".join(told)
        for number in ("1", "3", "4"):
            assert "somebody who has deleted their name" in await olga.fails("admin audit undo", number=number)
        await olga.does("admin audit undo", number="5")
        assert (await potluck.ask("ann")).error == "member_blocked", "what was laid down stands"
        await olga.does("admin quota unblock", member="web:ann")
        assert (await potluck.ask("ann")).error is None


async def test_not_while_a_question_is_under_way(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock) as potluck:
        call = Calling(potluck)
        asking = asyncio.create_task(potluck.ask("ann"))
        await asyncio.sleep(0.5)
        assert not (await erased(call)).ok
        assert (await asking).error is None
        assert (await erased(call)).ok


async def test_the_file_has_all_of_hers_and_nobody_elses(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        await left_behind(potluck, call)
        await potluck.running.keys.paste(ANN, await key_of(potluck, "anns"))
        answer = await call("privacy export", "ann")
        document = next(part for part in answer.parts if isinstance(part, Document))
        told = json.loads(document.content)
        assert told["accounts"] == [ANN.key, CHAT.key]
        mine = await tables_with(potluck, ANN.key, CHAT.key, SECRET)
        assert mine - {"conversations"} <= set(told["kept"]), "every table in which she is named"
        assert [turn["question"] for turn in told["kept"]["turns"]] == [SECRET, SECRET]
        assert "ben" not in document.content.decode().lower()
        assert "sealed" not in document.content.decode()
        shown = next(part for part in (await call("privacy show", "ann")).parts if isinstance(part, Table))
        assert ("Questions with their answers", 2) in [(row[0].text, row[1]) for row in shown.rows]  # type: ignore[union-attr]
        assert not any(
            turn for turn in json.loads(await potluck.running.belongings.export(Member("web", "eve")))["kept"]
        )


def test_every_table_that_can_name_somebody_is_looked_through() -> None:
    naming = {"member", "other", "person", "author", "owner", "chosen_by"}
    named = {name for name, table in metadata.tables.items() if naming & set(table.columns.keys())}
    assert named - {"own_keys"} <= {table.name for table in NAMED}
