"""What becomes of files that come with a message on Discord."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.conversation.attachments import MOST_BYTES, MOST_FILES, MOST_TOGETHER
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House
from tests.fakes.discord.scripts import streaming

pytestmark = pytest.mark.virtual

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def test_a_picture_and_a_text_reach_the_core_as_they_are(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, "look", files=[("a.png", PICTURE, "image/png"), ("b.py", b"x = 1\n", None)])
    await home.until(lambda: home.reads())
    picture, code = talks.asked[0].attachments
    assert (picture.name, picture.media_type, picture.content) == ("a.png", "image/png", PICTURE)
    assert (code.name, code.media_type, code.content) == ("b.py", "", b"x = 1\n")


async def test_a_long_paste_is_the_question(home: House, talks: ScriptedConversations) -> None:
    text = "a long paste, " * 300
    home.ann.say(home.ann.dm, "", files=[("message.txt", text.encode(), "text/plain; charset=utf-8")])
    await home.until(lambda: talks.asked)
    assert talks.asked[0].text == text
    assert talks.asked[0].attachments == ()


async def test_a_file_that_is_not_what_was_said_is_not_read_to_its_end(
    home: House, talks: ScriptedConversations
) -> None:
    message = home.ann.mention(home.channel, "look", files=[("a.png", bytes(MOST_BYTES * 3), "image/png")])
    await home.until(lambda: talks.asked)
    assert len(talks.asked[0].attachments[0].content) == MOST_BYTES + 1, "refused for its size, without a request"
    lying = [{**message["attachments"][0], "size": 10}]
    home.discord.world.message(home.channel, home.ann.user, message["content"], attachments=lying)
    await home.until(lambda: len(talks.asked) == 2)
    assert MOST_BYTES < len(talks.asked[1].attachments[0].content) < MOST_BYTES + 2**20


async def test_a_file_from_elsewhere_is_left_alone_and_said_so(home: House, talks: ScriptedConversations) -> None:
    message = home.ann.mention(home.channel, "look", files=[("a.png", PICTURE, "image/png")])
    await home.until(lambda: home.reads())
    elsewhere = [{**message["attachments"][0], "url": "http://127.0.0.1:9/attachments/1/2/b.png"}]
    home.discord.world.message(home.channel, home.bob.user, message["content"], attachments=elsewhere)
    await home.until(lambda: "could not load the file a.png" in home.reads()[-1])
    gone = [{**message["attachments"][0], "url": f"{home.discord.world.base}/attachments/1/2/gone.png?ex=1&is=2&hm=3"}]
    home.discord.world.message(home.ann.dm, home.ann.user, "look", attachments=gone)
    await home.until(lambda: home.reads(home.ann.dm))
    assert len(talks.asked) == 1


async def test_too_many_files_are_counted_and_not_fetched(home: House, talks: ScriptedConversations) -> None:
    files = [(f"{number}.png", PICTURE, "image/png") for number in range(MOST_FILES + 1)]
    home.ann.mention(home.channel, "look", files=files)
    await home.until(lambda: talks.asked)
    assert [len(file.content) for file in talks.asked[0].attachments] == [0] * (MOST_FILES + 1)


async def test_files_that_are_too_much_together_are_not_fetched(home: House, talks: ScriptedConversations) -> None:
    files = [(f"{number}.txt", b"x" * MOST_BYTES, "text/plain") for number in range(3)]
    home.ann.mention(home.channel, "look", files=files)
    await home.until(lambda: talks.asked)
    assert sum(len(file.content) for file in talks.asked[0].attachments) > MOST_TOGETHER
    assert home.discord.fetched == []
    home.ann.mention(home.channel, "look", files=files[:1])
    await home.until(lambda: len(talks.asked) == 2)
    assert len(home.discord.fetched) == 1, "the control is"


async def test_of_files_the_chat_keeps_only_that_there_are_some(home: House, talks: ScriptedConversations) -> None:
    """After a restart the question comes without their contents, and says whose to go along: its own."""
    talks.script = streaming(talks, text="never", seconds=1, queue=[(1, 600.0)])
    home.ann.mention(home.channel, "look", files=[("a.png", PICTURE, "image/png")])
    await home.until(lambda: home.reads())
    await home.kill()
    again = ScriptedConversations(talks._clock)
    await home.start(again)
    await home.until(lambda: again.asked)
    assert again.asked[0] == replace(talks.asked[0], attachments=(), files_of=talks.asked[0].id)
