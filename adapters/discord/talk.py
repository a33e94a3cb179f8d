"""What of all that is written is for Potluck, and as which question in which conversation.

In a server it is what mentions the bot or answers it; in a thread it has been called into, everything; in a DM, too.
Everything works without the privileged intent for message content: what Discord hides is met with a hint.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import discord

from adapters.rendering import chatting
from bot.clock import Clock
from bot.commands.saying import Say
from bot.errors import DatabaseAway
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, Standing
from bot.posts import Posts

PLATFORM = "discord"
ON, MUTED = "on", "muted"
_NAME = 40
_THREADS = 10_000
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
_MENTION = re.compile(r"<(@[!&]?\d+|#\d+)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")


@dataclass(frozen=True, slots=True)
class Question:
    """Something to answer."""

    message: IncomingMessage
    reply_to: int


@dataclass(frozen=True, slots=True)
class Hint:
    """One line to whoever tried to reach the bot."""

    said: Say


Heard: TypeAlias = Question | Hint | None


class Talk:
    """See the module."""

    def __init__(self, store: Posts, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._threads: dict[int, str | None] = {}
        """What is noted of each thread that was looked up: on, muted, nothing."""

    async def hear(self, message: discord.Message, me: int) -> Heard:
        if message.author.bot or message.webhook_id is not None or not _by_a_person(message):
            return None
        called = any(user.id == me for user in message.mentions)
        called = called or bool(message.content and _by_role(message, me))
        if message.guild is None:
            conversation = ConversationId(f"{PLATFORM}:{message.channel.id}")
            return self._question(message, me, conversation, "a direct message on Discord")
        if isinstance(message.channel, discord.Thread):
            return await self._in_thread(message, message.channel, me, called)
        answers = await self._answered_by(message, me)
        if answers is None and not called:
            return Hint(chatting.BY_ROLE) if _by_role(message, me) else None
        if not called and not message.content:
            return Hint(chatting.UNREADABLE)
        new = ConversationId(f"{PLATFORM}:{message.channel.id}/{message.id}")
        return self._question(message, me, answers or new, _place(message.channel))

    async def mute(self, thread: int, muted: bool) -> None:
        await self._note(thread, MUTED if muted else ON)

    async def is_on(self, thread: int) -> bool:
        return await self._noted(thread) == ON

    # --- threads -----------------------------------------------------------------------------------------

    async def _in_thread(self, message: discord.Message, thread: discord.Thread, me: int, called: bool) -> Heard:
        noted = await self._noted(thread.id)
        if called and noted != ON:
            await self._note(thread.id, ON)
        elif not called and (noted != ON or _to_others(message, me)):
            return None
        if not called and not (message.content or message.attachments):
            answers = message.reference is not None and await self._answered_by(message, me) is not None
            return Hint(chatting.UNREADABLE) if answers else None
        return self._question(message, me, ConversationId(f"{PLATFORM}:{thread.id}"), _place(thread))

    async def _noted(self, thread: int) -> str | None:
        if thread not in self._threads:
            try:
                self._keep(thread, await self._store.note(PLATFORM, f"thread:{thread}"))
            except DatabaseAway:  # whoever mentions Potluck is told so by the core
                return None
        return self._threads[thread]

    def _keep(self, thread: int, state: str | None) -> None:
        self._threads.pop(thread, None)
        self._threads[thread] = state
        if len(self._threads) > _THREADS:
            del self._threads[next(iter(self._threads))]

    async def _note(self, thread: int, state: str) -> None:
        self._keep(thread, state)
        await self._store.keep_note(PLATFORM, f"thread:{thread}", state)

    # --- reply chains ------------------------------------------------------------------------------------

    async def _answered_by(self, message: discord.Message, me: int) -> ConversationId | None:
        """The conversation of the bot's message that this one replies to; None: it replies to none."""
        reference = message.reference
        if (
            reference is None
            or reference.message_id is None
            or reference.type is not discord.MessageReferenceType.reply
        ):
            return None
        resolved = reference.resolved
        if isinstance(resolved, discord.Message) and resolved.author.id != me:
            return None
        found = await self._store.find(PLATFORM, str(reference.message_id))
        if found is not None:
            return found.conversation
        if isinstance(resolved, discord.Message):
            return ConversationId(f"{PLATFORM}:{message.channel.id}/{reference.message_id}")
        return None

    # --- one question ------------------------------------------------------------------------------------

    def _question(self, message: discord.Message, me: int, conversation: ConversationId, place: str) -> Heard:
        text = _plain(message, me)
        if not _visible(text) and not message.attachments:
            return Hint(chatting.EMPTY) if message.type in _BY_PEOPLE and not message.stickers else None
        return Question(
            IncomingMessage(
                id=MessageId(f"{PLATFORM}:{message.id}"),
                conversation=conversation,
                community=community(message.guild),
                author=member(message.author),
                author_name=message.author.display_name,
                place=place,
                text=text,
                received_at=self._clock.now(),
                hold=True,
                standing=standing(message.author),
                roles=roles(message.author),
                channel=channel(message.channel),
            ),
            reply_to=message.id,
        )


