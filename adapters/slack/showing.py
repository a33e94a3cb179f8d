"""How an answer of a command gets back to who gave it: where it was given, in a form's place, or directly.

What is private is seen by one person: as a message only they see, in a modal, or in their direct messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from adapters.slack import answers, forms, look
from adapters.slack.answers import Reader
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.handing import direct, hand_over
from adapters.slack.people import Person
from adapters.slack.pictures import Pictures
from adapters.slack.responding import respond
from adapters.slack.workspace import Workspace
from bot.clock import Clock
from bot.commands.answer import Answer
from bot.commands.command import Path
from bot.commands.saying import Say, say
from bot.telemetry.logs import logger

log = logger(__name__)

PICTURE = "picture"
"""The action id of the button that sends an answer's pictures directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command was used, and how its answer gets back there."""

    channel: str
    """Empty: on the Home tab."""
    response_url: str = ""
    """Empty: it came from a form, or from the Home tab."""
    trigger: str = ""
    """Opens one modal, for three seconds."""
    modal: str = ""
    """The id of the modal it was pressed in: what comes of it takes that one's place."""

    @property
    def home(self) -> bool:
        return not self.channel


class Showing:
    """See the module."""

    def __init__(self, *, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self._pictures = Pictures(session)

    def reader(self, person: Person) -> Reader:
        return Reader(locale=person.locale, clock=self._clock)

    async def show(
        self,
        workspace: Workspace,
        person: Person,
        place: Place,
        answer: Answer,
        *,
        path: Path,
        given: Mapping[str, str],
    ) -> None:
        """Show it. `path` and `given` are what was called, for a button that calls it again."""
        shown = place.home and await self._in_a_modal(workspace, person, place, answer, path=path, given=given)
        shown = shown or await self._with_pictures(workspace, person, place, answer)
        if not shown:
            await self._in_words(workspace, person, place, answer, path=path, given=given)
        for document in answers.documents(answer):
            if not await hand_over(workspace, person, document):
                await self.say(workspace, person, place, say("The file could not be sent. Try again in a moment."))

    async def say(self, workspace: Workspace, person: Person, place: Place, said: Say) -> None:
        """One sentence, to the person alone."""
        made = [look.section(self.reader(person).speech.say(said))]
        if place.response_url:
            await respond(self._session, place.response_url, made)
        else:
            await self.tell(workspace, person, place.channel, made)

    async def send_pictures(self, workspace: Workspace, person: Person, place: Place, answer: Answer) -> bool:
        """The pictures of an answer, in the person's direct messages; where that cannot be, in words. False: it has
        none."""
        reader, pictures = self.reader(person), answers.pictures(answer)
        if not pictures:
            return False
        made = Answer(pictures)
        shown = await self._pictures.put(workspace, pictures, reader.plainly)
        channel = await direct(workspace, person)
        if channel is None or not await self._post(workspace, channel, answers.blocks(made, reader, shown=shown)):
            await self.tell(workspace, person, place.channel, answers.blocks(made, reader))
        elif place.response_url:
            await self.say(workspace, person, place, say("The picture is in your direct messages with me."))
        return True

    async def tell(self, workspace: Workspace, person: Person, channel: str, made: Sequence[look.Block]) -> None:
        """Say something to one person where they are, else directly."""
        text = look.notification(look.words_in(made))
        try:
            if channel and not channel.startswith("D"):
                await call(
                    workspace.client.chat_postEphemeral,
                    workspace.allowance.whispers,
                    channel=channel,
                    user=person.id,
                    text=text,
                    blocks=list(made),
                )
                return
        except Refused:
            pass  # they have left, or Potluck is not there
        except Unsure:
            return
        there = await direct(workspace, person)
        if there is not None:
            await self._post(workspace, there, made)

    # --- ways ----------------------------------------------------------------------------------------------

    async def _in_words(
        self,
        workspace: Workspace,
        person: Person,
        place: Place,
        answer: Answer,
        *,
        path: Path,
        given: Mapping[str, str],
    ) -> None:
        made = answers.blocks(answer, self.reader(person))
        if place.response_url:
            made += self._picture_button(person, answer, path, given)
            if await respond(self._session, place.response_url, made, openly=not answer.private):
                return
        await self.tell(workspace, person, place.channel, made)

    async def _in_a_modal(
        self,
        workspace: Workspace,
        person: Person,
        place: Place,
        answer: Answer,
        *,
        path: Path,
        given: Mapping[str, str],
    ) -> bool:
        reader = self.reader(person)
        made = answers.blocks(answer, reader, surface="view")
        made += self._picture_button(person, answer, path, given)
        view = forms.of_answer(path, made, reader.plainly)
        return await show_modal(workspace, place, view)

    async def _with_pictures(self, workspace: Workspace, person: Person, place: Place, answer: Answer) -> bool:
        """Where everyone who sees the answer may see them. False: nothing was shown."""
        here = place.channel
        if not here or not answers.pictures(answer):
            return False
        if answer.private and (not here.startswith("D") or here != await direct(workspace, person)):
            return False  # others read there; in direct messages of two people Potluck is not
        reader = self.reader(person)
        shown = await self._pictures.put(workspace, answers.pictures(answer), reader.plainly)
        if not shown:
            return False
        made = answers.blocks(answer, reader, shown=shown)
        # A response of Slack's may go where Potluck is not; a message of its own shares the file for sure.
        return await self._post(workspace, here, made) or (
            not answer.private
            and place.response_url != ""
            and await respond(self._session, place.response_url, made, openly=True)
        )

    def _picture_button(self, person: Person, answer: Answer, path: Path, given: Mapping[str, str]) -> list[look.Block]:
        if not answers.pictures(answer):
            return []
        label = self.reader(person).plainly.say(say("Show the picture"))
        return [look.actions(look.button(label, PICTURE, look.carried(path=list(path), values=dict(given))))]

    async def _post(self, workspace: Workspace, channel: str, made: Sequence[look.Block]) -> bool:
        text = look.notification(look.words_in(made))
        posts = workspace.allowance.posts(channel)
        try:
            await call(workspace.client.chat_postMessage, posts, channel=channel, text=text, blocks=list(made))
        except Refused as refused:
            log.info("a word was not shown", extra={"action": "slack", "error": refused.error})
            return False
        except Unsure as problem:  # it may be there: better missing than twice
            log.info("a word may not have been shown", extra={"action": "slack", "error": str(problem)})
        return True


async def show_modal(workspace: Workspace, place: Place, view: look.Block) -> bool:
    """Open it, or put it in the place of the one that is open. False: it is too late for that, or Slack refuses."""
    client, views = workspace.client, workspace.allowance.views
    try:
        if place.modal:
            await call(client.views_update, views, safe=True, view_id=place.modal, view=view)
        elif place.trigger:
            await call(client.views_open, views, tries=1, trigger_id=place.trigger, view=view)
        else:
            return False
    except (Refused, Unsure) as problem:
        log.info("no modal", extra={"action": "slack", "error": str(problem)})
        return False
    return True
