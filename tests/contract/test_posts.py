"""What an adapter keeps of the answers it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.clock import Instant
from bot.messages import Attachment, CommunityId, ConversationId, IncomingMessage, Member, MessageId, ModelId, TicketId
from bot.posts import PostedAnswer
from bot.storage.posts import SqlPosts
from bot.storage.units import Where
from tests.fakes.databases import opened
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

MESSAGE = IncomingMessage(
    id=MessageId("discord:1"),
    conversation=ConversationId("discord:9/1"),
    community=CommunityId("discord:5"),
    author=Member("discord", "7"),
    author_name="Ann",
    place="the #general channel of a Discord server",
    text="what is 🍞?",
    received_at=Instant(1_790_000_000.25),
    model=ModelId("acme/wit:free"),
    hold=True,
    standing="full",
    roles=frozenset({"3", "4"}),
    groups=frozenset({"g"}),
    channel="9",
)
ANSWER = PostedAnswer(
    question=MESSAGE.id,
    conversation=MESSAGE.conversation,
    community=MESSAGE.community,
    member=MESSAGE.author,
    channel="9",
    reply_to="1",
    stage="waiting",
    asked_at=MESSAGE.received_at,
    message=MESSAGE,
)


@pytest.fixture
async def posts(where: Where, clock: VirtualClock, loop: VirtualLoop) -> AsyncIterator[SqlPosts]:
    async with opened(where, clock, loop) as database:
        yield SqlPosts(database, clock)


async def test_what_waits_is_kept_whole_and_its_text_only_as_long_as_it_waits(posts: SqlPosts) -> None:
    await posts.begin(ANSWER)
    await posts.begin(replace(ANSWER, channel="another"))
    assert await posts.unfinished("discord") == [ANSWER]
    assert await posts.unfinished("slack") == []
    await posts.move(MESSAGE.id, "started")
    assert await posts.unfinished("discord") == [replace(ANSWER, stage="started", message=None)]
    await posts.move(MESSAGE.id, "held", ticket=TicketId("t"))
    assert (await posts.unfinished("discord"))[0].ticket == "t"
    await posts.move(MESSAGE.id, "over")
    assert await posts.unfinished("discord") == []


async def test_every_message_of_an_answer_leads_back_to_it(posts: SqlPosts) -> None:
    await posts.begin(ANSWER)
    for number, post in ((1, "102"), (0, "101"), (0, "101")):
        await posts.posted(MESSAGE.id, number, post)
    found = await posts.find("discord", "102")
    assert found is not None
    assert (found.question, found.posts) == (MESSAGE.id, ("101", "102"))
    assert await posts.find("slack", "102") is None
    assert await posts.find("discord", "999") is None


async def test_what_is_over_is_forgotten_with_its_messages_and_what_is_not_stays(posts: SqlPosts) -> None:
    await posts.begin(ANSWER)
    await posts.posted(MESSAGE.id, 0, "101")
    later = Instant(MESSAGE.received_at + 1)
    assert await posts.prune(before=later) == 0
    await posts.move(MESSAGE.id, "over")
    assert await posts.prune(before=MESSAGE.received_at) == 0
    assert await posts.prune(before=later) == 1
    assert await posts.find("discord", "101") is None


async def test_notes_are_kept_for_each_platform(posts: SqlPosts) -> None:
    await posts.keep_note("discord", "mark", "abcd")
    await posts.keep_note("discord", "mark", "efgh")
    assert (await posts.note("discord", "mark"), await posts.note("slack", "mark")) == ("efgh", None)
    await posts.keep_note("discord", "mark", None)
    assert await posts.note("discord", "mark") is None


async def test_of_files_it_is_kept_that_the_core_has_them(posts: SqlPosts) -> None:
    file = Attachment(name="a.txt", media_type="text/plain", content=b"abc")
    await posts.begin(replace(ANSWER, message=replace(MESSAGE, attachments=(file,))))
    (waiting,) = await posts.unfinished("discord")
    assert waiting.message == replace(MESSAGE, files_of=MESSAGE.id)
    again = replace(MESSAGE, id=MessageId("discord:2"), files_of=MESSAGE.id)
    await posts.begin(replace(ANSWER, question=again.id, message=again))
    assert (await posts.unfinished("discord"))[1].message == again


async def test_a_question_with_a_key_in_it_is_not_kept(posts: SqlPosts) -> None:
    key = "sk-or-v1-" + "0123456789abcdef" * 4
    await posts.begin(replace(ANSWER, message=replace(MESSAGE, text=f"use {key}")))
    (waiting,) = await posts.unfinished("discord")
    assert waiting.message is None


async def test_a_question_that_was_never_sent_can_be_asked_again(posts: SqlPosts, clock: VirtualClock) -> None:
    """It goes with the answer, once that is old."""
    await posts.begin(ANSWER)
    await posts.posted(ANSWER.question, 0, "100")
    await posts.move(ANSWER.question, "over", keep=True)
    found = await posts.find("discord", "100")
    assert found is not None
    assert (found.message, found.stage) == (MESSAGE, "over")
    assert await posts.prune(before=Instant(MESSAGE.received_at + 1)) == 1
    assert await posts.find("discord", "100") is None
