"""What members see under the fair policy: a flood takes its share and no more, and everyone can see why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from bot.clock import DAY, Instant
from bot.commands.command import InRole
from bot.messages import CommunityId, Failed, Finished, Held, Member, TicketId
from bot.openrouter.sandbox import SandboxSettings
from bot.quota.terms import Block, MemberTerms, Reserve, Terms
from bot.storage.tables import metadata
from tests.fakes.commanding import Person
from tests.fakes.databases import HOME
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

WEB = CommunityId("web")
FAIR = {"fair_policy": "fair", "promise_units": "0"}


async def chat(potluck: Deployment, user: str, times: int, *, every: float) -> list[str | None]:
    """Ask so often, at that pace; how each reply ended."""
    errors = []
    for _ in range(times):
        errors.append((await potluck.ask(user)).error)
        await asyncio.sleep(every)
    return errors


async def test_a_flood_leaves_the_others_their_share(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=FAIR) as potluck:
        flood, *others = await asyncio.gather(
            chat(potluck, "flood", 400, every=5),
            *(chat(potluck, f"m{number}", 6, every=300) for number in range(4)),
        )
        assert {error for error in flood if error} <= {"daily_share_spent", "pool_spent"}
        assert flood.count(None) <= 25, "not more than half of the pool"
        for errors in others:
            assert errors.count(None) >= 5
        await potluck.quiet()


async def test_first_come_lets_the_flood_take_it(tmp_path: Path, clock: VirtualClock) -> None:
    """The control: the same day without the level."""
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50)) as potluck:
        flood, *others = await asyncio.gather(
            chat(potluck, "flood", 400, every=5),
            *(chat(potluck, f"m{number}", 6, every=300) for number in range(4)),
        )
        assert flood.count(None) > 35
        assert sum(errors.count(None) for errors in others) < 15


async def test_nobody_waits_behind_more_than_one_turn_of_a_flood(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=1000), env={**FAIR, "pool_rpm": "4"}) as potluck:
        flood = [asyncio.create_task(potluck.ask("flood", f"question {number}")) for number in range(40)]
        await asyncio.sleep(1)
        for number in range(3):
            heard = await potluck.ask(f"m{number}")
            assert heard.error is None
            assert not heard.places or heard.places[0] == 1
        for question in flood:
            question.cancel()
        await asyncio.wait(flood)
        await potluck.quiet()


async def test_a_refusal_explains_itself(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=10), env=FAIR) as potluck:
        while True:
            heard = await potluck.ask("flood")
            if heard.error:
                break
        assert isinstance(heard.ending, Failed)
        assert heard.error == "daily_share_spent"
        assert heard.ending.error.resets_at == potluck.running.scheduler.resets_at
        share = heard.ending.share
        assert share.left_now == 0
        assert share.level < share.used + 1
        decision = potluck.running.scheduler.decision(Member("web", "flood"), WEB)
        assert decision is not None
        assert decision.verdict == "above_level"
        assert decision.left > 0
        assert decision.held_back_for_others > 0
        assert [day.day for day in decision.days] == [None], "no history yet: one invented day"
        sent = len(potluck.sandbox.log)
        assert (await potluck.ask("flood")).error == "daily_share_spent"
        assert len(potluck.sandbox.log) == sent


async def test_a_restart_rebuilds_the_same_level(tmp_path: Path, clock: VirtualClock) -> None:
    members = [Member("web", name) for name in ("ann", "ben", "flood", "nobody")]

    def standing(potluck: Deployment) -> list[object]:
        scheduler = potluck.running.scheduler
        return [(scheduler.share(member, WEB), scheduler.decision(member, WEB)) for member in members]

    env = {**FAIR, "promise_units": "1"}
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=env) as potluck:
        await asyncio.gather(
            chat(potluck, "flood", 60, every=5), chat(potluck, "ann", 3, every=60), chat(potluck, "ben", 1, every=1)
        )
        assert (await potluck.ask("ben", "sandbox:provider_down")).error == "upstream_failed"
        gone = asyncio.create_task(potluck.ask("ann"))
        await asyncio.sleep(0.3)
        gone.cancel()
        await asyncio.wait([gone])
        await potluck.quiet()
        before = standing(potluck)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=env) as potluck:
        assert standing(potluck) == before


async def test_yesterday_is_history_today(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=FAIR) as potluck:
        await chat(potluck, "ann", 3, every=60)
        await asyncio.sleep(DAY)
        assert (await potluck.ask("ann")).error is None
        decision = potluck.running.scheduler.decision(Member("web", "ann"), WEB)
        assert decision is not None
        yesterday = int(clock.now() // DAY) - 1
        assert {day.day for day in decision.days} == {None, yesterday}
        days = decision.days
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=50), env=FAIR) as potluck:
        decision = potluck.running.scheduler.decision(Member("web", "ann"), WEB)
        assert decision is not None
        assert decision.days == days


async def test_a_promise_is_set_aside_and_kept(tmp_path: Path, clock: VirtualClock) -> None:
    env = {**FAIR, "promise_units": "2"}
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=12), env=env) as potluck:
        heard = await potluck.ask("ann")
        assert isinstance(heard.ending, Finished)
        promised = heard.ending.share.left_sure
        assert promised >= 1
        await asyncio.gather(*(chat(potluck, f"m{number}", 12, every=7) for number in range(6)))
        errors = await chat(potluck, "ann", promised, every=1)
        assert errors == [None] * promised, "whatever the others did meanwhile"
        await potluck.quiet()


async def _refused(potluck: Deployment, user: str) -> None:
    """Ask until the share is taken."""
    while (await potluck.ask(user)).error is None:
        pass


async def _followed(potluck: Deployment, ticket: TicketId) -> Heard:
    heard = Heard()
    async for event in potluck.running.conversations.follow(ticket):
        heard.events.append(event)
    return heard


async def _hold(potluck: Deployment, user: str, text: str = "later then", **more: Any) -> Held:
    heard = await potluck.hear(potluck.message(user, text, hold=True, **more))
    assert isinstance(heard.ending, Held), heard.events
    return heard.ending


async def test_a_held_question_is_answered_when_there_is_room(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann", "sandbox:echo the heron")
        assert held.estimate_at is not None
        assert clock.now() < held.estimate_at < potluck.running.scheduler.resets_at
        heard = await _followed(potluck, held.ticket)
        assert isinstance(heard.ending, Finished)
        assert "heron" in heard.text
        assert clock.now() == pytest.approx(held.estimate_at, abs=1200), "nobody else came: the estimate was right"
        again = await _followed(potluck, held.ticket)
        assert (again.text, again.error) == (heard.text, None), "told again from its beginning"
        await potluck.quiet()


async def test_a_held_question_waits_on_while_the_pool_is_shut(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann")
        assert held.estimate_at is not None
        sent = len(potluck.sandbox.log)
        potluck.running.scheduler.shut("admin")
        await asyncio.sleep(held.estimate_at + 1800 - clock.now())
        assert len(potluck.sandbox.log) == sent
        potluck.running.scheduler.reopen()
        assert isinstance((await _followed(potluck, held.ticket)).ending, Finished)
        assert len(potluck.sandbox.log) == sent + 1
        await potluck.quiet()


async def test_a_held_question_survives_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann", "sandbox:echo the heron")
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        heard = await _followed(potluck, held.ticket)
        assert "heron" in heard.text
        assert len(potluck.sandbox.log) == 1
        await potluck.quiet()
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        assert (await _followed(potluck, held.ticket)).text == heard.text
        assert potluck.sandbox.log == [], "never twice"


async def test_a_held_question_keeps_who_asked_and_where_over_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    """Its channel's persona, and what is laid down for its author's role: nobody asks again, but they are known."""
    ada, cook = Member("web", "ada"), InRole("cook")
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        admin = Person(potluck.running.registry, clock, ada, manages=True)
        await admin.does("admin persona set", text="Speak as a heron.", channel="pond")
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann", "sandbox:echo", channel="pond", roles=("cook",))
        await admin.does("admin persona clear", channel="pond")
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        admin = Person(potluck.running.registry, clock, ada, manages=True)
        began = clock.now()
        await admin.does("admin quota set", who=cook, every_day="15")
        heard = await _followed(potluck, held.ticket)
        assert clock.now() - began < 60, "the role is known to be hers, so there is room at once"
        assert "Speak as a heron." in heard.text, "as it was when she asked"
        await potluck.quiet()


async def test_a_held_question_can_be_given_up_and_costs_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        before = await potluck.counted()
        held = await _hold(potluck, "ann")
        following = asyncio.create_task(_followed(potluck, held.ticket))
        await asyncio.sleep(1)
        assert await potluck.running.conversations.give_up(held.ticket)
        assert not await potluck.running.conversations.give_up(held.ticket)
        assert (await following).error == "stopped"
        assert (await _followed(potluck, held.ticket)).error == "stopped"
        await asyncio.sleep(DAY)
        assert (await potluck.counted())["leases"] == before["leases"]


async def test_at_most_two_are_held_and_the_third_is_refused(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        first = await potluck.ask("ann")
        assert isinstance(first.ending, Failed)
        assert first.ending.may_hold
        tickets = {(await _hold(potluck, "ann")).ticket for _ in range(2)}
        assert len(tickets) == 2
        third = await potluck.hear(replace(potluck.message("ann"), hold=True))
        assert third.error == "daily_share_spent"
        assert isinstance(third.ending, Failed)
        assert not third.ending.may_hold


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "off over midnight"])
async def test_what_found_no_room_ends_with_a_word_at_midnight(
    tmp_path: Path, clock: VirtualClock, restarted: bool
) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=6), env=FAIR) as potluck:
        await _refused(potluck, "ann")
        midnight = potluck.running.scheduler.resets_at
        held = await _hold(potluck, "ann")
        # All that is left is kept for something that begins tomorrow: there will be no room today.
        await lay_down(potluck.running, Terms(reserves=(Reserve(units=100, until=Instant(midnight + 3600)),)))
        sent = (await potluck.counted())["leases"]
        if not restarted:
            following = await _followed(potluck, held.ticket)
            assert following.error == "hold_expired"
            assert clock.now() == pytest.approx(midnight, abs=1)
    await asyncio.sleep(max(0.0, midnight + 60 - clock.now()))
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=6), env=FAIR) as potluck:
        await asyncio.sleep(3600)
        assert (await _followed(potluck, held.ticket)).error == "hold_expired", "told again, and to whoever comes late"
        assert (await potluck.counted())["leases"] == sent, "never sent, and nobody was charged"
        assert potluck.running.scheduler.share(Member("web", "ann"), WEB).used == 0


@pytest.mark.parametrize("turns", range(8))
async def test_what_is_given_up_just_as_the_day_ends_stops_no_other(
    tmp_path: Path, clock: VirtualClock, turns: int
) -> None:
    """At every turn of the loop while those left over are told, one after the other."""
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        conversations, midnight = potluck.running.conversations, potluck.running.scheduler.resets_at
        await _refused(potluck, "ann")
        first, second = await _hold(potluck, "ann"), await _hold(potluck, "ann")
        await lay_down(potluck.running, Terms(reserves=(Reserve(units=100, until=midnight),)))
        await asyncio.sleep(midnight - clock.now())
        for _ in range(turns):
            await asyncio.sleep(0)
        await conversations.give_up(second.ticket)
        async with asyncio.timeout(DAY):
            assert (await _followed(potluck, first.ticket)).error == "hold_expired"
            assert (await _followed(potluck, second.ticket)).error in ("stopped", "hold_expired")
            await asyncio.sleep(600)
            await _refused(potluck, "ann")
            tomorrows = await _hold(potluck, "ann")
            assert isinstance((await _followed(potluck, tomorrows.ticket)).ending, Finished), "it is still looked at"
        await potluck.quiet()


async def test_what_an_admin_grants_is_there_at_once_also_for_what_is_held_and_after_a_restart(
    tmp_path: Path, clock: VirtualClock
) -> None:
    ann = Member("web", "ann")
    granted = Terms(members={ann.key: MemberTerms(every_day=100)}, reserves=(Reserve(units=1, until=Instant(4e9)),))
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        scheduler = potluck.running.scheduler
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann")
        began = clock.now()
        await lay_down(potluck.running, granted)
        assert isinstance((await _followed(potluck, held.ticket)).ending, Finished)
        assert clock.now() - began < 60, "held questions are looked at as soon as there is more room"
        decision, share = scheduler.decision(ann, WEB), scheduler.share(ann, WEB)
        assert decision is not None
        assert (decision.verdict, decision.left) == ("granted", 0), "all that the pool has is ann's"
        assert share.left_now == 20 - scheduler.used, "and the share says so"
        assert (await potluck.ask("ben")).error == "daily_share_spent"
        await potluck.quiet()
        before = scheduler.decision(ann, WEB), scheduler.share(ann, WEB), scheduler.decision(Member("web", "ben"), WEB)
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=FAIR) as potluck:
        scheduler = potluck.running.scheduler
        after = scheduler.decision(ann, WEB), scheduler.share(ann, WEB), scheduler.decision(Member("web", "ben"), WEB)
        assert repr(after) == repr(before)
        await lay_down(potluck.running, Terms(members={ann.key: MemberTerms(block=Block())}))
        assert (await potluck.ask("ann")).error == "member_blocked"
        await potluck.ask("ben")


async def test_who_goes_away_while_a_question_is_being_held_leaves_it_held_or_not_there(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=10), env=FAIR) as potluck:
        while (await potluck.ask("flood")).error is None:
            pass
        held = 0
        for steps in range(60):
            asking = asyncio.create_task(potluck.hear(potluck.message("flood", hold=True)))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            for ticket in await _waiting(potluck):
                held += 1
                assert await potluck.running.conversations.give_up(ticket), "it waits, and nobody knows of it"
        assert held
        await potluck.quiet()


async def _waiting(potluck: Deployment) -> list[TicketId]:
    wanted = select(metadata.tables["held_questions"].c.ticket).where(
        metadata.tables["held_questions"].c.ended.is_(None)
    )
    rows = await potluck.running.database.write(lambda core: core.scalars(wanted).all())
    return [TicketId(row) for row in rows]


async def test_an_unknown_ticket_is_no_ticket(tmp_path: Path, clock: VirtualClock) -> None:
    async with deployment(tmp_path, clock, env=FAIR) as potluck:
        with pytest.raises(KeyError):
            await _followed(potluck, TicketId("nonsense"))
        assert not await potluck.running.conversations.give_up(TicketId("nonsense"))


async def test_what_is_too_old_is_deleted_and_nothing_names_a_member_any_more(
    tmp_path: Path, clock: VirtualClock
) -> None:
    env = {**FAIR, "retain_messages_days": "1", "retain_counts_days": "28", "retain_audit_days": "29"}

    async def naming(potluck: Deployment) -> set[str]:
        """The tables in which a member's name or words still stand."""

        def unit(connection: Connection) -> set[str]:
            return {
                table.name
                for table in metadata.sorted_tables
                if any("ann" in str(row) or "heron" in str(row) for row in connection.execute(select(table)))
            }

        return await potluck.running.database.read(unit)

    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=env) as potluck:
        await _refused(potluck, "ann")
        held = await _hold(potluck, "ann", "the heron")
        await _followed(potluck, held.ticket)
        ada = Person(potluck.running.registry, clock, Member("web", "ada"), manages=True)
        for words, who in (("weight", "ann"), ("reset", "ann"), ("weight", "web:ben")):
            await ada.does(f"admin quota {words}", who=who, **({"times": "2"} if words == "weight" else {}))
        texts, counts = {"turns", "held_questions"}, {"leases", "member_days", "day_events", "changes"}
        line = set() if HOME.server is None else {"line_changes"}
        assert await naming(potluck) == texts | counts | line, "the control: they are there at first"
        await asyncio.sleep(3 * DAY)
        assert await naming(potluck) == counts
    await asyncio.sleep(26 * DAY)  # while it is off nothing is deleted: what is too old goes after the next start
    async with deployment(tmp_path, clock, sandbox=SandboxSettings(rpd=20), env=env) as potluck:
        await asyncio.sleep(DAY)
        assert await naming(potluck) == set()
        assert (await potluck.ask("ben")).error is None, "and the pool goes on"
