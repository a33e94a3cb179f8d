"""Answers that come later: questions that wait for room in the day are followed, also those of before a restart."""

from __future__ import annotations

import asyncio

from adapters.slack import look
from adapters.slack.inbound import Spot
from adapters.slack.people import People, Person
from adapters.slack.replies import Replies
from adapters.slack.workspace import Workspaces
from bot.messages import Member, MessageId, TicketId
from bot.ports import Conversations
from bot.telemetry.logs import logger

log = logger(__name__)


class HeldAnswers:
    """See the module."""

    def __init__(
        self, *, conversations: Conversations, workspaces: Workspaces, people: People, replies: Replies
    ) -> None:
        self._conversations, self._workspaces = conversations, workspaces
        self._people, self._replies = people, replies
        self._followed: set[TicketId] = set()

    async def take_up(self) -> None:
        """Follow what waits since before the last restart."""
        for question in await self._conversations.held("slack"):
            spot = Spot.parse(question.conversation)
            if spot is not None:
                self.follow(question.ticket, spot, question.author, question.message)

    def follow(self, ticket: TicketId, spot: Spot, author: Member, message: MessageId) -> None:
        """Show the answer in its thread when it comes. Once, however often it is asked for."""
        if ticket in self._followed:
            return
        self._followed.add(ticket)
        task = asyncio.create_task(self._follow(ticket, spot, author, message), name=f"follow {ticket}")
        task.add_done_callback(lambda _: self._followed.discard(ticket))
        self._replies.watch(task)

    async def may_drop(self, ticket: TicketId, person: Person) -> bool:
        """It is the person's own, or waits no more."""
        waiting = {one.ticket: one.author for one in await self._conversations.held("slack")}
        return ticket not in waiting or waiting[ticket] == person.member

    async def drop(self, ticket: TicketId) -> bool:
        """Its author does not want it any more."""
        return await self._conversations.give_up(ticket)

    async def _follow(self, ticket: TicketId, spot: Spot, author: Member, message: MessageId) -> None:
        workspace = await self._workspaces.find(team=spot.team, enterprise=None)
        if workspace is None:
            log.info("a held question is of a workspace that left", extra={"action": "slack", "team": spot.team})
            return
        person = await self._people.find(workspace, author.user)
        private = spot.channel.startswith("D")
        for_whom = [] if private else [look.context(f"For <@{person.id}>, who asked this earlier.")]
        await self._replies.show(
            workspace,
            spot,
            self._conversations.follow(ticket),
            message=MessageId(f"{message}/later"),
            author=person,
            private=private,
            beside=for_whom,
            later=True,
        )
