"""What belongs to a person, for adapters that know accounts: each call is one for the person the account is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import SecretStr

from bot.messages import ChosenFor, CommunityId, Member, ModelId, Who
from bot.people import People
from bot.ports import KeyLinks, KeyShown, LinkOpened, ModelChoices, ModelOnOffer


class PersonalKeys:
    """`bot.ports.KeyLinks` over another one that knows persons alone."""

    def __init__(self, keys: KeyLinks, people: People) -> None:
        self._keys, self._people = keys, people

    async def start(self, member: Member) -> LinkOpened:
        return await self._keys.start(await self._person(member))

    async def finish(self, member: Member, pasted: str) -> KeyShown:
        return await self._keys.finish(await self._person(member), pasted)

    async def paste(self, member: Member, pasted: SecretStr) -> KeyShown:
        return await self._keys.paste(await self._person(member), pasted)

    async def shown(self, member: Member) -> KeyShown | None:
        return await self._keys.shown(await self._person(member))

    async def remove(self, member: Member) -> bool:
        return await self._keys.remove(await self._person(member))

    async def _person(self, member: Member) -> Member:
        await self._people.settled(member)
        return self._people.of(member)


class PersonalChoices:
    """`bot.ports.ModelChoices` over another one that knows persons alone."""

    def __init__(self, choices: ModelChoices, people: People) -> None:
        self._choices, self._people = choices, people

    def chosen(self, whom: ChosenFor) -> ModelId | None:
        return self._choices.chosen(self._whom(whom))

    def usable(self, who: Who, search: str = "", *, limit: int = 25, all: bool = False) -> Sequence[ModelOnOffer]:
        return self._choices.usable(self._who(who), search, limit=limit, all=all)

    async def refresh(self, community: CommunityId) -> None:
        await self._choices.refresh(community)

    async def choose(self, whom: ChosenFor, model: ModelId | None, *, who: Who) -> None:
        await self._people.settled(who.member)
        await self._choices.choose(self._whom(whom), model, who=self._who(who))

    def _whom(self, whom: ChosenFor) -> ChosenFor:
        return self._people.of(whom) if isinstance(whom, Member) else whom

    def _who(self, who: Who) -> Who:
        accounts = frozenset(self._people.accounts(who.member))
        return replace(who, member=self._people.of(who.member), accounts=accounts)
