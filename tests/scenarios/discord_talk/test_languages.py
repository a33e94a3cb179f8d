"""In which language somebody is answered on Discord."""

from __future__ import annotations

import pytest

from adapters.rendering import chatting
from adapters.rendering.saying import tongue
from tests.fakes.conversations import ScriptedConversations
from tests.fakes.discord import components
from tests.fakes.discord.house import House
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

GERMAN = tongue("de")


def footer(home: House) -> str:
    return components.texts(home.last())[-1]


async def test_a_server_has_a_language_and_a_person_may_have_another(home: House, clock: VirtualClock) -> None:
    home.guild["preferred_locale"] = "de"
    elsewhere = home.discord.world.channel(home.discord.world.guild())
    await home.start(talks := ScriptedConversations(clock))
    home.ann.mention(home.channel, "Warum ist der Himmel blau?")
    await home.until(lambda: home.reads() and "acme/wit" in home.reads()[-1])
    assert " · kostenlos · " in footer(home)
    assert home.labels(home.last()) == ["Noch einmal"]
    await home.bob.press(home.last(), "Noch einmal")
    assert home.bob.reads(home.channel)[-1] == chatting.ONLY_WHO_ASKED.text, "to Bob in his own"
    await home.bob.slash(home.channel, "ask", question="and the sea?")
    await home.until(lambda: len(talks.asked) == 2 and "acme/wit" in home.reads()[-1])
    assert " · free · " in footer(home)
    home.bob.mention(home.channel, "and the trees?")
    await home.until(lambda: len(talks.asked) == 3 and "acme/wit" in home.reads()[-1])
    assert " · free · " in footer(home), "known from what he used before"
    uwe = home.discord.person("Uwe", locale="de")
    await uwe.slash(elsewhere, "mute")
    assert uwe.reads(elsewhere)[-1] == GERMAN.say(chatting.NOT_IN_THREAD)
    uwe.mention(elsewhere, "")
    await home.until(lambda: home.reads(elsewhere)[-1:] == [GERMAN.say(chatting.EMPTY)])
    home.ann.mention(elsewhere, "")
    await home.until(lambda: home.reads(elsewhere)[-1:] == [chatting.EMPTY.text])
