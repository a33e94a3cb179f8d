"""At rest every number a person reads is one: footer, commands, page, metrics and database never disagree."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from adapters.web import wire
from bot.clock import DAY, Instant, day_of
from bot.commands.answer import DayPicture, Document, Table, UsePicture
from bot.commands.saying import Percent
from bot.fairness import measured
from bot.messages import CommunityId, Finished, Member
from bot.openrouter.sandbox import FaultRule, Faults, SandboxSettings
from bot.quota.events import DayEvent, EventKind
from bot.storage.tables import member_days
from tests.fakes.calling import Calling, facts, on_the_page
from tests.fakes.deployment import Deployment, deployment
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

WEB = CommunityId("web")
FAIR = {"fair_policy": "fair", "pool_rpd": "15"}
PEOPLE = ("ann", "ben", "cy")


def metric(potluck: Deployment, name: str) -> float:
    page, _ = potluck.running.metrics.page()
    families = text_string_to_metric_families(page.decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


async def charged(potluck: Deployment, member: Member) -> int | None:
    """Units charged to a member, by the database."""
    wanted = select(member_days.c.taken).where(member_days.c.member == member.key)
    return await potluck.running.database.read(lambda connection: connection.scalar(wanted))


async def test_numbers_agree(tmp_path: Path, clock: VirtualClock) -> None:
    faults = Faults(rules=(FaultRule(fault="class:provider_down", every=4),))
    async with deployment(tmp_path, clock, env=FAIR, sandbox=SandboxSettings(rpd=15, faults=faults)) as potluck:
        call, chance = Calling(potluck), random.Random(3)
        for _ in range(18):
            user = chance.choice(PEOPLE)
            heard = await potluck.ask(user)
            footer = heard.ending.share if isinstance(heard.ending, Finished) else None
            await potluck.quiet()
            if footer is not None:
                assert facts(await call("quota", user))["Used today"] == footer.used
                assert facts(await call("quota", user))["Left now"] == footer.left_now
        pool = await potluck.running.conversations.pool(WEB)
        counted = await potluck.counted()
        top = await call("admin top", on_the_page("ann", manages=True))
        table = next(part for part in top.parts if isinstance(part, Table))
        taken = {row[0]: row[2] for row in table.rows}
        assert counted["leases"].get("failed"), "the control: some failed, so given and used differ"
        for user in PEOPLE:
            member = Member("web", user)
            share = await potluck.running.conversations.share(member, WEB)
            answer = await call("quota", user)
            told, page = facts(answer), wire.share(share)
            picture = next(part for part in answer.parts if isinstance(part, DayPicture))
            kept = await charged(potluck, member)
            assert told["Used today"] == page["used"] == kept == taken[member] == picture.mine[-1][1]
            assert told["Left now"] == page["left_now"]
            assert told["Left for sure"] == page["left_sure"]
            assert picture.pool[-1][1] == pool.used
            assert picture.pool[-2][1] == counted["used"], "the curve of the events ends where the ledger stands"
        shown = facts(await call("pool", "ben"))["Used today"]
        assert shown.values == {"used": pool.used, "of": pool.rpd}  # type: ignore[union-attr]
        assert pool.used == counted["used"] == metric(potluck, "potluck_pool_day_used")
        assert pool.rpd == metric(potluck, "potluck_pool_day_limit") == 15
        assert sum(taken.values()) == counted["taken"]  # type: ignore[arg-type]


async def test_top_and_export_say_the_same_and_a_cell_is_no_formula(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        evil = Member("=cmd|'/C calc'!A0", "x")
        for message in (potluck.message("ann"), replace(potluck.message("eve"), author=evil), potluck.message("ann")):
            await potluck.hear(message)
        await potluck.hear(replace(potluck.message("ben"), community=CommunityId("web:other")))
        await potluck.quiet()
        admin = on_the_page("ann", manages=True)
        answer = await call("admin export", admin)
        document = next(part for part in answer.parts if isinstance(part, Document))
        rows = list(csv.DictReader(io.StringIO(document.content.decode())))
        assert [(row["member"], row["taken"]) for row in rows] == [("web:ann", "2"), (f"'{evil.key}", "1")]
        assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
        top = await call("admin top", admin)
        picture = next(part for part in top.parts if isinstance(part, UsePicture))
        assert list(picture.rows) == [(Member("web", "ann"), 2), (evil, 1)], "another community's are not shown"
        assert not (await call("admin top", "ann")).ok, "the control: it is for admins"


async def test_fairness_is_worked_out_each_night_also_of_a_day_that_ended_while_nothing_ran(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        assert plain_text(facts(await call("pool", "ann"))["Fairness yesterday"]) == "no figure yet"
        for user in PEOPLE:
            await potluck.ask(user)
    clock.start += DAY
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        call = Calling(potluck)
        await potluck.running.fairness.catch_up()
        assert facts(await call("pool", "ann"))["Fairness yesterday"] == Percent(1.0)
        figure = await potluck.running.fairness.yesterday(WEB)
        assert figure is not None
        assert (figure.members, figure.asked, figure.given, figure.units) == (3, 3, 3, 15)
        await potluck.ask("ann")
        await asyncio.sleep(DAY - clock.now() % DAY + 120)
        kept = await potluck.running.fairness.yesterday(WEB)
        assert kept is not None, "at night by itself"
        assert kept.day == day_of(clock.now()) - 1
        await asyncio.sleep(DAY)
        assert await potluck.running.fairness.yesterday(WEB) is None, "nobody asked on that day"


def test_the_figure_falls_where_one_takes_what_others_would_have_had() -> None:
    def events(*taken: tuple[str, int]) -> list[DayEvent]:
        asked = [(user, EventKind.ASKED) for user in ("ann", "ben") for _ in range(4)]
        let = [(user, EventKind.LET_THROUGH) for user, count in taken for _ in range(count)]
        return [
            DayEvent(kind=kind, at=Instant(0.0), member=Member("web", user), community=WEB)
            for user, kind in asked + let
        ]

    fair, greedy = measured(0, events(("ann", 2), ("ben", 2)), 4), measured(0, events(("ann", 4)), 4)
    assert fair is not None
    assert greedy is not None
    assert (fair.ratio, greedy.ratio) == (1.0, 0.5)
    assert measured(0, [], 4) is None


def plain_text(value: object) -> str:
    return getattr(value, "text", str(value))
