"""Running commands as somebody, and reading their answers as plain text."""

from __future__ import annotations

from adapters.rendering.saying import Speech
from bot.clock import Clock
from bot.commands.answer import Answer, Facts, Table, sentences
from bot.commands.command import Caller, Given
from bot.commands.registry import Registry
from bot.messages import CommunityId, Member, Standing


class Person:
    """Somebody who gives commands."""

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        member: Member,
        *,
        community: str = "web",
        manages: bool = False,
        standing: Standing = "full",
        channel: str = "",
    ) -> None:
        self._registry, self.speech = registry, Speech(clock=clock)
        self.caller = Caller(
            member=member,
            name=member.user,
            community=CommunityId(community),
            standing=standing,
            manages=manages,
            channel=channel,
        )

    async def run(self, words: str, **given: Given) -> Answer:
        """The answer to a command, such as `admin quota grant`."""
        return await self._registry.run(tuple(words.split()), given, self.caller)

    async def does(self, words: str, **given: Given) -> Answer:
        """The same, which must be done."""
        answer = await self.run(words, **given)
        assert answer.ok, self.read(answer)
        return answer

    async def fails(self, words: str, **given: Given) -> str:
        """The one sentence that says why it was not done."""
        answer = await self.run(words, **given)
        assert not answer.ok, self.read(answer)
        said = sentences(answer)
        assert len(said) == 1, said
        return self.speech.say(said[0])

    def read(self, answer: Answer) -> str:
        """All it says."""
        rows = [self.speech.say(one) for one in sentences(answer)]
        for part in answer.parts:
            if isinstance(part, Table):
                rows += [" | ".join(self.speech.value(one) for one in row) for row in part.rows]
            if isinstance(part, Facts):
                rows += [f"{self.speech.say(name)}: {self.speech.value(value)}" for name, value in part.rows]
        return "\n".join(rows)
