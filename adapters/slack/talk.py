"""From what is written in Slack to its answer: who is meant, what comes along, and where the answer goes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from adapters.slack import look, posting
from adapters.slack.calls import Refused, Unsure
from adapters.slack.earlier import earlier
from adapters.slack.files import Files
from adapters.slack.inbound import Json, Spot, Written, written
from adapters.slack.keeping import noted
from adapters.slack.memory import Memory
from adapters.slack.once import Once
from adapters.slack.people import People, Person
from adapters.slack.replies import Replies
from adapters.slack.unfinished import Unfinished
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.commands.saying import Say, say
from bot.errors import AttachmentRefused
from bot.messages import Attachment, Failed, Held, IncomingMessage, MessageId, ModelId, ReplyEvent, Started
from bot.ports import Conversations
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

TWIN = 1.0
"""Seconds the `message` of a mention may come after its `app_mention`, which lacks the files."""
_REFUSED_KEPT, _REFUSED_BYTES = 500, 64 * 1024 * 1024
_MUTE, _UNMUTE = "mute", "unmute"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waits:
    """A question that was refused and may be held."""

    message: IncomingMessage
    author: Person

    @property
    def size(self) -> int:
        return sum(len(file.content) for file in self.message.attachments)


class Talk:
    """See the module."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        people: People,
        memory: Memory,
        once: Once,
        replies: Replies,
        unfinished: Unfinished,
        posts: Posts,
        files: Files,
        clock: Clock,
    ) -> None:
        self._conversations, self._people, self._memory, self._once = conversations, people, memory, once
        self._replies, self._files, self._clock = replies, files, clock
        self._unfinished, self._posts = unfinished, posts
        self._refused: OrderedDict[str, _Waits] = OrderedDict()

    # --- what is written ---------------------------------------------------------------------------------

    async def hear(self, workspace: Workspace, event: Json, event_id: str) -> None:
        """A `message` or `app_mention` event, however often it comes."""
        if event.get("subtype") == "message_deleted":
            id = MessageId(f"slack:{workspace.team}/{event.get('channel')}/{event.get('deleted_ts')}")
            self._replies.withdraw(id)
            return
        said = written(event, team=workspace.team, bot_user=workspace.bot_user)
        if said is None or self._once.known(said.id):
            return
        thread = str(said.spot.conversation)
        looked_up = said.in_thread and not said.spot.private
        muted = await noted(self._memory.thread(thread), None) if looked_up else None
        if not (said.spot.private or said.called or (muted is False and not said.for_another)):
            return
        if event.get("type") == "app_mention":
            await asyncio.sleep(TWIN)
        if not await self._once.claim([f"event {event_id}", said.id]):
            return
        author = await self._people.find(workspace, said.user, team=said.user_team)
        if not author.human:
            return
        if said.called and said.question(workspace.bot_user).lower() in (_MUTE, _UNMUTE) and not said.spot.private:
            quiet = said.question(workspace.bot_user).lower() == _MUTE
            await self._memory.call_into(thread)
            await self.mute(workspace, said.spot, author, quiet)
            return
        new_here = muted is None and not said.spot.private
        if new_here:
            await noted(self._memory.call_into(thread), None)
        await self._answer(workspace, said, author, new_here=new_here)

    async def _answer(self, workspace: Workspace, said: Written, author: Person, *, new_here: bool) -> None:
        text = said.question(workspace.bot_user)
        if not text and not said.files:
            await self._tell(workspace, said, author, say("Yes? Write your question behind my name, or just here."))
            return
        attachments = await self.taken(workspace, said.spot, author, said.files, id=said.id)
        if attachments is None:
            return
        if new_here and said.in_thread:
            text += await earlier(workspace, self._people, said)
        message = self.message(workspace, said.spot, author, text, id=said.id, attachments=attachments)
        beside = [look.mute_button(author.tongue)] if new_here else []
        await self.ask(workspace, said.spot, author, message, beside=beside)

    async def taken(
        self, workspace: Workspace, spot: Spot, author: Person, files: Sequence[Json], *, id: MessageId
    ) -> tuple[Attachment, ...] | None:
        """Files that come along; None: one cannot be used, which the author is told."""
        try:
            return await self._files.take(workspace, files) if files else ()
        except AttachmentRefused as refused:
            share = await self._conversations.share(author.member, workspace.community)
            blocks = look.failed(Failed(error=refused, share=share), author.tongue)
            await self._show_blocks(workspace, spot, author, blocks, id=id)
            return None

    def message(
        self,
        workspace: Workspace,
        spot: Spot,
        author: Person,
        text: str,
        *,
        id: MessageId,
        attachments: Sequence[Attachment] = (),
        model: ModelId | None = None,
    ) -> IncomingMessage:
        """What the core is asked."""
        return IncomingMessage(
            id=id,
            conversation=spot.conversation,
            community=workspace.community,
            author=author.member,
            author_name=author.name,
            place="direct messages in Slack" if spot.private else "a thread in a channel of a Slack workspace",
            text=text,
            received_at=self._clock.now(),
            model=model,
            standing=author.standing,
            groups=author.groups,
            channel="" if spot.private else spot.channel,
            attachments=tuple(attachments),
        )

    async def ask(
        self,
        workspace: Workspace,
        spot: Spot,
        author: Person,
        message: IncomingMessage,
        *,
        beside: Sequence[look.Block] = (),
    ) -> None:
        """Ask the core, and show what comes of it."""
        self._keep_for_later(message, author)
        kept = PostedAnswer(
            question=message.id,
            conversation=message.conversation,
            community=message.community,
            member=author.member,
            channel=spot.channel,
            stage="waiting",
            asked_at=message.received_at,
            message=message,
        )
        await noted(self._posts.begin(kept), None)
        feed = await self._replies.show(
            workspace,
            spot,
            self._noting(message),
            question=message.id,
            author=author,
            hold=look.carried(id=message.id),
            beside=beside,
        )
        if not (isinstance(feed.ending, Failed) and feed.ending.may_hold):
            self._refused.pop(message.id, None)
        if feed.put_off(paused=self._replies.paused) or (feed.unseen and feed.started is not None):
            return
        if isinstance(feed.ending, Held):
            ticket = feed.ending.ticket
            await noted(self._posts.move(message.id, "held", ticket=ticket), None)
            self._unfinished.follow(ticket, workspace, spot, author.member, message.id)
        else:
            await noted(self._posts.move(message.id, "over"), None)

    def _keep_for_later(self, message: IncomingMessage, author: Person) -> None:
        """It may be refused, and then be let wait."""
        self._refused[message.id] = _Waits(message=message, author=author)
        size = sum(waits.size for waits in self._refused.values())
        while len(self._refused) > 1 and (len(self._refused) > _REFUSED_KEPT or size > _REFUSED_BYTES):
            _, gone = self._refused.popitem(last=False)
            size -= gone.size

    async def _noting(self, message: IncomingMessage) -> AsyncGenerator[ReplyEvent]:
        """The reply. That it was sent is noted: after a restart it is not asked again."""
        async with aclosing(self._conversations.reply(message)) as events:
            async for event in events:
                if isinstance(event, Started):
                    await noted(self._posts.move(message.id, "started"), None)
                yield event

    def waits(self, value: str, user: str) -> bool:
        """The button's question was refused to this person and can still be held."""
        waits = self._refused.get(_id(value))
        return waits is not None and waits.author.id == user

    async def hold(self, workspace: Workspace, value: str) -> None:
        """Let a refused question wait for room. Nothing, if it is known no more."""
        waits = self._refused.pop(_id(value), None)
        spot = None if waits is None else Spot.parse(waits.message.conversation)
        if waits is not None and spot is not None:
            message = replace(waits.message, hold=True)
            await self.ask(workspace, spot, waits.author, message)

    # --- beside questions --------------------------------------------------------------------------------

    async def mute(self, workspace: Workspace, spot: Spot, author: Person, quiet: bool) -> None:
        """Answer only who calls, or everybody, in a thread."""
        await self._memory.mute(str(spot.conversation), quiet)
        from_now_on = say(
            "From now on I only answer here when I am mentioned. Mention me with the word unmute to undo that."
        )
        again = say("I answer everything that is written in this thread again.")
        text = author.tongue.say(from_now_on if quiet else again)
        await self._show_blocks(
            workspace, spot, author, [look.context(text)], id=MessageId(f"mute {spot.conversation}")
        )

    async def _tell(self, workspace: Workspace, said: Written, author: Person, word: Say) -> None:
        blocks = [look.context(author.tongue.say(word))]
        await self._show_blocks(workspace, said.spot, author, blocks, id=said.id)

    async def _show_blocks(
        self,
        workspace: Workspace,
        spot: Spot,
        author: Person,
        blocks: Sequence[look.Block],
        *,
        id: MessageId,
    ) -> None:
        try:
            if spot.private:
                await posting.post(workspace, spot, id=f"{id}#0", text="", blocks=blocks)
            else:
                await posting.whisper(workspace, spot, author.id, blocks, id=f"{id}#0")
        except (Refused, Unsure) as problem:
            log.info("a word was not shown", extra={"action": "slack", "error": str(problem)})


def _id(value: str) -> str:
    return str(look.pressed(value).get("id", ""))
