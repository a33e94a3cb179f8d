"""The Home tab: where a member stands, what they may do, and for those who manage the community what to look after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.slack import answers, look
from adapters.slack.calls import Refused, Unsure, call
from adapters.slack.commands import Commands, Place
from adapters.slack.listeners import Json
from adapters.slack.people import People, Person
from adapters.slack.workspace import Workspace
from bot.commands.command import Caller, Command
from bot.commands.registry import Registry
from bot.commands.saying import Say
from bot.ports import Conversations
from bot.telemetry.logs import logger

log = logger(__name__)

CHOOSE, MANAGE, MODEL = "choose", "manage", "model"
"""Action ids of the menus."""
_HISTORY = ("history",)
_SHOWN_FIRST = (("quota",), _HISTORY, ("pool",))
"""Commands whose answers stand on the tab, where there are such."""
_MODEL = ("model",)
PROMPTS = (
    ("Explain something", "Explain in simple words: "),
    ("Improve a text", "Make this text clearer, and keep its meaning: "),
    ("Plan a day", "Help me plan my day. I have to: "),
    ("What may I still ask?", "/potluck quota shows what is left of my share. What is a fair share here?"),
)
_OPTIONS = 100


class Home:
    """See the module."""

    def __init__(
        self, *, registry: Registry | None, commands: Commands | None, conversations: Conversations, people: People
    ) -> None:
        self._registry, self._commands, self._conversations = registry, commands, conversations
        self._people = people

    async def open(self, workspace: Workspace, body: Json) -> None:
        """`app_home_opened`, of either tab."""
        event = body["event"]
        person = await self._people.find(workspace, str(event["user"]))
        if event.get("tab") == "messages":
            await self._suggest(workspace, str(event["channel"]))
        elif event.get("tab") == "home":
            await self.publish(workspace, person)

    async def publish(self, workspace: Workspace, person: Person) -> None:
        """Show the tab as things stand now."""
        view = {"type": "home", "blocks": await self._blocks(workspace, person)}
        try:
            await call(
                workspace.client.views_publish, workspace.allowance.views, safe=True, user_id=person.id, view=view
            )
        except (Refused, Unsure) as problem:
            log.info("no Home tab", extra={"action": "slack", "error": str(problem)})

    async def choose(self, workspace: Workspace, body: Json) -> None:
        """Something was chosen from a menu of the tab."""
        action = body["actions"][0]
        chosen = str((action.get("selected_option") or {}).get("value") or "")
        person = await self._people.find(workspace, str(body["user"]["id"]))
        if self._commands is None or not chosen:
            return
        trigger, place = str(body.get("trigger_id") or ""), Place(channel="")
        if action["action_id"] == MODEL:
            name = self._model_parameter()
            if name is not None:
                await self._commands.use(workspace, person, place, _MODEL, {name: chosen})
        else:
            await self._commands.use(workspace, person, place, tuple(chosen.split()), {}, trigger=trigger)
        await self.publish(workspace, person)

    # --- what stands on it -------------------------------------------------------------------------------

    async def _blocks(self, workspace: Workspace, person: Person) -> list[look.Block]:
        if self._registry is None or self._commands is None:
            share = await self._conversations.share(person.member, workspace.community)
            meter = answers.bar(share.used, share.used + share.left_now)
            return [_header("Your share today"), look.section(f"`{meter}`  {look.share(share)}")]
        caller = self._commands.caller(workspace, person, "")
        usable = self._registry.usable(caller)
        paths = {command.path for command in usable}
        made: list[look.Block] = [_header("Your share today")]
        for path in _SHOWN_FIRST:
            if path in paths:
                answer = await self._registry.run(path, {}, caller)
                made += [*answers.blocks(answer, self._commands.reader(person)), {"type": "divider"}]
        made += await self._models(caller, paths)
        speech = self._commands.reader(person).speech
        anyone = [command for command in usable if command.rank == "anyone" and command.path != ("ask",)]
        manage = [command for command in usable if command.rank != "anyone"]
        made += _menu("What you can do", "Choose", CHOOSE, anyone, speech.say)
        if manage:
            made += [_header("For those who manage this community")]
            made += _menu("What to look after", "Choose", MANAGE, manage, speech.say)
        return made[:100]

    async def _models(self, caller: Caller, paths: set[tuple[str, ...]]) -> list[look.Block]:
        """Only models the member may use."""
        name = self._model_parameter()
        if self._registry is None or name is None or _MODEL not in paths:
            return []
        models = await self._registry.suggest(_MODEL, name, "", {}, caller)
        return (
            [_select("Which model answers you", "Choose a model", MODEL, list(zip(models, models, strict=True)))]
            if models
            else []
        )

    def _model_parameter(self) -> str | None:
        command = None if self._registry is None else self._registry.find(_MODEL)
        if command is None:
            return None
        return next((one.name for one in command.parameters if one.kind == "model"), None)

    async def _suggest(self, workspace: Workspace, channel: str) -> None:
        prompts = [{"title": title, "message": message} for title, message in PROMPTS]
        try:
            await call(
                workspace.client.assistant_threads_setSuggestedPrompts,
                workspace.allowance.rest,
                tries=1,
                channel_id=channel,
                prompts=prompts,
            )
        except (Refused, Unsure) as problem:
            log.info("no prompts", extra={"action": "slack", "error": str(problem)})


def _header(text: str) -> look.Block:
    return {"type": "header", "text": look.plain(text)}


def _menu(
    text: str, placeholder: str, action: str, commands: Sequence[Command], say: Callable[[Say], str]
) -> list[look.Block]:
    """A menu of commands."""
    if not commands:
        return []
    options = [(command.name, f"/{command.name}: {say(command.about)}") for command in commands]
    return [_select(text, placeholder, action, options)]


def _select(text: str, placeholder: str, action: str, options: Sequence[tuple[str, str]]) -> look.Block:
    shown = [{"text": look.plain(label[:75]), "value": value} for value, label in options[:_OPTIONS]]
    element = {"type": "static_select", "action_id": action, "placeholder": look.plain(placeholder), "options": shown}
    return {**look.section(text), "accessory": element}
