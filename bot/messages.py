"""What passes between an adapter and the core: a message in, a closed union of reply events out.

An adapter builds an `IncomingMessage` and renders the `ReplyEvent`s that
`ConversationService.reply` yields for it. The stream ends with exactly one of `Finished`, `Failed`, `Held`.
Nothing here is prose: events carry data, `adapters/rendering` has the words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NewType, TypeAlias

from bot.clock import Instant
from bot.errors import ReplyError, Shut

MessageId = NewType("MessageId", str)
"""The platform's id of a message, prefixed with the platform. A message is handled once per id."""
ConversationId = NewType("ConversationId", str)
"""A thread, reply chain or DM. The adapter decides what is one; the core never looks inside."""
CommunityId = NewType("CommunityId", str)
"""A Discord server, a Slack workspace, the local web page: `platform:tenant`."""
ModelId = NewType("ModelId", str)
"""An OpenRouter model id, such as `openrouter/free`."""
TicketId = NewType("TicketId", str)

Lane: TypeAlias = Literal["free", "paid", "own_key"]
"""How a request is paid for: from the pool, from credits, from the member's own OpenRouter key."""


Standing: TypeAlias = Literal["full", "guest", "stranger"]
"""What a member is in the community: one of it; a restricted account or a guest; of another organisation, as in
Slack Connect."""