def _to_others(message: discord.Message, me: int) -> bool:
    """In a thread where everything is for the bot: this one names others, or replies to somebody else."""
    resolved = None if message.reference is None else message.reference.resolved
    replies_elsewhere = isinstance(resolved, discord.Message) and resolved.author.id != me
    return replies_elsewhere or any(user.id != me for user in message.mentions)


_BY_PEOPLE = (discord.MessageType.default, discord.MessageType.reply)


def _by_a_person(message: discord.Message) -> bool:
    return message.type in _BY_PEOPLE


def _visible(text: str) -> bool:
    """There is something to be read: more than spaces and signs of no width, as stand around right-to-left text."""
    return any(unicodedata.category(sign) not in _UNSEEN for sign in text)


def _by_role(message: discord.Message, me: int) -> bool:
    """It mentions the role Discord has made for the bot, which reads the same as its name."""
    return any(role.tags is not None and role.tags.bot_id == me for role in message.role_mentions)


def _plain(message: discord.Message, me: int) -> str:
    """The text without the call at its start, and with names in place of ids."""
    names = {f"@{user.id}": f"@{user.display_name}" for user in message.mentions}
    names |= {f"@&{role.id}": f"@{role.name}" for role in message.role_mentions}
    names |= {f"#{channel.id}": f"#{channel.name}" for channel in message.channel_mentions}
    own = "|".join([f"!?{me}", *(f"&{role.id}" for role in message.role_mentions if role.is_bot_managed())])
    text = re.sub(rf"^(?:\s*<@(?:{own})>[,:]?)+\s*", "", message.content)
    text = _MENTION.sub(lambda found: names.get(found[1].replace("!", ""), found[0]), text)
    return _EMOJI.sub(r"\1", text).strip()


def shown_text(message: discord.Message) -> str:
    """What a message says. Of one that is made of components, all its texts."""
    texts = [one.content for one in _within(message.components) if isinstance(one, discord.TextDisplay)]
    return "\n".join([message.content, *texts]).strip()


def _within(components: Sequence[object]) -> Iterator[object]:
    for one in components:
        yield one
        yield from _within(getattr(one, "children", ()))


def _place(channel: object) -> str:
    """Where it is, for the model. A channel's name is written by people: it stays one short word."""
    name = str(getattr(channel, "name", "") or "")
    shown = "".join(sign for sign in name if sign.isalnum() or sign in "-_ ")[:_NAME].strip()
    kind = "thread" if isinstance(channel, discord.Thread) else "channel"
    return f"the #{shown} {kind} of a Discord server" if shown else f"a {kind} of a Discord server"


def _private(channel: object) -> bool:
    return channel is None or isinstance(channel, discord.DMChannel | discord.GroupChannel)


def place(channel: object) -> str:
    """As `_place`, for a DM too."""
    if _private(channel):
        return "a direct message on Discord"
    return _place(channel)


def channel(here: object) -> str:
    """The channel that admins lay things down for: of a thread, the one it is in. Empty in private."""
    if isinstance(here, discord.Thread):
        return str(here.parent_id)
    return "" if _private(here) else str(getattr(here, "id", ""))


def member(user: discord.abc.User) -> Member:
    return Member(PLATFORM, str(user.id))


def community(guild: discord.Guild | discord.Object | None) -> CommunityId:
    return CommunityId(f"{PLATFORM}:{guild.id}" if guild is not None else f"{PLATFORM}:dm")


def standing(user: discord.abc.User) -> Standing:
    """One of a server, unless they have not passed its rules yet. In a DM nothing is known."""
    return "full" if isinstance(user, discord.Member) and not user.pending else "guest"


def roles(user: discord.abc.User) -> frozenset[str]:
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset(str(role.id) for role in user.roles if not role.is_default())
