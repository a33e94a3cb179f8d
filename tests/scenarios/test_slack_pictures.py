"""Pictures of answers: seen by whom they are for, told in words where Slack shows none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.slack.person import Person
from tests.fakes.slack.potluck import Installed, all_commands, in_slack
from tests.fakes.slack.web_api import Fault
from tests.fakes.slack.world import Hosted, Json, Message, words_of
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual


def kinds(blocks: list[Json]) -> list[str]:
    return [block["type"] for block in blocks]


def images(message: Message) -> list[Json]:
    return [block for block in message.blocks if block["type"] == "image"]


def said_in(there: Installed, channel: str) -> list[Message]:
    """What the app wrote there for all to see, not below another message."""
    return [
        one
        for one in there.slack.world.messages.values()
        if (one.channel, one.thread, one.only_for) == (channel, None, None) and one.user == "UBOTT1"
    ]


def the_picture(there: Installed, message: Message) -> Hosted:
    (image,) = images(message)
    return there.slack.world.hosted[image["slack_file"]["id"]]


async def first_said(there: Installed, channel: str) -> Message:
    await there.slack.until(lambda: said_in(there, channel))
    return said_in(there, channel)[0]


async def test_in_direct_messages_the_share_comes_with_its_picture(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        ann = there.slack.person("U1ANN")
        await ann.commands("quota", channel=ann.dm().id)
        message = await first_said(there, ann.dm().id)
        picture = the_picture(there, message)
        assert picture.content.startswith(b"\x89PNG")
        assert picture.shared_in == {ann.dm().id}
        (image,) = images(message)
        assert image["alt_text"] == picture.alt
        assert image["alt_text"].startswith("The day so far: 0 of 50 requests of the pool are used, 0 of them by you.")
        assert "<!date" not in image["alt_text"], "no markup is read there"
        assert not there.slack.responses, "it is said once"


async def test_what_one_person_may_see_in_a_channel_has_words_there_and_its_picture_directly(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        await ann.commands("quota")
        await slack.until(lambda: slack.responses)
        (answer,) = slack.responses
        assert answer["response_type"] == "ephemeral"
        assert "image" not in kinds(answer["blocks"])
        assert "0 of them by you" in " ".join(words_of(answer["blocks"]))
        assert not slack.world.hosted, "nothing is uploaded that nobody asked for"
        await press_in(ann, answer, "picture")
        message = await first_said(there, ann.dm().id)
        assert the_picture(there, message).shared_in == {ann.dm().id}
        await slack.until(lambda: len(slack.responses) == 2)
        assert "direct messages" in " ".join(words_of(slack.responses[1]["blocks"]))
        assert not said_in(there, "C1")


async def press_in(person: Person, response: Json, action: str) -> None:
    """Press a button of a response."""
    shown = Message(channel="C1", ts="1.1", thread=None, user="UBOTT1", blocks=response["blocks"], only_for=person.id)
    await person.presses(action, shown)


async def test_what_all_may_see_comes_with_its_picture_where_it_was_asked(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        await there.slack.person("U1ANN").commands("pool")
        message = await first_said(there, "C1")
        assert the_picture(there, message).shared_in == {"C1"}
        assert not there.slack.responses


async def test_in_direct_messages_of_two_people_nothing_is_written(tmp_path: Path, clock: VirtualClock) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        theirs = slack.world.channel("D9", "T1", kind="im", members={"U1ANN", "U2BEN"})
        theirs.members.discard("UBOTT1")
        await ann.commands("quota", channel="D9")
        await slack.until(lambda: slack.responses)
        assert slack.responses[0]["response_type"] == "ephemeral"
        assert not slack.world.hosted


NO_PICTURE = {
    "no address is given": ("files.getUploadURLExternal", Fault(error="missing_scope")),
    "Slack breaks": ("files.completeUploadExternal", Fault(error="internal_error", status=500)),
    "the connection breaks": ("files.completeUploadExternal", Fault(drop=True)),
    "it may not be asked about": ("files.info", Fault(error="file_not_found")),
    "it is refused in the message": ("chat.postMessage", Fault(error="invalid_blocks")),
}


@pytest.mark.parametrize("fault", NO_PICTURE)
async def test_where_a_picture_does_not_come_about_there_are_words(
    tmp_path: Path, clock: VirtualClock, fault: str
) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        method, what = NO_PICTURE[fault]
        slack.api.faults[method].append(what)
        await ann.commands("quota", channel=ann.dm().id)
        await slack.until(lambda: slack.responses)
        await asyncio.sleep(30)
        (answer,) = slack.responses
        assert "0 of them by you" in " ".join(words_of(answer["blocks"]))
        assert not said_in(there, ann.dm().id)


async def test_a_picture_that_slack_does_not_look_over_in_time_is_told_in_words(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with in_slack(tmp_path, clock, registry=all_commands) as there:
        slack, ann = there.slack, there.slack.person("U1ANN")
        slack.files.looking_over = 60.0
        await ann.commands("quota", channel=ann.dm().id)
        await slack.until(lambda: slack.responses)
        assert not said_in(there, ann.dm().id)
