"""Answers that are not over: those that come later, and those a restart came in between of.

What had not been sent is asked again, by its message's own id. What waits for room is followed. What was being written
when Potluck was killed is shown as far as it came, with a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from adapters.slack import look, pieces, posting
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.inbound import Spot
from adapters.slack.people import People, Person
from adapters.slack.plain_text import defuse
from adapters.slack.replies import Replies
from adapters.slack.workspace import Workspace, Workspaces
from bot.commands.saying import say
from bot.messages import IncomingMessage, Member, MessageId, TicketId
from bot.ports import Conversations
from bot.posts import PostedAnswer, Posts
from bot.telemetry.logs import logger

log = logger(__name__)

CUT_OFF = say("Potluck was restarted while this was being written. Ask again if you need the rest.")

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
            for post in answer.posts:  # it showed a place in a line that is no more
                await _remove(workspace, spot, post.rpartition("/")[2])
            author = await self._people.find(workspace, answer.member.user)
            await ask_again(workspace, spot, author, answer.message)
        else:
            await self._bring_to_its_end(answer, workspace, spot)

    async def _bring_to_its_end(self, answer: PostedAnswer, workspace: Workspace, spot: Spot) -> None:
        try:
            await self._make_good(answer, workspace, spot)
        except Refused as refused:
            log.warning("an answer could not be made good", extra={"action": "slack", "error": refused.error})
        except Unsure as unsure:  # the next start tries again
            log.warning("an answer could not be made good", extra={"action": "slack", "error": str(unsure)})
            return
        await self._posts.move(answer.question, "over")
        await self._replies.rest(workspace, spot)

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
            earlier = say("For {person}, who asked this earlier.", person=f"<@{person.id}>")
            beside = [] if spot.private else [look.context(person.tongue.say(earlier))]
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
        """Bring its messages to their end.

        Raises:
            Refused: nothing can be changed there any more.
            Unsure: Slack cannot be reached.
        """
        turns = await self._conversations.turns(answer.conversation)
        turn = next((one for one in turns if one.message == answer.question), None)
        there = [post.rpartition("/")[2] for post in answer.posts]
        if turn is None or not (turn.whole or turn.answer):
            # Killed while it was written: Slack alone knows how far it came, so nothing of that is touched.
            await self._end_with_a_word(answer, workspace, spot, there)
            return
        text, note = defuse(turn.answer), [] if turn.whole else [await self._cut_off(answer, workspace)]
        shown = pieces.whole(text) or (("",) if note else ())
        for number, piece in enumerate(shown, start=1):
            blocks = note if number == len(shown) else []
            if not (number <= len(there) and await _rewrite(workspace, spot, there[number - 1], piece, blocks)):
                id = f"{answer.question}/again#{number}"
                await posting.post(workspace, spot, id=id, text=piece, blocks=blocks)
        for surplus in there[len(shown) :]:  # it was cut elsewhere while it grew: all of it stands above
            await _remove(workspace, spot, surplus)

    async def _cut_off(self, answer: PostedAnswer, workspace: Workspace) -> look.Block:
        return look.context((await self._people.find(workspace, answer.member.user)).tongue.say(CUT_OFF))

    async def _end_with_a_word(
        self, answer: PostedAnswer, workspace: Workspace, spot: Spot, there: Sequence[str]
    ) -> None:
        note = [await self._cut_off(answer, workspace)]
        with suppress(Refused):  # it grows no more
            if there:
                place: dict[str, Any] = {"channel": spot.channel, "ts": there[-1]}
                stops = workspace.allowance.stops
                await call(workspace.client.chat_stopStream, stops, blocks=note, session_status="active", **place)
                return
        await posting.post(workspace, spot, id=f"{answer.question}/again#0", text="", blocks=note)


async def _rewrite(workspace: Workspace, spot: Spot, ts: str, text: str, blocks: list[look.Block]) -> bool:
    """Put it in place of what a message shows. False: the message is gone."""
    await _stop(workspace, spot, ts)
    body = [*([look.markdown(text)] if text else []), *blocks]
    place = {"channel": spot.channel, "ts": ts}
    arguments: dict[str, Any] = {**place, "text": look.notification(text), "blocks": body}
    try:
        await call(workspace.client.chat_update, workspace.allowance.updates, safe=True, **arguments)
    except Refused:
        return False
    return True


async def _remove(workspace: Workspace, spot: Spot, ts: str) -> None:
    await _stop(workspace, spot, ts)
    with suppress(Refused):  # it is gone
        deletes = workspace.allowance.deletes
        await call(workspace.client.chat_delete, deletes, safe=True, channel=spot.channel, ts=ts)


async def _stop(workspace: Workspace, spot: Spot, ts: str) -> None:
    with suppress(Refused, Unsure):  # it was no stream, or is over by its age
        stops = workspace.allowance.stops
        await call(workspace.client.chat_stopStream, stops, tries=2, channel=spot.channel, ts=ts)
