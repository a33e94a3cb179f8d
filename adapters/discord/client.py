"""The connection to Discord: every event is handed to the room it belongs to.

One client for all shards. Answers live in `Answers`, which this one's reconnects do not touch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import discord
import yarl

from adapters.discord import endpoints, talk
from adapters.discord.answers import Answers
from adapters.discord.binding import Languages, bind
from adapters.discord.buttons import AnswerButton
from adapters.discord.calls import Calls, NextButton
from adapters.discord.commands import Tree, add_ask, add_own, sync_if_changed
from adapters.discord.intake import Intake, NotFetched
from adapters.discord.interactions import Interactions
from adapters.discord.pacing import Pacing
from adapters.discord.safe import NOBODY, Callbacks, InvalidRequests, Nonces, watching
from adapters.discord.spoken import Spoken
from adapters.discord.talk import Hint, Question, Talk
from adapters.discord.trying import FAULTS
from adapters.discord.where import Where
from adapters.rendering import chatting
from adapters.rendering.chatting import Action
from bot.clock import Clock
from bot.commands.registry import Registry
from bot.commands.saying import Say
from bot.messages import IncomingMessage, MessageId
from bot.pasted_keys import holds_key
from bot.ports import Conversations
from bot.posts import Posts
from bot.telemetry.logs import logger

log = logger(__name__)

HINT_EVERY = 300.0
"""Seconds until the same hint is given to the same person in the same place again."""
_MISSED_SECONDS, _MISSED = 20.0, 1000
"""For how long, and how many at most, messages are kept that another process may not have heard any more. One that was
killed is taken for dead after eight seconds."""
HINT_STANDS = 60.0
"""Seconds until a hint goes that only helps to ask once more."""


class PotluckClient(discord.AutoShardedClient):
    """See the module."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        store: Posts,
        nonces: Nonces,
        clock: Clock,
        intents: discord.Intents,
        hosts: frozenset[str] = endpoints.CDN,
        gateway: str | None = None,
        registry: Registry | None = None,
        pacing: Pacing | None = None,
        standing_by: bool = False,
    ) -> None:
        self.invalid, callbacks = InvalidRequests(clock), Callbacks()
        super().__init__(
            intents=intents,
            allowed_mentions=NOBODY,
            max_messages=None,
            http_trace=watching(self.invalid, callbacks),
            chunk_guilds_at_startup=False,
        )
        self._gateway = gateway
        self._store, self._nonces, self._clock = store, nonces, clock
        self.talk = Talk(store, clock)
        self.intake = Intake(hosts)
        self.pacing = pacing or Pacing(clock)
        self.spoken = Spoken(self)
        self.answers = Answers(
            self,
            conversations=conversations,
            store=store,
            pacing=self.pacing,
            nonces=nonces,
            invalid=self.invalid,
            clock=clock,
            spoken=self.spoken,
        )
        self.where = Where(self, nonces)
        self.interactions = Interactions(
            conversations=conversations,
            store=store,
            answers=self.answers,
            where=self.where,
            intake=self.intake,
            callbacks=callbacks,
            clock=clock,
            another_program=self._another_program,
            spoken=self.spoken,
        )
        self.tree = Tree(self)
        self.trouble: str | None = None
        """What is wrong with the connection, for whoever runs Potluck."""
        self.on_first_ready: Callable[[], None] = lambda: None
        self.on_new_session: Callable[[], None] = lambda: None
        self.standing_by = standing_by
        """Another process is connected, too, and hears what people do. Until it does no longer, nothing is done."""
        self._missed: deque[tuple[float, discord.Message]] = deque(maxlen=_MISSED)
        self._was_ready = False
        self._hinted: dict[tuple[int, int, str], float] = {}
        add_own(self.tree, self)
        self.calls = None if registry is None else Calls(self, registry, clock)
        if self.calls is None:
            add_ask(self.tree, self)
        else:
            bind(self.tree, self.calls)

    # --- the connection ----------------------------------------------------------------------------------

    async def setup_hook(self) -> None:
        self.add_dynamic_items(AnswerButton, NextButton)
        await self.tree.set_translator(Languages())
        await sync_if_changed(self.tree, self._store)

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """To the gateway of the settings rather than the one the API names."""
        await super().launch_shard(yarl.URL(self._gateway) if self._gateway else gateway, shard_id, initial=initial)

    async def on_shard_ready(self, _: int) -> None:
        self.on_new_session()

    async def on_ready(self) -> None:
        # It comes again after every session that could not be resumed.
        if not self._was_ready:
            self._was_ready = True
            log.info("connected to Discord", extra={"action": "ready", "servers": len(self.guilds)})
            self.on_first_ready()

    async def hear_from_now_on(self) -> None:
        """Stand by no longer. What the other process has not heard any more is heard now."""
        self.standing_by = False
        since = self._clock.monotonic() - _MISSED_SECONDS
        while self._missed:
            heard_at, message = self._missed[0]
            if heard_at >= since and not await self._store.known(MessageId(f"{talk.PLATFORM}:{message.id}")):
                self.dispatch("message", message)
            self._missed.popleft()

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        # The arguments hold what people wrote: only the name is logged, the rest at DEBUG.
        log.error("an event failed inside", extra={"action": event_method})
        log.debug("the failure", exc_info=True)

    # --- messages ----------------------------------------------------------------------------------------

    async def on_message(self, message: discord.Message) -> None:
        assert self.user is not None
        if message.author.id == self.user.id:
            self._is_it_ours(message)
            return
        if self.standing_by:
            self._missed.append((self._clock.monotonic(), message))
            return
        await self._find_channel(message)
        match await self.talk.hear(message, self.user.id):
            case Question(message=question):
                await self._asked(message, question)
            case Hint(said=said):
                await self._hint(message, said, stands=HINT_STANDS)
            case None:
                pass

    async def _find_channel(self, message: discord.Message) -> None:
        """discord.py forgets a thread that falls asleep, and what wakes it may come before the word that it did."""
        assert self.user is not None
        if message.guild is None or not isinstance(message.channel, discord.PartialMessageable):
            return
        if self.user in message.mentions or await self.talk.is_on(message.channel.id):
            with suppress(*FAULTS):
                found = await self.fetch_channel(message.channel.id)
                if isinstance(found, discord.Thread):
                    message.channel = found

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self.answers.withdraw(MessageId(f"{talk.PLATFORM}:{payload.message_id}"))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for number in payload.message_ids:
            await self.answers.withdraw(MessageId(f"{talk.PLATFORM}:{number}"))

    async def _asked(self, message: discord.Message, question: IncomingMessage) -> None:
        if not self.where.may_write(message.channel, message.guild):
            await self._tell_privately(message)
            return
        try:
            question = await self.intake.with_files(question, message.attachments)
        except NotFetched as lacking:
            await self._hint(message, chatting.not_fetched(discord.utils.escape_markdown(str(lacking))))
            return
        may = self.where.permissions(message.channel, message.guild)
        if holds_key(question.text) and may is not None and may.manage_messages:
            await self._delete(message)
        board = self.where.below(message, question.id)
        self.answers.begin(question, board, channel=message.channel.id, reply_to=message.id)

    async def _delete(self, message: discord.Message) -> None:
        try:
            await message.delete()
        except discord.HTTPException as error:
            log.info("a message with a key could not be deleted", extra={"action": "delete", "status": error.status})

    async def _hint(self, message: discord.Message, said: Say, *, stands: float | None = None) -> None:
        """One line below a message; each only now and then, and none where nothing may be written."""
        text = self._say(message, said)
        if not self.where.may_write(message.channel, message.guild) or not self._is_due(message, text):
            return
        await self.pacing.turn(message.channel.id)
        await self._send(
            message.channel,
            text,
            reference=message.to_reference(fail_if_not_exists=False),
            nonce=self._nonces.of(f"hint:{message.id}", 0),
            delete_after=stands,
        )

    async def _tell_privately(self, message: discord.Message) -> None:
        """Nothing may be written where somebody asks: that is said where it can be."""
        log.info("a question came from where nothing may be written", extra={"action": "ask"})
        text = self._say(message, chatting.CANNOT_WRITE_HERE)
        if self._is_due(message, text):
            await self._send(message.author, text, nonce=self._nonces.of(f"hint:{message.id}", 0))

    def _say(self, message: discord.Message, said: Say) -> str:
        return self.spoken.with_(talk.member(message.author), talk.community(message.guild)).say(said)

    async def _send(self, where: discord.abc.Messageable, text: str, **more: Any) -> None:
        try:
            await where.send(text, allowed_mentions=NOBODY, **more)
        except FAULTS as error:
            log.info("a hint could not be shown", extra={"action": "hint", "why": type(error).__name__})

    def _is_due(self, message: discord.Message, text: str) -> bool:
        key, now = (message.channel.id, message.author.id, text), self._clock.monotonic()
        self._hinted = {one: at for one, at in self._hinted.items() if at > now - HINT_EVERY}
        due = key not in self._hinted
        self._hinted[key] = self._hinted.get(key, now)
        return due

    def _is_it_ours(self, message: discord.Message) -> None:
        """A message of the bot's own that this program did not write was written by another one."""
        by_command = message.interaction_metadata is not None or message.webhook_id is not None
        written = message.type in (discord.MessageType.default, discord.MessageType.reply) and not by_command
        if written and not self._nonces.ours(message.nonce):
            self._another_program()

    def _another_program(self) -> None:
        if self.trouble is None:
            self.trouble = "another program uses this token"
            log.error(
                "another program is logged in with the same Discord token: stop one of the two",
                extra={"action": "second_program"},
            )

    async def pressed(self, action: Action, interaction: discord.Interaction[Any]) -> None:
        """`adapters.discord.buttons.Presses`."""
        await self.interactions.guarded(interaction, self.interactions.pressed(action, interaction))


async def close_quietly(client: PotluckClient) -> None:
    """Close the connection; a Discord that does not answer keeps nobody waiting."""
    try:
        async with asyncio.timeout(2):
            await client.close()
            await client.intake.close()
    except TimeoutError:
        log.info("Discord did not say goodbye", extra={"action": "close"})
