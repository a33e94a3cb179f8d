"""Enterprise Grid and Slack Connect: who is one member in several workspaces, and who is somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.slack.person import Person
from tests.fakes.slack.potluck import Installed, all_commands, in_slack
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.world import words_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

MANY = {"bot_token": ""}


@asynccontextmanager
async def grid(folder: Path, clock: VirtualClock, *, by_organisation: bool) -> AsyncIterator[Installed]:
    """Two workspaces of one organisation, T1 with C1 and T2 with C2; installed by each, or by the organisation."""
    slack = FakeSlack(clock, enterprise="E1")
    if by_organisation:
        slack.world.organisation("E1", "T1", "T2")
        slack.world.channel("C1", "T1")
    else:
        slack.world.team("T2", enterprise="E1")
    slack.world.channel("C2", "T2")
    await slack.start()
    try:
        async with in_slack(folder, clock, slack=slack, registry=all_commands, settings=MANY) as there:
            await there.install(*(["E1"] if by_organisation else ["T1", "T2"]))
            yield there
    finally:
        await slack.close()


def ann_in(there: Installed, team: str) -> Person:
    return there.slack.person("U1ANN", at=team, enterprise="E1")


async def shares(there: Installed) -> dict[str, int]:
    """What each member has taken, by the database."""
    rows = await there.potluck.rows("SELECT member, sum(taken) FROM member_days GROUP BY member")
    return {member: int(taken) for member, taken in rows}


async def answered(there: Installed, person: Person, channel: str) -> str:
    said = await person.asks("one of two", channel=channel)
    (answer,) = await there.slack.settled(channel, said.root)
    await asyncio.sleep(30)
    assert len(there.slack.thread(channel, said.root)) == 1
    return answer.beside


@pytest.mark.parametrize("by_organisation", [False, True])
async def test_a_user_of_an_organisation_has_one_share_in_all_its_workspaces(
    tmp_path: Path, clock: VirtualClock, by_organisation: bool
) -> None:
    async with grid(tmp_path, clock, by_organisation=by_organisation) as there:
        assert "1 of today" in await answered(there, ann_in(there, "T1"), "C1")
        assert "2 of today" in await answered(there, ann_in(there, "T2"), "C2")
        assert await shares(there) == {"slack:E1/U1ANN": 2}
        assert not there.slack.delivery.unacked
        assert not [call for call in there.slack.api.calls if call.error]


async def test_installed_by_the_organisation_everything_works_in_each_of_its_workspaces(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with grid(tmp_path, clock, by_organisation=True) as there:
        slack, ann = there.slack, ann_in(there, "T2")
        said = await ann.asks("why?", channel="C2")
        (answer,) = await slack.settled("C2", said.root)
        await ann.says("and then?", channel="C2", thread=said.root)
        await slack.until(lambda: len(slack.thread("C2", said.root)) == 2)
        await ann.commands("quota", channel="C2")
        await slack.until(lambda: slack.responses)
        assert "Used 2" in " ".join(words_of(slack.responses[0]["blocks"]))
        await ann.opens("home")
        await slack.until(lambda: slack.views.homes.get(ann.id))
        await ann.presses("mute", answer)
        await slack.until(lambda: slack.whispers(ann.id))
        await slack.settled(ann.dm().id, (await ann.dms("and here?")).root)
        await ann.event({"type": "app_uninstalled"})
        slack.world.teams["E1"].revoked = True
        await asyncio.sleep(5)
        calls = len(slack.api.calls)
        await ann.asks("still there?", channel="C2")
        await asyncio.sleep(30)
        assert len(slack.api.calls) == calls


async def test_installed_by_the_organisation_what_was_in_line_is_answered_after_a_restart(
    tmp_path: Path, clock: VirtualClock
) -> None:
    slack = FakeSlack(clock, enterprise="E1")
    slack.world.organisation("E1", "T1")
    slack.world.channel("C1", "T1")
    await slack.start()
    try:
        async with in_slack(tmp_path, clock, slack=slack, settings=MANY, pool_rpm="1") as there:
            await there.install("E1")
            ann, ben = ann_in(there, "T1"), slack.person("U2BEN", at="T1", enterprise="E1")
            await answered(there, ann, "C1")
            waiting = await ben.asks("second")
            await slack.until(lambda: slack.thread("C1", waiting.root))
        async with in_slack(tmp_path, clock, slack=slack, settings=MANY, pool_rpm="1") as there:
            await slack.settled("C1", waiting.root)
            assert "second" in slack.answer("C1", waiting.root)
    finally:
        await slack.close()


async def test_somebody_of_another_organisation_is_answered_and_counted_at_home(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """And their stream is for them there: with the workspace's own id Slack would not begin it."""
    async with in_slack(tmp_path, clock) as there:
        slack = there.slack
        slack.world.team("T9", name="Elsewhere")
        slack.world.channels["C1"].shared = True
        guest = slack.person("U7CY", team="T9", at="T1")
        said = await guest.asks("tell me something long")
        (answer,) = await slack.settled("C1", said.root)
        assert "something long" in answer.shown
        assert answer.recipient == ("T9", "U7CY")
        await asyncio.sleep(30)
        assert len(slack.thread("C1", said.root)) == 1
        assert await shares(there) == {"slack:T9/U7CY": 1}


async def test_guests_and_strangers_manage_nothing_and_are_no_full_members(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        slack = there.slack
        slack.world.team("T9", name="Elsewhere")
        slack.world.channels["C1"].shared = True
        strangers = slack.person("U7CY", team="T9", at="T1", is_admin=True)
        guests = slack.person("U6DEE", is_restricted=True, is_admin=True)
        for person in (strangers, guests):
            await person.commands("admin pool pause")
        await slack.until(lambda: len(slack.responses) == 2)
        assert all("those who manage" in " ".join(words_of(one["blocks"])) for one in slack.responses)
