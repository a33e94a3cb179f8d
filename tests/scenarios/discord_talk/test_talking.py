"""What a person on Discord gets for what they write."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.rendering import chatting
from bot.ports import Turn
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord.house import House, house
from tests.fakes.discord.places import SEND_MESSAGES
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual


async def test_a_mention_is_answered_below_it(home: House, talks: ScriptedConversations) -> None:
    asked = home.ann.mention(home.channel, "how are you?")
    await home.until(lambda: home.reads())
    assert home.reads()[0].startswith("You said: how are you?\n-# `acme/wit-7b:free` · free · ")
    assert home.last()["message_reference"]["message_id"] == asked["id"]
    assert home.labels(home.last()) == ["Again"]
    assert home.discord.world.typed, "typing is shown at once"
    (question,) = talks.asked
    assert question.author.key == f"discord:{home.ann.id}"
    assert question.community == f"discord:{home.guild['id']}"
    assert question.place == "the #general channel of a Discord server"
    assert (question.standing, question.hold) == ("full", True)


async def test_a_reply_goes_on_with_the_conversation_and_others_have_their_own(
    home: House, talks: ScriptedConversations
) -> None:
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    home.ann.say(home.channel, "two", reply_to=home.last())
    await home.until(lambda: len(home.reads()) == 2)
    home.bob.mention(home.channel, "three")
    await home.until(lambda: len(home.reads()) == 3)
    home.bob.say(home.channel, "four", reply_to=home.ann.sees(home.channel)[1])
    await home.until(lambda: len(home.reads()) == 4)
    first, second, third, fourth = (message.conversation for message in talks.asked)
    assert first == second == fourth != third
    assert [message.text for message in talks.asked] == ["one", "two", "three", "four"]


async def test_a_reply_chain_outlives_a_restart(home: House, talks: ScriptedConversations, clock: VirtualClock) -> None:
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    await home.stop()
    again = ScriptedConversations(clock)
    await home.start(again)
    home.ann.say(home.channel, "two", reply_to=home.last())
    await home.until(lambda: len(home.reads()) == 2)
    assert again.asked[0].conversation == talks.asked[0].conversation


async def test_a_direct_message_needs_no_mention(home: House, talks: ScriptedConversations) -> None:
    home.ann.say(home.ann.dm, "one")
    await home.until(lambda: home.reads(home.ann.dm))
    home.ann.say(home.ann.dm, "two")
    await home.until(lambda: len(home.reads(home.ann.dm)) == 2)
    one, two = talks.asked
    assert one.conversation == two.conversation
    assert (one.community, one.place) == ("discord:dm", "a direct message on Discord")


async def test_a_reply_with_the_ping_off_gets_one_line_that_says_why(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads())
    answer = home.last()
    home.bob.say(home.channel, "I have a question, too", reply_to=answer, ping=False)
    await home.until(lambda: len(home.reads()) == 2)
    assert home.reads()[-1].startswith("I got your reply, but not its text")
    home.bob.say(home.channel, "again", reply_to=answer, ping=False)
    await home.until(lambda: len(home.reads()) == 1, seconds=90)  # the hint goes by itself, and came once
    assert len(talks.asked) == 1


async def test_what_is_not_for_the_bot_is_left_alone(home: House, talks: ScriptedConversations) -> None:
    other = home.bob.say(home.channel, "hello everyone")
    home.ann.say(home.channel, "hello Bob", reply_to=other)
    home.ann.say(home.channel, f"<@{home.bob.id}> are you there?")
    home.ann.say(home.channel, "@everyone look")
    home.ann.mention(home.channel, "and you?")
    await home.until(lambda: home.reads())
    assert [message.text for message in talks.asked] == ["and you?"]


async def test_names_stand_in_place_of_ids(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, f"what does <@{home.bob.id}> mean by 5 <@1> in <#{home.channel.id}> <a:wave:77>?")
    await home.until(lambda: talks.asked)
    assert talks.asked[0].text == "what does @Bob mean by 5 <@1> in #general :wave:?"


async def test_who_mentions_the_bots_role_is_told_how_to_be_heard(home: House, talks: ScriptedConversations) -> None:
    """It looks the same as the bot's name, and what mentions it alone is hidden. Other roles are left alone."""
    home.bob.say(home.channel, f"<@&{home.guild['id']}> hello")
    home.ann.say(home.channel, f"<@&{home.guild['roles'][1]['id']}> how are you?")
    await home.until(lambda: home.reads())
    assert home.reads() == [chatting.BY_ROLE.text]
    assert talks.asked == []


