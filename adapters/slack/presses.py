"""What is pressed on Potluck's messages: verdicts, waiting, dropping, muting."""

from __future__ import annotations

import aiohttp

from adapters.slack import look
from adapters.slack.inbound import Spot
from adapters.slack.listeners import Json, Work
from adapters.slack.memory import Memory
from adapters.slack.people import People
from adapters.slack.responding import respond
from adapters.slack.talk import Talk
from adapters.slack.unfinished import Unfinished
from adapters.slack.workspace import Workspace
from bot.commands.saying import say


class Presses:
    """See the module."""

    def __init__(
        self, *, talk: Talk, unfinished: Unfinished, people: People, memory: Memory, session: aiohttp.ClientSession
    ) -> None:
        self._talk, self._unfinished, self._people, self._memory = talk, unfinished, people, memory
        self._session = session

    @property
    def actions(self) -> dict[str, Work]:
        return {look.FEEDBACK: self._judge, look.HOLD: self._hold, look.DROP: self._drop, look.MUTE: self._mute}

    async def _judge(self, workspace: Workspace, body: Json) -> None:
        person = await self._people.find(workspace, body["user"]["id"])
        spot_of = body["container"]
        answer = f"slack:{workspace.team}/{spot_of['channel_id']}/{spot_of['message_ts']}"
        await self._memory.judge(answer, person.member, body["actions"][0].get("value") == "good")

    async def _hold(self, workspace: Workspace, body: Json) -> None:
        value, user = str(body["actions"][0].get("value", "")), str(body["user"]["id"])
        if self._talk.waits(value, user):
            await self._respond(body, delete=True)
            await self._talk.hold(workspace, value)
        else:
            person = await self._people.find(workspace, user)
            gone = say("That question is too old to be kept. Please ask it again.")
            await self._respond(body, [look.context(person.tongue.say(gone))])

    async def _drop(self, workspace: Workspace, body: Json) -> None:
        ticket = look.ticket(str(body["actions"][0].get("value", "")))
        person = await self._people.find(workspace, str(body["user"]["id"]))
        if not self._unfinished.may_drop(ticket, person):
            await self._respond(body, [look.context(person.tongue.say(say("Only who asked it can drop it.")))])
            return
        await self._respond(body, look.dropped(await self._unfinished.drop(ticket), person.tongue), replace=True)

    async def _mute(self, workspace: Workspace, body: Json) -> None:
        place, user = body["container"], str(body["user"]["id"])
        root = place.get("thread_ts") or place["message_ts"]
        person = await self._people.find(workspace, user)
        spot = Spot(team=workspace.team, channel=place["channel_id"], root=root)
        await self._talk.mute(workspace, spot, person, True)

    async def _respond(
        self, body: Json, blocks: list[look.Block] | None = None, *, replace: bool = False, delete: bool = False
    ) -> None:
        if url := str(body.get("response_url") or ""):
            await respond(self._session, url, blocks or [], replace=replace, delete=delete)