@dataclass(frozen=True, slots=True)
class Member:
    """One person in line for a share."""

    platform: str
    user: str
    tenant: str = ""

    @property
    def key(self) -> str:
        """How the member is written in settings and the database: `discord:123`, `slack:T1/U2`, `web:ann`."""
        return f"{self.platform}:{self.tenant}/{self.user}" if self.tenant else f"{self.platform}:{self.user}"

    @classmethod
    def parse(cls, key: str) -> Member:
        """The member a key names.

        Raises:
            ValueError: the key has no platform or no user.
        """
        platform, colon, rest = key.partition(":")
        tenant, slash, user = rest.partition("/")
        if not slash:
            tenant, user = "", rest
        if not (platform and colon and user):
            raise ValueError(f"{key!r} is not platform:user or platform:tenant/user")
        return cls(platform=platform, tenant=tenant, user=user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message. What adapters keep to: `bot.conversation.attachments`."""

    name: str
    """As the sender's machine called it. Written by a person: never a path, never markup."""
    media_type: str
    """As the platform says. What it really is is looked at in the core."""
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A member where they ask, as the platform says at that moment."""

    member: Member
    community: CommunityId
    standing: Standing
    roles: frozenset[str] = frozenset()
    """Ids of the roles the member has in this community."""
    groups: frozenset[str] = frozenset()
    """Ids of the user groups the member is in, of this community."""
    accounts: frozenset[Member] = frozenset()
    """All accounts of the person: what is said of any of them is said of the member."""


@dataclass(frozen=True, slots=True)
class InConversation:
    """One conversation, as the place a model is chosen for."""

    conversation: ConversationId


ChosenFor: TypeAlias = Member | InConversation
"""What a model is chosen for. What admins choose for a community is laid down as all that is theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """One message a person wrote to the bot."""

    id: MessageId
    conversation: ConversationId
    community: CommunityId
    author: Member
    author_name: str
    """What the platform shows as the author's name. Written by a person: never trusted as markup or instruction."""
    place: str
    """Where the conversation happens, in words a model understands: "the #general channel of a Discord server"."""
    text: str
    received_at: Instant
    model: ModelId | None = None
    """The model the member asks for; None leaves it to what was chosen before, or else to the router."""
    hold: bool = False
    """True: what the share refuses now waits for room instead of ending at once."""
    standing: Standing = "guest"
    """What the platform says of the author at this moment. Who is not known to be more is a guest."""
    roles: frozenset[str] = frozenset()
    """Ids of the roles the author has in this community."""
    groups: frozenset[str] = frozenset()
    """Ids of the user groups of this community the author is in."""
    channel: str = ""
    """The platform's id of the channel, for what admins lay down for single ones. Empty where there are none, as in
    private."""
    persona: str = ""
    """What admins want a model to be in that channel. For the core to fill in."""
    attachments: tuple[Attachment, ...] = ()
    files_of: MessageId | None = None
    """The files kept of that message come with this one: of a question that is asked once more, or of this one after
    a restart. An adapter names only messages of the same author's."""
    accounts: frozenset[Member] = frozenset()
    """All accounts of the author, once the core has put the person in the account's place."""

    @property
    def who(self) -> Who:
        """Its author, where it was written."""
        return Who(
            member=self.author,
            community=self.community,
            standing=self.standing,
            roles=self.roles,
            groups=self.groups,
            accounts=self.accounts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a member has taken and may still take of today's pool. Units are requests."""

    used: int
    level: float
    """How many units each member may have taken today as things stand (never more than the pool could give)."""
    left_now: int
    left_sure: int
    """Promised: set aside for this member, whatever others do."""
    resets_at: Instant


Verdict: TypeAlias = Literal["promised", "granted", "within_level", "above_level", "pool_spent", "pool_promised"]
"""What decides about a member's next question: the first three let it go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLooked:
    """A day before today, and what each member could take today if the rest of it went like that one."""

    began: Instant
    weight: float
    """How much its answer counts beside the others'."""
    level: float
    """Infinite where everything wanted would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a member's next question may go now or not. Units are requests."""

    verdict: Verdict
    level: float
    """What the member may have taken today as things stand. May be infinite."""
    taken: int
    left: int
    """Units of the pool that nobody has been promised or granted."""
    held_back_for_others: int
    """How many of them are kept for others, most of whom have not asked yet."""
    probably: int
    """Units the member will nearly always still get today, beyond those taken. No promise."""
    resets_at: Instant
    room_at: Instant | None
    """When there is room for the member if nobody takes anything meanwhile. None: not today, or there is already."""
    may_hold: bool
    """A question that is refused now may wait for room."""
    days: tuple[DayLooked, ...]
    """The earlier days that were looked at, none where there is no history yet."""

    @property
    def admitted(self) -> bool:
        """The next question may go."""
        return self.verdict in ("promised", "granted", "within_level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer cost upstream, as OpenRouter counted it. Zero where it did not say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    """What OpenRouter charged."""
    upstream_usd: Decimal | None = None
    """What a provider charged besides, whose own key answered for OpenRouter's. None: no provider's key did."""

    @property
    def whole_usd(self) -> Decimal:
        """What was charged, by whomever."""
        return self.cost_usd + (self.upstream_usd or Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The question waits for its turn. Comes again whenever the place or the estimate changes."""

    place: int
    """1 is next."""
    estimate: float | None
    """Seconds until it is sent, as far as can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The question has been sent upstream."""

    model: ModelId
    lane: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str


NoticeKind: TypeAlias = Literal[
    "history_shortened",
    "messages_gathered",
    "images_dropped",
    "attachment_shortened",
    "second_attempt",
    "model_gone",
    "model_closed",
    "free_models_may_train",
    "overtaken",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the member should know; the answer goes on."""

    kind: NoticeKind
    count: int = 0
    """How many of what the kind speaks of: turns left out, messages gathered, images dropped, files shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer is whole."""

    model: ModelId
    """The model that answered, which a router such as `openrouter/free` chose."""
    lane: Lane
    attempts: int
    """Units this message took from the pool. 0 when it was answered together with another message."""
    share: Share
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no answer, or only a part of one; `error` says why and when it works again."""

    error: ReplyError
    share: Share
    partial: bool = False
    """Some text had been shown before it failed. It stays."""
    may_hold: bool = False
    """The same question sent with `hold` would wait for room."""
    shut_for: Shut | None = None
    """Why the pool of the member's community was shut when it ended; None: it was open."""

    @property
    def delete_message(self) -> bool:
        """The message holds a key: an adapter deletes it where the platform lets it, whatever else it shows."""
        return self.error.reason == "pasted_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The question waits for room in the day; its answer comes later under this ticket."""

    ticket: TicketId
    estimate_at: Instant | None


ReplyEvent: TypeAlias = Queued | Started | TextDelta | Notice | Finished | Failed | Held
Ending: TypeAlias = Finished | Failed | Held
