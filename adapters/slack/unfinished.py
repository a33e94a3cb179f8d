"""Answers that are not over: those that come later, and those a restart came in between of.

What had not been sent is asked again, by its message's own id. What waits for room is followed. What was being written
when Potluck was killed is shown as far as it came, with a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from adapters.slack import look, pieces, posting
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.inbound import Spot
from adapters.slack.people import People, Person
from adapters.slack.plain_text import defuse
from adapters.slack.replies import Replies
from adapters.slack.workspace import Workspace, Workspaces
from bot.messages import IncomingMessage, Member, MessageId, TicketId
from bot.ports import Conversations
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

CUT_OFF = "Potluck was restarted while this was being written. Ask again if you need the rest."

AskAgain = Callable[[Workspace, Spot, Person, IncomingMessage], Awaitable[None]]


class Unfinished:
    """See the module."""

    def __init__(
        self,
        *,
        conversations: Conversations,
        posts: Posts,
        workspaces: Workspaces,
        people: People,
        replies: Replies,
    ) -> None:
        self._conversations, self._posts, self._workspaces = conversations, posts, workspaces
        self._people, self._replies = people, replies
        self._followed: dict[TicketId, Member] = {}

    async def take_up(self, ask_again: AskAgain) -> None:
        """Go on with what the last run left."""
        for answer in await self._posts.unfinished("slack"):
            self._replies.watch(asyncio.create_task(self._go_on(answer, ask_again), name=f"go on {answer.question}"))

    async def _go_on(self, answer: PostedAnswer, ask_again: AskAgain) -> None:
        spot = Spot.parse(answer.conversation)
        workspace = None if spot is None else await self._workspaces.find(team=spot.team, enterprise=None)
        if spot is None or workspace is None:
            await self._posts.move(answer.question, "over")
            return
        if answer.stage == "held" and answer.ticket is not None:
            await self._follow(answer.ticket, workspace, spot, answer.member, answer.question)
        elif answer.stage == "waiting" and answer.message is not None:
            author = await self._people.find(workspace, answer.member.user)
            await ask_again(workspace, spot, author, answer.message)
        else:
            await self._make_good(answer, workspace, spot)
            await self._posts.move(answer.question, "over")

    # --- what comes later --------------------------------------------------------------------------------

    def follow(self, ticket: TicketId, workspace: Workspace, spot: Spot, author: Member, question: MessageId) -> None:
        """Show the answer in its thread when it comes."""
        work = self._follow(ticket, workspace, spot, author, question)
        self._replies.watch(asyncio.create_task(work, name=f"follow {ticket}"))

    def may_drop(self, ticket: TicketId, person: Person) -> bool:
        """It is the person's own, or waits no more."""
        return self._followed.get(ticket, person.member) == person.member

    async def drop(self, ticket: TicketId) -> bool:
        """Its author does not want it any more. False: it does not wait."""
        return await self._conversations.give_up(ticket)

    async def _follow(
        self, ticket: TicketId, workspace: Workspace, spot: Spot, author: Member, question: MessageId
    ) -> None:
        if ticket in self._followed:
            return
        self._followed[ticket] = author
        try:
            person = await self._people.find(workspace, author.user)
            beside = [] if spot.private else [look.context(f"For <@{person.id}>, who asked this earlier.")]
            feed = await self._replies.show(
                workspace,
                spot,
                self._conversations.follow(ticket),
                question=question,
                author=person,
                beside=beside,
                later=True,
            )
            if feed.over:
                await self._posts.move(question, "over")
        finally:
            del self._followed[ticket]

    # --- what was cut off --------------------------------------------------------------------------------

    async def _make_good(self, answer: PostedAnswer, workspace: Workspace, spot: Spot) -> None:
        """Show the answer as far as it came."""
        turns = await self._conversations.turns(answer.conversation)
        turn = next((one for one in turns if one.message == answer.question), None)
        text = defuse(turn.answer) if turn is not None else ""
        note = [] if turn is not None and turn.whole else [look.context(CUT_OFF)]
        shown = pieces.whole(text) or (("",) if note else ())
        try:
            for number, piece in enumerate(shown, start=1):
                blocks = note if number == len(shown) else []
                there = answer.posts[number - 1].rpartition("/")[2] if number <= len(answer.posts) else ""
                if not (there and await _rewrite(workspace, spot, there, piece, blocks)):
                    id = f"{answer.question}/again#{number}"
                    await posting.post(workspace, spot, id=id, text=piece, blocks=blocks)
        except (Refused, Unsure) as problem:
            log.warning("an answer could not be made good", extra={"action": "slack", "error": str(problem)})


async def _rewrite(workspace: Workspace, spot: Spot, ts: str, text: str, blocks: list[look.Block]) -> bool:
    """Put it in place of what a message shows. False: the message is gone."""
    place: dict[str, Any] = {"channel": spot.channel, "ts": ts}
    with suppress(Refused, Unsure):  # it was no stream, or is over by its age
        await call(workspace.client.chat_stopStream, workspace.allowance.stops, tries=2, **place)
    body = [*([look.markdown(text)] if text else []), *blocks]
    arguments: dict[str, Any] = {**place, "text": look.notification(text), "blocks": body}
    try:
        await call(workspace.client.chat_update, workspace.allowance.updates, safe=True, **arguments)
    except Refused:
        return False
    return True
