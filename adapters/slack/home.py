"""The Home tab: shown when it is opened, and anew when something was done on it. Its parts are in `home_view`."""

from __future__ import annotations

import re
from dataclasses import replace

from adapters.rendering.saying import Tongue
from adapters.slack import answers, forms, look
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.commands import Commands, place_of
from adapters.slack.home_view import ADD_KEY, AFRESH, CHOOSE, LINK, MANAGE, MODEL, PASTE_KEY, SET_MODEL, HomeView
from adapters.slack.listeners import Json, Work
from adapters.slack.people import People, Person
from adapters.slack.showing import Showing, show_modal
from adapters.slack.workspace import Workspace
from bot.commands.answer import Line, Link
from bot.commands.registry import Registry
from bot.commands.saying import say
from bot.ports import Conversations
from bot.telemetry.logs import logger

log = logger(__name__)

PROMPTS = (
    (say("Explain something"), say("Explain in simple words:")),
    (say("Improve a text"), say("Make this text clearer, and keep its meaning:")),
    (say("Plan a day"), say("Help me plan my day. I have to:")),
    (say("What is a fair share?"), say("What is a fair share of something that many people use?")),
)


def prompts(tongue: Tongue) -> list[dict[str, str]]:
    """What an empty conversation suggests."""
    asked = [(tongue.say(title), tongue.say(message)) for title, message in PROMPTS]
    # One that ends with a colon is to be written on.
    return [{"title": title, "message": re.sub(r":$", ": ", message)} for title, message in asked]


class Home:
    """See the module. Without commands it shows the share alone."""

    def __init__(
        self,
        *,
        registry: Registry | None,
        commands: Commands | None,
        showing: Showing,
        conversations: Conversations,
        people: People,
    ) -> None:
        self._registry, self._commands, self._showing = registry, commands, showing
        self._conversations, self._people = conversations, people
        self._view = None if registry is None else HomeView(registry)
        self._showing_now: dict[tuple[str, str], bool] = {}
        """Whose tab is being made, and whether it has to be made again."""

    @property
    def actions(self) -> dict[str | re.Pattern[str], Work]:
        return {
            CHOOSE: self._choose,
            MANAGE: self._choose,
            MODEL: self._choose_model,
            LINK: self._link,
            AFRESH: self._afresh,
        }

    async def open(self, workspace: Workspace, body: Json) -> None:
        """`app_home_opened`, of either tab."""
        event = body["event"]
        if event.get("tab") == "messages":
            person = await self._people.find(workspace, str(event["user"]))
            await self._suggest(workspace, str(event["channel"]), person)
        elif event.get("tab") == "home":
            await self.publish(workspace, await self._people.find(workspace, str(event["user"])))

    async def publish(self, workspace: Workspace, person: Person) -> None:
        """Show the tab as things stand now. One at a time for one person, so that the newest is what stays."""
        key = (workspace.team, person.id)
        again = key in self._showing_now
        self._showing_now[key] = True
        if again:
            return
        try:
            while self._showing_now[key]:
                self._showing_now[key] = False
                await self._publish(workspace, person)
        finally:
            del self._showing_now[key]

    async def afterwards(self, workspace: Workspace, body: Json) -> None:
        """Something was done by a button or a form: whoever has the tab open sees what became of it."""
        view = body.get("view") or {}
        carried = look.pressed(str(view.get("private_metadata") or ""))
        at_home = view.get("type") == "home" or (carried.get("place") or {}).get("channel") == ""
        if at_home:
            await self._afresh(workspace, body)

    async def _publish(self, workspace: Workspace, person: Person) -> None:
        view = {"type": "home", "blocks": await self._blocks(workspace, person)}
        try:
            await call(
                workspace.client.views_publish, workspace.allowance.views, safe=True, user_id=person.id, view=view
            )
        except (Refused, Unsure) as problem:
            log.info("no Home tab", extra={"action": "slack", "error": str(problem)})

    async def _blocks(self, workspace: Workspace, person: Person) -> list[look.Block]:
        if self._view is None or self._commands is None:
            share = await self._conversations.share(person.member, workspace.community)
            meter = answers.bar(share.used, share.used + share.left_now, share.left_sure)
            return [look.section(f"`{meter}`  {look.share(share, person.tongue)}")]
        return await self._view.blocks(self._commands.caller(workspace, person, ""), self._showing.reader(person))

    # --- what is done on it ------------------------------------------------------------------------------

    async def _choose(self, workspace: Workspace, body: Json) -> None:
        """A command from a menu."""
        if self._commands is not None and (chosen := _chosen(body)):
            person = await self._people.find(workspace, str(body["user"]["id"]))
            path = tuple(chosen.split())
            await self._commands.use(workspace, person, place_of(body, ""), path, {}, form="always")
            await self.publish(workspace, person)

    async def _choose_model(self, workspace: Workspace, body: Json) -> None:
        if self._commands is None or not (chosen := _chosen(body)):
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        caller = self._commands.caller(workspace, person, "")
        answer = await self._commands.run(workspace, caller, SET_MODEL, {"model": chosen})
        if not answer.ok:  # else the tab itself says it
            await self._showing.show(workspace, person, place_of(body, ""), answer, path=SET_MODEL, given={})
        await self.publish(workspace, person)

    async def _link(self, workspace: Workspace, body: Json) -> None:
        """The link to OpenRouter, and a place for the code that is shown behind it."""
        command = None if self._registry is None else self._registry.find(PASTE_KEY)
        if command is None or self._commands is None:
            return
        person = await self._people.find(workspace, str(body["user"]["id"]))
        answer = await self._commands.run(workspace, self._commands.caller(workspace, person, ""), ADD_KEY, {})
        reader = self._showing.reader(person)
        # The form is the next step itself: of the answer it needs the link.
        here = Line(say("Then paste the code below. It is good for ten minutes, and of no use to anybody else."))
        said = replace(answer, parts=[*(part for part in answer.parts if isinstance(part, Link)), here])
        shown = answers.blocks(said if answer.ok else answer, reader, surface="view")
        view = forms.of_key(command, shown, reader.plainly)
        if not await show_modal(workspace, place_of(body, ""), view):
            await self._showing.tell(workspace, person, "", answers.blocks(answer, reader))

    async def _afresh(self, workspace: Workspace, body: Json) -> None:
        await self.publish(workspace, await self._people.find(workspace, str(body["user"]["id"])))

    async def _suggest(self, workspace: Workspace, channel: str, person: Person) -> None:
        try:
            await call(
                workspace.client.assistant_threads_setSuggestedPrompts,
                workspace.allowance.rest,
                tries=1,
                channel_id=channel,
                prompts=prompts(person.tongue),
            )
        except (Refused, Unsure) as problem:
            log.info("no prompts", extra={"action": "slack", "error": str(problem)})


def _chosen(body: Json) -> str:
    return str((body["actions"][0].get("selected_option") or {}).get("value") or "")
