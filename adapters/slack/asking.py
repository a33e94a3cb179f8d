"""Questions that are no messages: asked by a command or about a message. Each gets a place to be answered in."""

from __future__ import annotations

from typing import Any

from adapters.slack import forms, look, plain_text
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.handing import direct
from adapters.slack.inbound import Spot
from adapters.slack.keeping import noted
from adapters.slack.listeners import Json
from adapters.slack.memory import Memory
from adapters.slack.people import People, Person
from adapters.slack.showing import Place, Showing, show_modal
from adapters.slack.talk import Talk
from adapters.slack.workspace import Workspace
from bot.commands.key_said import PASTE, shown
from bot.commands.saying import Code, say
from bot.messages import Member, MessageId
from bot.pasted_keys import holds_key
from bot.telemetry.logs import logger

log = logger(__name__)

_SHOWN_MAX = 2_500


class Asking:
    """See the module."""

    def __init__(self, *, talk: Talk, people: People, memory: Memory, showing: Showing) -> None:
        self._talk, self._people, self._memory, self._showing = talk, people, memory, showing

    # --- for all to read -----------------------------------------------------------------------------------

    async def ask(self, workspace: Workspace, person: Person, place: Place, question: str) -> None:
        """Ask in a thread of its own below the question, where a command was given."""
        if holds_key(question):  # it would stand there for all to read
            said = say("That looks like an OpenRouter key, and was not kept. {add} takes it.", add=shown(PASTE))
            await self._showing.say(workspace, person, place, said)
            return
        try:
            root = await self._post(workspace, person, place.channel, question)
        except Refused as refused:
            log.info("a question was not posted", extra={"action": "slack", "error": refused.error})
            me = Member(platform="slack", tenant=workspace.tenant, user=workspace.bot_user)
            said = say(
                "I am not in this channel: invite {me} with {invite}, or write to me.", invite=Code("/invite"), me=me
            )
            await self._showing.say(workspace, person, place, said)
            return
        except Unsure as unsure:
            log.info("a question may not have been posted", extra={"action": "slack", "error": str(unsure)})
            said = say("Slack did not answer. If your question does not stand there, ask it again.")
            await self._showing.say(workspace, person, place, said)
            return
        spot = Spot(team=workspace.team, channel=place.channel, root=root)
        if not spot.private:
            await noted(self._memory.call_into(str(spot.conversation)), None)
        id = MessageId(f"slack:{spot.team}/{spot.channel}/{spot.root}")
        message = self._talk.message(workspace, spot, person, question, id=id)
        await self._talk.ask(workspace, spot, person, message)

    async def _post(self, workspace: Workspace, person: Person, channel: str, question: str) -> str:
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
        posted = await call(workspace.client.chat_postMessage, workspace.allowance.posts(channel), **arguments)
        return str(posted["ts"])

    # --- by a form -----------------------------------------------------------------------------------------

    async def anything(self, workspace: Workspace, body: Json) -> None:
        """The shortcut that is at hand everywhere: ask what to ask, and where."""
        person = await self._people.find(workspace, str(body["user"]["id"]))
        await self._show(workspace, body, forms.anything(self._showing.reader(person).plainly))

    async def sent_in(self, workspace: Workspace, body: Json) -> None:
        """Its form was sent in. Nowhere chosen: in the person's direct messages."""
        filled = forms.filled(body["view"])
        person = await self._people.find(workspace, str(body["user"]["id"]))
        channel = filled.get("where") or await direct(workspace, person)
        if channel and filled.get("question"):
            await self.ask(workspace, person, Place(channel=channel), filled["question"])

    async def about_this(self, workspace: Workspace, body: Json) -> None:
        """The shortcut on a message: ask what to ask about it."""
        message = body["message"]
        ts = str(body.get("message_ts") or message["ts"])
        person = await self._people.find(workspace, str(body["user"]["id"]))
        view = forms.about_message(
            self._showing.reader(person).plainly,
            channel=str(body["channel"]["id"]),
            ts=ts,
            root=str(message.get("thread_ts") or ts),
            text=plain_text.read(str(message.get("text") or "")),
            files=[str(file["id"]) for file in message.get("files") or [] if file.get("id")],
        )
        await self._show(workspace, body, view)

    async def about(self, workspace: Workspace, body: Json) -> None:
        """Its form was sent in."""
        view = body["view"]
        carried = look.pressed(str(view.get("private_metadata") or ""))
        question = forms.filled(view).get("question", "")
        if not (question and carried.get("channel") and carried.get("root")):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        spot = Spot(team=workspace.team, channel=str(carried["channel"]), root=str(carried["root"]))
        id = MessageId(f"slack:{spot.team}/{spot.channel}/{view['id']}")
        files = [{"id": file, "file_access": "check_file_info"} for file in carried.get("files") or []]
        attachments = await self._talk.taken(workspace, spot, person, files, id=id)
        if attachments is None:
            return
        quoted = "\n".join(f"> {line}" for line in str(carried.get("text", "")).splitlines())
        about = say("{question}\n\nThis is about:\n{text}", question=question, text=quoted)
        text = person.tongue.say(about) if quoted else question
        message = self._talk.message(workspace, spot, person, text, id=id, attachments=attachments)
        escaped = plain_text.escape(question)
        asked = person.tongue.say(say("{person} asked: {question}", person=f"<@{person.id}>", question=escaped))
        beside = [] if holds_key(question) else [look.context(asked[:_SHOWN_MAX])]
        await self._talk.ask(workspace, spot, person, message, beside=beside)

    async def _show(self, workspace: Workspace, body: Json, view: look.Block) -> None:
        await show_modal(workspace, Place(channel="", trigger=str(body.get("trigger_id") or "")), view)
