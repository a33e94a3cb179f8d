"""Questions that are no messages: asked by a command or about a message. Each gets a place to be answered in."""

from __future__ import annotations

from typing import Any

from adapters.rendering.saying import Speech
from adapters.slack import forms, look, plain_text
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.inbound import Spot
from adapters.slack.listeners import Json
from adapters.slack.memory import Memory
from adapters.slack.people import People, Person
from adapters.slack.talk import Talk
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.commands.saying import say
from bot.messages import MessageId
from bot.telemetry.logs import logger

log = logger(__name__)

_SHOWN_MAX = 2_500


class Asking:
    """See the module."""

    def __init__(self, *, talk: Talk, people: People, memory: Memory, clock: Clock) -> None:
        self._talk, self._people, self._memory, self._clock = talk, people, memory, clock

    async def openly(self, workspace: Workspace, person: Person, channel: str, question: str) -> bool:
        """Ask in a thread of its own below the question, in a channel. False: Potluck may not write there."""
        shown, asks = plain_text.escape(question), say("{person} asks: {question}")
        cut = f"{shown[:_SHOWN_MAX]}{'…' if len(shown) > _SHOWN_MAX else ''}"
        text = person.tongue.say(asks.given(person=f"<@{person.id}>", question=cut))
        arguments: dict[str, Any] = {
            "channel": channel,
            "text": look.notification(person.tongue.say(asks.given(person=person.name, question=question))),
            "blocks": [look.section(text)],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            posted = await call(workspace.client.chat_postMessage, workspace.allowance.posts(channel), **arguments)
        except (Refused, Unsure) as problem:
            log.info("a question was not posted", extra={"action": "slack", "error": str(problem)})
            return False
        spot = Spot(team=workspace.team, channel=channel, root=str(posted["ts"]))
        if not spot.private:
            await self._memory.call_into(str(spot.conversation))
        id = MessageId(f"slack:{spot.team}/{spot.channel}/{spot.root}")
        message = self._talk.message(workspace, spot, person, question, id=id)
        await self._talk.ask(workspace, spot, person, message)
        return True

    async def form(self, workspace: Workspace, body: Json) -> None:
        """The shortcut on a message: ask what to ask."""
        message = body["message"]
        ts = str(body.get("message_ts") or message["ts"])
        person = await self._people.find(workspace, str(body["user"]["id"]))
        view = forms.about_message(
            Speech(locale=person.locale, clock=self._clock),
            channel=str(body["channel"]["id"]),
            ts=ts,
            root=str(message.get("thread_ts") or ts),
            text=plain_text.read(str(message.get("text") or "")),
        )
        try:
            await call(
                workspace.client.views_open,
                workspace.allowance.views,
                tries=1,
                trigger_id=str(body["trigger_id"]),
                view=view,
            )
        except (Refused, Unsure) as problem:
            log.info("no form", extra={"action": "slack", "error": str(problem)})

    async def about(self, workspace: Workspace, body: Json) -> None:
        """The form of the shortcut was sent in."""
        view = body["view"]
        carried, question = (
            look.pressed(str(view.get("private_metadata") or "")),
            forms.filled(view).get("question", ""),
        )
        if not (question and carried.get("channel") and carried.get("root")):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        spot = Spot(team=workspace.team, channel=str(carried["channel"]), root=str(carried["root"]))
        quoted = "\n".join(f"> {line}" for line in str(carried.get("text", "")).splitlines())
        about = say("{question}\n\nThis is about:\n{text}", question=question, text=quoted)
        text = person.tongue.say(about) if quoted else question
        id = MessageId(f"slack:{spot.team}/{spot.channel}/{view['id']}")
        message = self._talk.message(workspace, spot, person, text, id=id)
        escaped = plain_text.escape(question)
        asked = person.tongue.say(say("{person} asked: {question}", person=f"<@{person.id}>", question=escaped))
        await self._talk.ask(workspace, spot, person, message, beside=[look.context(asked[:_SHOWN_MAX])])
