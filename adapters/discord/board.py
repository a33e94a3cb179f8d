"""Where an answer is written: a channel, or what a command is answered with as long as its token lives."""

from __future__ import annotations

import io
from collections.abc import Hashable
from typing import Any, Protocol

import discord

from adapters.discord.buttons import row
from adapters.discord.look import FILE, Post
from adapters.discord.safe import NOBODY, WHO_ASKED, Nonces
from bot.clock import Clock

TOKEN_SECONDS = 14 * 60.0
"""How long a command's own token is written with: Discord takes it for fifteen minutes."""
_TOKEN_DEAD = 50027


class Board(Protocol):
    """Somewhere to write. Both raise what discord.py does."""

    owner: int
    may_attach: bool

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
        self.owner, self.may_attach, self.channel = owner, may_attach, channel
        self._place = client.get_partial_messageable(channel)
        self._question, self._nonces, self._reply_to, self._tell = question, nonces, reply_to, tell

    @property
    def pace(self) -> Hashable:
        return self.channel

    async def post(self, number: int, post: Post) -> int:
        more: dict[str, Any] = {}
        if self._reply_to is not None and number in (0, LATER):
            more["reference"] = discord.MessageReference(
                message_id=self._reply_to, channel_id=self.channel, fail_if_not_exists=False
            )
        view = row(post.buttons, self.owner)
        if view is not None:
            more["view"] = view
        message = await self._place.send(
            post.content,
            files=_files(post),
            nonce=self._nonces.of(self._question, number),
            allowed_mentions=WHO_ASKED if self._tell else NOBODY,
            suppress_embeds=True,
            **more,
        )
        return message.id

    async def edit(self, message: int, post: Post) -> None:
        await self._place.get_partial_message(message).edit(
            content=post.content,
            view=row(post.buttons, self.owner),
            attachments=_files(post),
            allowed_mentions=NOBODY,
        )

    async def remove(self, message: int) -> None:
        await self._place.get_partial_message(message).delete()

    async def read(self, message: int) -> str:
        """What a message of ours says now."""
        return (await self._place.fetch_message(message)).content

    async def typing(self) -> None:
        await self._place.typing()

    def seconds_left(self) -> float | None:
        return None


LATER = 100
"""Numbers of messages from here on belong to an answer that was held before."""


class CommandBoard:
    """What a command was answered with. Before its token dies it hands over to the channel, where there is one."""

    def __init__(self, interaction: discord.Interaction[Any], clock: Clock, *, channel: ChannelBoard | None) -> None:
        self.owner, self.may_attach = interaction.user.id, True
        self._interaction, self._clock, self._channel = interaction, clock, channel
        self._until = clock.monotonic() + TOKEN_SECONDS

    @property
    def pace(self) -> Hashable:
        return self._interaction.id if self._by_token else self._channel.pace if self._channel else None

    @property
    def _by_token(self) -> bool:
        return self._clock.monotonic() < self._until

    async def post(self, number: int, post: Post) -> int:
        if not self._by_token and self._channel is not None:
            return await self._channel.post(number, post)
        view = row(post.buttons, self.owner)
        try:
            if number == 0:
                return (
                    await self._interaction.edit_original_response(
                        content=post.content, view=view, attachments=_files(post), allowed_mentions=NOBODY
                    )
                ).id
            more: dict[str, Any] = {} if view is None else {"view": view}
            message = await self._interaction.followup.send(
                post.content, files=_files(post), allowed_mentions=NOBODY, suppress_embeds=True, wait=True, **more
            )
            return message.id
        except discord.HTTPException as error:
            return await self._after_token(error).post(number, post)

    async def edit(self, message: int, post: Post) -> None:
        if not self._by_token and self._channel is not None:
            await self._channel.edit(message, post)
            return
        try:
            await self._interaction.followup.edit_message(
                message,
                content=post.content,
                view=row(post.buttons, self.owner),
                attachments=_files(post),
                allowed_mentions=NOBODY,
            )
        except discord.HTTPException as error:
            await self._after_token(error).edit(message, post)

    async def remove(self, message: int) -> None:
        if not self._by_token and self._channel is not None:
            await self._channel.remove(message)
        else:
            await self._interaction.followup.delete_message(message)

    async def typing(self) -> None:
        """Discord shows by itself that a command is being answered."""

    def seconds_left(self) -> float | None:
        return None if self._channel is not None else max(0.0, self._until - self._clock.monotonic())

    def _after_token(self, error: discord.HTTPException) -> ChannelBoard:
        """The channel, if it was the token that failed."""
        if error.code != _TOKEN_DEAD or self._channel is None:
            raise error
        self._until = self._clock.monotonic()
        return self._channel
