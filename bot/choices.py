"""Which model answers whom: what was chosen for a conversation or a member, and whether it still holds.

What is kept is a wish. It is looked at anew for each message, since models go and grants end: a model that is gone is
forgotten, one that is closed to this member in this place or hidden there is passed over, and the member is told either
once. A model that costs is used for nobody's questions but those of the member who chose it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.errors import AnswerFailed, Refused
from bot.messages import (
    ChosenFor,
    CommunityId,
    IncomingMessage,
    InConversation,
    Member,
    ModelId,
    NoticeKind,
    Who,
)
from bot.pasted_keys import holds_key
from bot.ports import ModelOnOffer
from bot.routing.access import Access
from bot.routing.catalogue import is_free_id
from bot.routing.listing import listed, on_offer
from bot.routing.offer import Offer

ID_MAX = 200
"""Characters of an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model that was chosen."""

    model: ModelId
    by: Member


class ChoicesStore(Protocol):
    """Where choices outlive the process. `bot.storage.choices.SqlChoices` is the one."""

    async def load(self) -> Mapping[ChosenFor, Choice]: ...

    async def put(self, whom: ChosenFor, choice: Choice | None) -> None:
        """Keep it in place of the one there is; None: keep none."""
        ...


class Choices:
    """`bot.ports.ModelChoices`, and what the conversation service asks of it. `open` before use.

    Args:
        access: who may spend, in a community.
        offer: what can be asked for there at this moment.
        own_key: whether a member has an account of their own.
        opened: has the pool of a community opened, whose rules and models those are.
    """

    def __init__(
        self,
        *,
        store: ChoicesStore,
        access: Callable[[CommunityId], Access],
        offer: Callable[[Who], Offer],
        own_key: Callable[[Member], bool],
        opened: Callable[[CommunityId], Awaitable[object]],
    ) -> None:
        self._store, self._access, self._offer, self._own_key, self._opened = store, access, offer, own_key, opened
        self._kept: dict[ChosenFor, Choice] = {}
        self._told: set[tuple[Member, CommunityId, ModelId]] = set()
        """Who has heard that what they chose is closed to them, and where."""
        self._forgotten: set[ChosenFor] = set()
        """What is kept no longer, but stands in the store still."""

    async def open(self) -> None:
        """Read what was chosen."""
        self._kept = dict(await self._store.load())

    def chosen(self, whom: ChosenFor) -> ModelId | None:
        choice = self._kept.get(whom)
        return None if choice is None else choice.model

    async def look(self, message: IncomingMessage) -> None:
        """See to it that the rules at hand are those that stand, where the message may be for money."""
        named = [message.model, *(self.chosen(whom) for whom in _places(message))]
        if any(model is not None and not is_free_id(model) for model in named):
            await self.refresh(message.community)

    async def refresh(self, community: CommunityId) -> None:
        await self._opened(community)
        await self._access(community).refresh()

    def usable(self, who: Who, search: str = "", *, limit: int = 25, all: bool = False) -> Sequence[ModelOnOffer]:
        found = listed(
            self._offer(who),
            who,
            self._access(who.community).rules,
            own_key=self._own_key(who.member),
            search=search,
            all=all,
        )
        return found[: max(0, limit)]

    async def choose(self, whom: ChosenFor, model: ModelId | None, *, who: Who) -> None:
        if model is None:
            await self._keep(whom, None)
            return
        await self.refresh(who.community)
        if holds_key(model):
            raise AnswerFailed("bad_key", reason="pasted_key")
        if not (0 < len(model) <= ID_MAX and model.isprintable()):
            raise Refused("model_not_allowed", why="unknown")
        found = self._found(model, who)
        # What a member's own account may use is not known here: it is asked when it is used.
        if found is None and not self._own_key(who.member):
            raise Refused("model_not_allowed", why="unknown")
        if found is not None and found.why_not is not None:
            raise Refused("model_not_allowed", why=found.why_not)
        await self._keep(whom, Choice(model=model, by=who.member))

    def wanted(self, message: IncomingMessage) -> tuple[ModelId | None, NoticeKind | None]:
        """The model a message asks for, by itself or by what was chosen, and what its member has to be told of that.

        Where it is anything, `tidy` is due.
        """
        said: NoticeKind | None = None
        hidden = self._offer(message.who).hidden
        if message.model is not None:
            if message.model not in hidden:
                return message.model, None
            said = "model_gone"
        for whom in _places(message):
            if (choice := self._kept.get(whom)) is None:
                continue
            if choice.model in hidden:  # in this place: elsewhere it may be had, and here again one day
                said = said or self._once("model_gone", message, choice)
                continue
            verdict = self._verdict(choice, message.who)
            if verdict is None:
                return choice.model, said
            if verdict == "model_gone":
                del self._kept[whom]
                self._forgotten.add(whom)
                said = verdict
            elif verdict == "model_closed" and choice.by == message.author:
                said = said or self._once(verdict, message, choice)
        return None, said

    def _once(self, kind: NoticeKind, message: IncomingMessage, choice: Choice) -> NoticeKind | None:
        """What a member is told of a choice that does not hold here; None: they know."""
        here = (message.author, message.community, choice.model)
        if here in self._told:
            return None
        self._told.add(here)
        return kind

    async def tidy(self) -> None:
        """Let what is gone be forgotten for good."""
        for whom in list(self._forgotten):
            if whom not in self._kept:
                await self._store.put(whom, None)
            self._forgotten.discard(whom)

    def prefers(self, member: Member) -> ModelId | None:
        """What the member has chosen for themselves, wherever they ask."""
        return self.chosen(member)

    def _verdict(self, choice: Choice, who: Who) -> NoticeKind | None:
        """Why a choice does not hold for this member here; None: it does."""
        offer = self._offer(who)
        if self._own_key(who.member) and choice.by == who.member:
            return None
        found = self._found(choice.model, who)
        if found is None:
            # Without a catalogue nothing is known of what there is, so nothing is forgotten for its sake.
            return "model_gone" if offer.catalogue is not None else "model_closed"
        if found.why_not is not None or (choice.by != who.member and not offer.free(choice.model)):
            return "model_closed"
        return None

    def _found(self, model: ModelId, who: Who) -> ModelOnOffer | None:
        return on_offer(
            model,
            self._offer(who),
            who,
            self._access(who.community).rules,
            own_key=self._own_key(who.member),
        )

    async def _keep(self, whom: ChosenFor, choice: Choice | None) -> None:
        """In force at once, and kept."""
        if choice is None:
            self._kept.pop(whom, None)
        else:
            self._kept[whom] = choice
        self._told = {told for told in self._told if choice is None or told[2] != choice.model}
        await self._store.put(whom, choice)


def _places(message: IncomingMessage) -> tuple[ChosenFor, ...]:
    """Where a model may have been chosen for it, the nearest first."""
    return InConversation(message.conversation), message.author
