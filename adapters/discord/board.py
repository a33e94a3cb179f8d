"""Where an answer is written: a channel, or what a command is answered with as long as its token lives."""

from __future__ import annotations

import io
from collections.abc import Hashable
from dataclasses import replace
from typing import Any, Protocol

import discord

from adapters.discord.buttons import layout, row
from adapters.discord.look import FILE, MOST_PIECES, Post
from adapters.discord.safe import NOBODY, WHO_ASKED, Nonces, naming
from bot.clock import Clock

TOKEN_SECONDS = 14 * 60.0
"""How long a command's own token is written with: Discord takes it for fifteen minutes."""
_TOKEN_DEAD, _ARCHIVED = 50027, 50083


class Board(Protocol):
    """Somewhere to write. Its methods raise what discord.py does."""

    owner: int
    may_attach: bool
    most: int
    """Messages it has room for."""

    @property
    def pace(self) -> Hashable:
        """What shares one pace."""
        ...

    async def post(self, number: int, post: Post) -> int:
        """Write an answer's message of that number, once, however often it is tried; its id."""
        ...

    async def edit(self, message: int, post: Post) -> None: ...

    async def remove(self, message: int) -> None: ...

    async def typing(self) -> None: ...

    def seconds_left(self) -> float | None:
        """How long it can still be written to; None: no end is known."""
        ...


def _files(post: Post) -> list[discord.File]:
    return [] if post.file is None else [discord.File(io.BytesIO(post.file.encode()), filename=FILE)]


def _edited(post: Post, owner: int) -> dict[str, Any]:
    """An edit's arguments. Of a message that turns into components, the content goes."""
    text: str | None = post.content
    view: discord.ui.View | discord.ui.LayoutView | None = row(post.buttons, owner, post.tongue)
    if post.ended:
        file = FILE if post.file else None
        text, view = None, layout(post.content, post.footer, post.buttons, owner, file, post.tongue)
    return {"content": text, "view": view, "attachments": _files(post), "allowed_mentions": NOBODY}


def _new(post: Post, owner: int, allowed: discord.AllowedMentions) -> dict[str, Any]:
    """A new message's arguments."""
    made = _edited(post, owner)
    made["files"] = made.pop("attachments")
    if made["view"] is None:
        del made["view"]
    return {**made, "allowed_mentions": allowed, "suppress_embeds": True}


class ChannelBoard:
    """A channel, a thread or a DM, in reply to a message if there is one."""

    def __init__(
        self,
        client: discord.Client,
        channel: int,
        *,
        owner: int,
        question: str,
        nonces: Nonces,
        reply_to: int | None = None,
        may_attach: bool = True,
        tell: bool = False,
    ) -> None:
        self.owner, self.may_attach, self.most, self.channel = owner, may_attach, MOST_PIECES, channel
        self._client, self._place = client, client.get_partial_messageable(channel)
        self._question, self._nonces, self._reply_to, self._tell = question, nonces, reply_to, tell

    @property
    def pace(self) -> Hashable:
        return self.channel

    async def post(self, number: int, post: Post) -> int:
        more: dict[str, Any] = {}
        allowed = WHO_ASKED if self._tell else NOBODY
        if self._tell and self._reply_to is None and number == LATER:
            # There is no message to reply to: who asked by a command is named. Later edits need not name them again.
            post = replace(post, content=f"<@{self.owner}>\n{post.content}")
            allowed = naming(self.owner)
        if self._reply_to is not None and number in (0, LATER):
            more["reference"] = discord.MessageReference(
                message_id=self._reply_to, channel_id=self.channel, fail_if_not_exists=False
            )
        message = await self._place.send(
            nonce=self._nonces.of(self._question, number),
            **_new(post, self.owner, allowed),
            **more,
        )
        return message.id

    async def edit(self, message: int, post: Post) -> None:
        shown = self._place.get_partial_message(message)
        try:
            await shown.edit(**_edited(post, self.owner))
        except discord.HTTPException as error:
            if error.code != _ARCHIVED:
                raise
            # A new message would open the thread by itself; an edit does not. Who may write in it may open it.
            await self._reopen()
            await shown.edit(**_edited(post, self.owner))

    async def _reopen(self) -> None:
        thread = await self._client.fetch_channel(self.channel)
        if isinstance(thread, discord.Thread):
            await thread.edit(archived=False)

    async def remove(self, message: int) -> None:
        await self._place.get_partial_message(message).delete()

    async def read(self, message: int) -> str | None:
        """What a message of ours says now. None: what it says is final."""
        found = await self._place.fetch_message(message)
        return None if found.flags.components_v2 else found.content

    async def typing(self) -> None:
        await self._place.typing()

    def seconds_left(self) -> float | None:
        return None


LATER = 100
"""Numbers of messages from here on belong to an answer that was held before."""


class CommandBoard:
    """What a command was answered with. Before its token dies it hands over to the channel, where there is one.

    Only its first message is written by the token: that is an edit of what Discord made when it was acknowledged, and
    can be tried as often as need be. What else a token can write takes no nonce, so that a lost answer of Discord's
    would double it. Further messages go into the channel; where there is none, one message has to do.
    """

    def __init__(self, interaction: discord.Interaction[Any], clock: Clock, *, channel: ChannelBoard | None) -> None:
        self.owner = interaction.user.id
        self.may_attach, self.most = (True, 1) if channel is None else (channel.may_attach, channel.most)
        self._interaction, self._clock, self._channel = interaction, clock, channel
        self._until = clock.monotonic() + TOKEN_SECONDS
        self._first: int | None = None

    @property
    def pace(self) -> Hashable:
        return self._interaction.id if self._channel is None else self._channel.pace

    async def post(self, number: int, post: Post) -> int:
        if self._channel is not None and (number > 0 or not self._by_token):
            return await self._channel.post(number, post)
        self._first = await self._write(post)
        if self._first is None:
            assert self._channel is not None
            return await self._channel.post(number, post)
        return self._first

    async def edit(self, message: int, post: Post) -> None:
        by_token = message == self._first and (self._by_token or self._channel is None)
        if by_token and await self._write(post) is not None:
            return
        assert self._channel is not None
        await self._channel.edit(message, post)

    async def remove(self, message: int) -> None:
        if self._channel is not None:
            await self._channel.remove(message)
        else:
            await self._interaction.delete_original_response()

    async def typing(self) -> None:
        """Discord shows by itself that a command is being answered."""

    def seconds_left(self) -> float | None:
        return None if self._channel is not None else max(0.0, self._until - self._clock.monotonic())

    @property
    def _by_token(self) -> bool:
        return self._clock.monotonic() < self._until

    async def _write(self, post: Post) -> int | None:
        """The first message's id; None: the token is dead, and there is the channel."""
        try:
            return (await self._interaction.edit_original_response(**_edited(post, self.owner))).id
        except discord.HTTPException as error:
            if error.code != _TOKEN_DEAD or self._channel is None:
                raise
            self._until = self._clock.monotonic()
            return None