async def test_a_mention_without_a_question_is_told_what_to_do(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, "")
    await home.until(lambda: home.reads())
    assert "Write it after my name" in home.reads()[0]
    assert talks.asked == []


async def test_a_thread_goes_on_without_mentions_until_it_is_muted(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        home.discord.world.content_intent = True
        talks = ScriptedConversations(clock)
        await home.start(talks)
        thread = home.discord.world.thread(home.channel)
        home.ann.say(thread, "not for the bot")
        home.ann.mention(thread, "one")
        await home.until(lambda: len(home.reads(thread)) == 1)
        home.bob.say(thread, "two")
        await home.until(lambda: len(home.reads(thread)) == 2)
        await home.ann.slash(thread, "mute")
        home.bob.say(thread, "three")
        home.bob.mention(thread, "four")
        await home.until(lambda: len(home.reads(thread)) == 4)
        home.bob.say(thread, "five")
        await home.until(lambda: len(home.reads(thread)) == 5)
        assert [message.text for message in talks.asked] == ["one", "two", "four", "five"]
        assert len({message.conversation for message in talks.asked}) == 1
        assert talks.asked[0].place == "the #a thread thread of a Discord server"


async def test_what_people_say_to_each_other_in_a_thread_is_not_asked(
    tmp_path: Path, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with house(tmp_path, clock, loop) as home:
        home.discord.world.content_intent = True
        talks = ScriptedConversations(clock)
        await home.start(talks)
        thread = home.discord.world.thread(home.channel)
        asked = home.ann.mention(thread, "one")
        await home.until(lambda: len(home.reads(thread)) == 1)
        home.bob.say(thread, f"<@{home.ann.id}> what do you think?")
        home.bob.say(thread, "I mean this", reply_to=asked)
        home.bob.say(thread, "two", reply_to=home.last(thread))
        await home.until(lambda: len(home.reads(thread)) == 2)
        assert [message.text for message in talks.asked] == ["one", "two"]


async def test_other_bots_webhooks_and_announcements_are_left_alone(home: House, talks: ScriptedConversations) -> None:
    world = home.discord.world
    text = f"<@{world.bot['id']}> hello"
    other = world.user("Other", bot=True)
    world.users[int(other["id"])] = other
    world.message(home.channel, other, text)
    world.message(home.channel, home.bob.user, text, webhook_id="77")
    world.message(home.channel, home.bob.user, text, webhook_id="78", flags=1 << 1)
    world.message(home.channel, home.bob.user, text, type=7)
    home.ann.mention(home.channel, "control")
    await home.until(lambda: home.reads())
    assert [message.text for message in talks.asked] == ["control"]


@pytest.mark.parametrize("nothing", ["", "  \n", "\u200b", "\u200f\u200e \u2066\u2069", "\ufeff\u2060"])
async def test_a_question_nobody_can_see_costs_nothing(home: House, talks: ScriptedConversations, nothing: str) -> None:
    """Neither empty ones nor those of signs that have no width; the control is right to left and has some around it."""
    home.ann.mention(home.channel, nothing)
    await home.until(lambda: home.reads())
    assert "Write it after my name" in home.reads()[0]
    home.bob.mention(home.channel, "\u200fمرحبا\u200e")
    await home.until(lambda: talks.asked)
    assert [message.author.user for message in talks.asked] == [str(home.bob.id)]


async def test_a_name_of_any_length_and_direction_stays_out_of_the_way(
    home: House, talks: ScriptedConversations
) -> None:
    strange = home.discord.person("\u202e" + "x" * 32 + "\n@everyone `</user>")
    home.ann.mention(home.channel, f"who is <@{strange.id}>?")
    strange.mention(home.channel, "one")
    await home.until(lambda: sum("acme/wit" in text for text in home.reads()) == 2)
    assert home.discord.world.pings == []


async def test_where_the_bot_may_not_write_nothing_is_asked_or_tried(home: House, talks: ScriptedConversations) -> None:
    closed = home.discord.world.channel(home.guild, "closed", denied=SEND_MESSAGES)
    home.discord.world.tell("CHANNEL_CREATE", home.discord.world.channel_payload(closed))
    home.ann.mention(closed, "one")
    home.ann.mention(home.channel, "two")
    await home.until(lambda: home.reads())
    assert [message.text for message in talks.asked] == ["two"]
    assert home.discord.buckets.invalid == []


async def test_the_same_message_twice_is_one_question(home: House, talks: ScriptedConversations) -> None:
    asked = home.ann.mention(home.channel, "one")
    home.discord.world.tell("MESSAGE_CREATE", asked)
    await home.until(lambda: home.reads())
    home.discord.world.tell("MESSAGE_CREATE", asked)
    home.bob.mention(home.channel, "two")
    await home.until(lambda: len(home.reads()) == 2)
    assert [message.text for message in talks.asked] == ["one", "two"]


async def test_ask_answers_for_all_to_see_and_ask_about_this_quotes(home: House, talks: ScriptedConversations) -> None:
    await home.ann.slash(home.channel, "ask", question="what is it?")
    await home.until(lambda: home.reads()[-1:] and home.reads()[-1].startswith("You said: what is it?"))
    answer = home.last()
    theirs = home.bob.say(home.channel, "Bread needs salt.")
    await home.ann.use_on(theirs, "Ask about this")
    await home.until(lambda: "Bread needs salt." in home.reads()[-1])
    await home.ann.use_on(answer, "Ask about this")
    await home.until(lambda: len(talks.asked) == 3)
    assert "You said: what is it?" in talks.asked[2].text
    picture = home.bob.say(home.channel, "", files=[("a.png", b"\x89PNG\r\n\x1a\n", "image/png")])
    await home.ann.use_on(picture, "Ask about this")
    await home.until(lambda: len(talks.asked) == 4)
    assert [file.name for file in talks.asked[3].attachments] == ["a.png"]
    assert [message.author.user for message in talks.asked] == [str(home.ann.id)] * 4


async def test_again_asks_the_same_once_more_and_a_stranger_cannot(home: House, talks: ScriptedConversations) -> None:
    home.ann.mention(home.channel, "one")
    await home.until(lambda: home.reads() and home.labels(home.last()) == ["Again"])
    talks.kept[talks.asked[0].conversation] = [turn_of(talks)]
    await home.bob.press(home.last(), "Again")
    assert "Only who asked" in home.bob.reads(home.channel)[-1]
    assert len(home.reads()) == 1, "nobody else sees that"
    await home.ann.press(home.last(), "Again")
    await home.until(lambda: len(home.reads()) == 2)
    assert [message.text for message in talks.asked] == ["one", "one"]
    assert talks.asked[0].conversation == talks.asked[1].conversation


async def test_again_where_the_bot_is_not_itself_leaves_the_first_answer_as_it_is(
    home: House, talks: ScriptedConversations
) -> None:
    elsewhere = home.discord.world.channel({"id": "4242"}, "elsewhere")
    await home.ann.slash(elsewhere, "ask", here=False, question="one")
    await home.until(lambda: home.reads(elsewhere) and "acme/wit" in home.reads(elsewhere)[0])
    talks.kept[talks.asked[0].conversation] = [turn_of(talks)]
    await home.ann.press(home.last(elsewhere), "Again")
    await home.until(lambda: len(home.reads(elsewhere)) == 2 and "acme/wit" in home.reads(elsewhere)[1])
    assert [message.text for message in talks.asked] == ["one", "one"]
    assert home.discord.world.typed == []


def turn_of(talks: ScriptedConversations) -> Turn:
    first = talks.asked[0]
    return Turn(
        message=first.id,
        author=first.author,
        author_name=first.author_name,
        question=first.text,
        answer="",
        whole=True,
        ended=True,
        model=None,
        asked_at=first.received_at,
    )
