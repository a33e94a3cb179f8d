"""The seams: what adapters are given and have to be, as small Protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NewType, Protocol, TypeAlias

from pydantic import SecretStr

from bot.clock import Instant
from bot.errors import NotAllowed
from bot.messages import (
    ChosenFor,
    CommunityId,
    ConversationId,
    Explanation,
    IncomingMessage,
    Lane,
    Member,
    MessageId,
    ModelId,
    Queued,
    ReplyEvent,
    Share,
    TicketId,
    Who,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """The pool as anyone may see it."""

    sandbox: bool
    """True: the built-in sandbox stands in for OpenRouter."""
    rpm: int
    rpd: int
    used: int
    """Units of today's `rpd` that are gone."""
    minute_used: int
    """Starts within the rolling minute."""
    waiting: int
    """Tickets in line."""
    answering: int
    """Requests under way upstream."""
    resets_at: Instant
    paused_until: Instant | None = None
    shut_for: str | None = None
    """Why nothing is sent until somebody has seen to it; None: the pool is open."""
    own: bool = False
    """The community's own account feeds it; else everybody who has none shares it."""


FileId = NewType("FileId", int)
FileKind: TypeAlias = Literal["image", "text", "pdf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file that came with a question, without its content."""

    id: FileId
    name: str
    """As its sender called it, on one line and without folders. Never markup."""
    kind: FileKind
    media_type: str
    """What it is by its content."""
    size: int
    """Bytes, as it came."""
    length: int
    """Bytes of what is kept: of an image all, else its text in UTF-8."""
    tokens: int
    """About how many tokens what is kept is to a model."""
    cut: bool
    """It held more text than is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question with its answer, as it is kept."""

    message: MessageId
    author: Member
    author_name: str
    question: str
    answer: str
    whole: bool
    """False: the answer was cut off, or never came."""
    ended: bool
    """False: the answer is still being written."""
    model: ModelId | None
    asked_at: Instant
    files: tuple[KeptFile, ...] = ()
    """What came with the question."""


class Conversations(Protocol):
    """The core as an adapter sees it: `bot.conversation.service.ConversationService` is the one."""

    def reply(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        """Answer one message. Ends with exactly one of `Finished`, `Failed`, `Held`.

        A message id that was handled before yields nothing at all. Closing the generator stops the answer:
        a question that was not sent yet leaves the line, one that was is cut off and stays spent.
        """
        ...

    def stop(self, conversation: ConversationId, member: Member) -> bool:
        """Stop what this member has waiting or streaming there; its reply ends as `stopped`.

        False: there was nothing to stop.
        """
        ...

    async def share(self, member: Member, community: CommunityId) -> Share:
        """What the member has taken and may still take today of the pool that the community has.

        Costs nothing, and waits for nothing but that pool to be opened, where it has not been used for long.
        """
        ...

    async def explain(self, member: Member, community: CommunityId) -> Explanation | None:
        """Why the member's next question may go or not; None: the policy has no reasons but what is left.

        Changes nothing. Takes a few times as long as `share`, as it looks ahead for when there is room.
        """
        ...

    async def pool(self, community: CommunityId | None = None) -> PoolView:
        """The state now of the pool that a community has; None: of the one for all that have none of their own.

        Costs and waits as `share`.
        """
        ...

    async def turns(self, conversation: ConversationId, *, limit: int = 50) -> list[Turn]:
        """The newest turns of a conversation, oldest first."""
        ...

    async def forget(self, conversation: ConversationId) -> None:
        """Start over: the turns kept so far are no longer sent as context."""
        ...

    def follow(self, ticket: TicketId) -> AsyncGenerator[ReplyEvent]:
        """The rest of a held reply, from where it stands now.

        Raises:
            KeyError: no such ticket.
        """
        ...

    async def give_up(self, ticket: TicketId) -> bool:
        """Drop a held question. False: there is none under this ticket."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCourse:
    """The day so far: the units that were gone at each moment at which their number changed, oldest first."""

    begins: Instant
    pool: Sequence[tuple[Instant, int]]
    """Of the pool. The last one is what it says of itself now, units that were used elsewhere included."""
    mine: Sequence[tuple[Instant, int]]
    """Of one member. The last one is what the member's share says now."""


class DayBook(Protocol):
    """The day that runs, for those who look back at it: `bot.day_book.LedgerDayBook` is the one."""

    def place(self, member: Member, community: CommunityId) -> Queued | None:
        """Where the first of the member's questions stands in line; None: none waits."""
        ...

    async def course(self, member: Member, community: CommunityId) -> DayCourse: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOnOffer:
    """A model as a member may choose it, or why not."""

    id: ModelId
    name: str
    """`Maker: Model`, as OpenRouter shows it."""
    lane: Lane
    """How the member's questions to it are paid for."""
    prompt: Decimal | None
    """US dollars per million tokens sent; with `completion` 0 where it is free. None: no price is known beforehand."""
    completion: Decimal | None
    """US dollars per million tokens of the answer, reasoning included."""
    at_most: bool = False
    """A router picks the model: the prices are the highest it may pick at."""
    why_not: NotAllowed | None = None
    """None: the member may have it. That there is money left for it is another question."""

    @property
    def free(self) -> bool:
        return self.prompt == 0 and self.completion == 0


class ModelChoices(Protocol):
    """Which models members have chosen, and may: `bot.choices.Choices` is the one.

    A message that names a model has its own way. Else what was chosen for its conversation holds, then what its member
    chose, then what was chosen for its community; what none of them says is the deployment's.
    """

    def chosen(self, whom: ChosenFor) -> ModelId | None:
        """What was chosen for just this; None: nothing."""
        ...

    def usable(self, who: Who, search: str = "", *, limit: int = 25, all: bool = False) -> Sequence[ModelOnOffer]:
        """The models the member may use, free ones first, then by price.

        `search` narrows them to those whose id or name has each of its words; of these the ones that begin so go before
        the others of their kind. `all` adds what is closed to the member, at the end. Costs no request.
        """
        ...

    async def refresh(self, community: CommunityId) -> None:
        """See to it that the models and rules of the community's own pool are at hand, with what an admin has just
        changed from the shell; before `usable` is shown to somebody."""
        ...

    async def choose(self, whom: ChosenFor, model: ModelId | None, *, who: Who) -> None:
        """Keep a choice in place of the one there is; None: leave it to Potluck.

        `who` makes it: a model that costs is used for their own questions only, also in a conversation they share. For
        a community only what is free can be chosen.

        Raises:
            Refused: `model_not_allowed`, and why.
            AnswerFailed: `bad_key`, for what may be an OpenRouter key. It was not kept.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """What may be shown of a key that is kept."""

    last_four: str
    """Empty: the key is too short to show any of it, or cannot be read."""
    linked_at: Instant
    works: bool = True
    """False: OpenRouter refused it when it was last used, or it cannot be read any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOpened:
    """Where a member says yes, and until when the code shown there is taken."""

    link: str
    expires_at: Instant


class KeyLinks(Protocol):
    """Linking a member's own OpenRouter account: `bot.own_keys.OwnKeys` is the one. For private places only."""

    async def start(self, member: Member) -> LinkOpened:
        """A new link, in place of the one that was open."""
        ...

    async def finish(self, member: Member, pasted: str) -> KeyShown:
        """Exchange the pasted code for a key, check it and keep it. A link serves for one code.

        Raises:
            LinkError: nothing was kept, and what was kept before still is.
        """
        ...

    async def paste(self, member: Member, pasted: SecretStr) -> KeyShown:
        """Check a key and keep it. Raises as `finish`."""
        ...

    async def shown(self, member: Member) -> KeyShown | None:
        """What is linked; None: nothing."""
        ...

    async def remove(self, member: Member) -> bool:
        """Forget the member's key and open link at once. False: there was no key."""
        ...


WhoseAccount: TypeAlias = Literal["own", "everybodys", "another_communitys", "untold"]
"""Whose account a community's key is of: nobody else's here; the one behind the pool for all, in which the community
then stays; one that another community has linked, too, so that both are one pool; or OpenRouter does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityKey:
    """What may be shown of a key that a community has linked."""

    last_four: str
    """As in `KeyShown`."""
    linked_at: Instant
    works: bool
    """False: OpenRouter refuses it, so that the community's pool is shut, or it cannot be read any more."""
    account: WhoseAccount


class CommunityLinks(Protocol):
    """Linking a community's own OpenRouter account, which makes it a pool of its own.

    `bot.community_keys.CommunityKeys` is the one. Who may is for the caller to see to; for private places only.
    """

    async def start_link(self, community: CommunityId) -> LinkOpened:
        """A new link, in place of the one that was open.

        Raises:
            LinkError: there is nobody here to come back with its code.
        """
        ...

    async def finish_link(self, community: CommunityId, pasted: str, *, by: Member) -> CommunityKey:
        """Exchange the pasted code for a key, and do as `link_community` does. A link serves for one code."""
        ...

    async def link_community(self, community: CommunityId, pasted: SecretStr, *, by: Member) -> CommunityKey:
        """Check a key, keep it in place of the one there was, and go on by it. `by` stands in the audit.

        Raises:
            LinkError: nothing was kept, and what was kept before still is.
        """
        ...

    async def unlink_community(self, community: CommunityId, *, by: Member) -> bool:
        """Forget the key and open link at once: the community draws on the pool for all. False: there was no key."""
        ...

    async def community_key(self, community: CommunityId) -> CommunityKey | None:
        """What is linked; None: nothing."""
        ...


class Adapter(Protocol):
    """One way people reach Potluck. `run` returns when the adapter has stopped, which cancelling it makes it do."""

    name: str

    async def run(self) -> None: ...


class Turns(Protocol):
    """Whose turn it is among processes to let a platform in. `bot.turns.Turns` is the one."""

    async def to_hear(self) -> None:
        """Wait until no other process hears the platform by the same token."""
        ...

    async def to_go_on(self) -> None:
        """Wait until the one that heard it before has ended, with all it was answering: what it left is ours."""
        ...

    async def hand_over(self) -> None:
        """Nothing more is heard here: the next one may begin. Waits for little, and never raises."""
        ...


class Platform(Adapter, Protocol):
    """An adapter that lets a platform in."""

    @property
    def state(self) -> str:
        """`ok`, or what is wrong or waited for, for `/readyz`."""
        ...

    async def pause(self) -> None:
        """Hear nothing more, and let the next process: Potluck is about to stop every answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether requests can be served, and the state of each part that must work: `{"database": "ok"}`."""

    ready: bool
    parts: Mapping[str, str]
