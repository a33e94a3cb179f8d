"""What stands on the Home tab: the share, the days before, the model, one's own account, and what there is to set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from babel.dates import format_date

from adapters.rendering import models
from adapters.rendering.languages import customs
from adapters.slack import answers, look
from adapters.slack.answers import NEXT, Reader
from adapters.slack.showing import PICTURE
from bot.clock import day_of, day_start
from bot.commands.answer import Answer, DayPicture, Facts, UsePicture
from bot.commands.command import Caller, Command, Path
from bot.commands.model import ANY
from bot.commands.registry import Registry
from bot.commands.saying import Code, Say, Usd, say
from bot.errors import PotluckError
from bot.messages import ModelId, Who
from bot.ports import ModelOnOffer
from bot.telemetry.logs import logger
from bot.uses import Use

log = logger(__name__)

CHOOSE, MANAGE, MODEL, LINK, AFRESH = "choose", "manage", "model", "link_account", "afresh"
"""Action ids of what stands on it."""
QUOTA: Path = ("quota",)
POOL: Path = ("pool",)
SET_MODEL: Path = ("model", "set")
ADD_KEY: Path = ("key", "add")
PASTE_KEY: Path = ("key", "paste")
SHOW_KEY: Path = ("key", "show")
_SHOWN_ELSEWHERE = frozenset(
    {
        ("ask",),
        QUOTA,
        POOL,
        SET_MODEL,
        ("model", "show"),
        ADD_KEY,
        PASTE_KEY,
        SHOW_KEY,
        ("key", "remove"),
        ("stop",),
        ("new",),
    }
)
"""Members' commands that the menu leaves out: what they do stands on the tab, or needs a conversation."""
_AT_HAND: Sequence[tuple[Path, Say]] = (
    (("admin", "top"), say("Who used how much")),
    (("admin", "audit", "list"), say("What was changed")),
    (("admin", "paid", "list"), say("Who may spend")),
)
"""What admins look at most."""
DAYS = 7
_DAY_BAR = 10
_OPTIONS = 100
_LABEL_MAX, _VALUE_MAX = 75, 150
_BLOCKS_MOST = 100


class HomeView:
    """See the module."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def blocks(self, caller: Caller, reader: Reader) -> list[look.Block]:
        """All of it, for one person."""
        usable = self._registry.usable(caller)
        paths = {command.path for command in usable}
        made: list[look.Block] = []
        for needs, part in (
            (QUOTA, self._share),
            (QUOTA, self._days),
            (POOL, self._pool),
            (SET_MODEL, self._model),
            (ADD_KEY, self._own_account),
        ):
            if needs in paths:
                made += [*await _or_a_word(part, caller, reader), {"type": "divider"}]
        made += self._settings(usable, reader)
        made += self._admins(usable, reader)
        return made[:_BLOCKS_MOST]

    async def _share(self, caller: Caller, reader: Reader) -> list[look.Block]:
        answer = await self._registry.run(QUOTA, {}, caller)
        buttons = [_button(reader, say("Look again"), AFRESH, "-")]
        if answers.pictures(answer):
            value = look.carried(path=list(QUOTA), values={})
            buttons.insert(0, _button(reader, say("Show the picture"), PICTURE, value))
        how = say("Write to me under Messages, mention me in a channel, or use {ask}.", ask=Code("/ask"))
        return [
            _header(reader, say("Your share today")),
            *_without_pictures(answer, reader),
            look.actions(*buttons),
            look.context(reader.speech.say(how)),
        ]

    async def _days(self, caller: Caller, reader: Reader) -> list[look.Block]:
        today = day_of(self._registry.desk.now())
        used = await self._registry.desk.uses.mine(caller.member, first=today - DAYS + 1, last=today)
        most = max((use.asked + use.paid for use in used), default=0)
        lines = "\n".join(_day(use, most, reader) for use in reversed(used))
        note = say("By UTC days, wherever you asked. Bars are questions.")
        if not any(use.asked or use.paid or use.refused for use in used):
            lines = reader.speech.say(say("You have asked nothing in the last {count} days.", count=DAYS))
        return [
            _header(reader, say("Your last days")),
            look.section(lines),
            look.context(reader.speech.say(note)),
        ]

    async def _pool(self, caller: Caller, reader: Reader) -> list[look.Block]:
        answer = await self._registry.run(POOL, {}, caller)
        return [_header(reader, say("Everyone's pool")), *_without_pictures(answer, reader)]

    async def _model(self, caller: Caller, reader: Reader) -> list[look.Block]:
        """Only models that the member may use."""
        desk = self._registry.desk
        member = desk.people.of(caller.member)
        who = Who(
            member=member,
            community=caller.community,
            standing=caller.standing,
            roles=caller.roles,
            groups=caller.groups,
            accounts=frozenset(desk.people.accounts(caller.member)),
        )
        await desk.choices.refresh(caller.community)
        usable = desk.choices.usable(who, limit=_OPTIONS - 1)
        chosen = desk.choices.chosen(member)
        options = [(ANY, reader.plainly.say(say("Let Potluck choose, among the free ones")))]
        options += [(model.id, _priced(model, reader)) for model in usable if len(model.id) <= _VALUE_MAX]
        said = say("Potluck chooses the model that answers you.")
        if chosen is not None:
            said = say("{model} answers you.", model=Code(chosen))
        menu = _menu(reader, reader.speech.say(said), say("Choose a model"), MODEL, options, chosen=chosen or ANY)
        return [_header(reader, say("Your model")), menu]

    async def _own_account(self, caller: Caller, reader: Reader) -> list[look.Block]:
        answer = await self._registry.run(SHOW_KEY, {}, caller)
        linked = any(isinstance(part, Facts) for part in answer.parts)
        shown = answers.blocks(answer, reader, surface="view")
        if not linked:
            text = say("Link your own OpenRouter account, and your questions take nothing of the pool.")
            shown = [look.section(reader.speech.say(text))]
        label = say("Link another account") if linked else say("Link my account")
        return [
            _header(reader, say("Your own OpenRouter account")),
            *shown,
            look.actions(_button(reader, label, LINK, "-")),
        ]

    def _settings(self, usable: Sequence[Command], reader: Reader) -> list[look.Block]:
        mine = [one for one in usable if one.rank == "anyone" and one.path not in _SHOWN_ELSEWHERE]
        if not mine:
            return []
        text = reader.speech.say(say("Settings, your data, and what else there is"))
        return [_menu(reader, text, say("Choose"), CHOOSE, _named(mine, reader))]

    def _admins(self, usable: Sequence[Command], reader: Reader) -> list[look.Block]:
        manage = [one for one in usable if one.rank != "anyone"]
        if not manage:
            return []
        paths = {one.path for one in manage}
        at_hand = [
            look.button(reader.plainly.say(said), f"{NEXT}{90 + number}", look.carried(path=list(path), values={}))
            for number, (path, said) in enumerate(_AT_HAND)
            if path in paths
        ]
        text = reader.speech.say(say("Everything there is to look after"))
        return [
            {"type": "divider"},
            _header(reader, say("For those who manage this community")),
            *([look.actions(*at_hand)] if at_hand else []),
            _menu(reader, text, say("Choose"), MANAGE, _named(manage, reader)),
        ]


async def _or_a_word(
    part: Callable[[Caller, Reader], Awaitable[list[look.Block]]], caller: Caller, reader: Reader
) -> list[look.Block]:
    """A part of the tab; where it cannot be made now, the others are there all the same."""
    try:
        return await part(caller, reader)
    except PotluckError as error:
        log.warning("a part of the Home tab is missing", extra={"action": "slack", "error": type(error).__name__})
        return [look.context(reader.speech.say(say("This cannot be shown just now. Look again in a moment.")))]


def _without_pictures(answer: Answer, reader: Reader) -> list[look.Block]:
    """Nobody could open a picture on the tab (see `pictures`), and its words say what stands there already."""
    parts = [part for part in answer.parts if not isinstance(part, DayPicture | UsePicture)]
    return answers.blocks(Answer(parts, ok=answer.ok), reader, surface="view")


def _day(use: Use, most: int, reader: Reader) -> str:
    """One day in a line."""
    date = datetime.fromtimestamp(day_start(use.day), UTC).date()
    name = format_date(date, format="EEE d MMM", locale=customs(reader.locale))
    asked = use.asked + use.paid
    bar = "█" * (round(_DAY_BAR * asked / most) if most else 0)
    said = say("{day}: nothing", day=name)
    if asked:
        said = say("{day}: {asked} asked, {taken} of them from the pool", day=name, asked=asked, taken=use.taken)
    if use.refused:
        said = say("{day}, {refused} refused", day=said, refused=use.refused)
    if use.usd:
        said = say("{day}, {usd} spent", day=said, usd=Usd(use.usd))
    return f"`{bar.ljust(_DAY_BAR, '░')}`  {reader.speech.say(said)}"


def _priced(model: ModelOnOffer, reader: Reader) -> str:
    price = models.price(model, brief=True, tongue=reader.plainly)
    return f"{model.id[: _LABEL_MAX - len(price) - 3]} · {price}"


def _named(commands: Sequence[Command], reader: Reader) -> list[tuple[str, str]]:
    return [(one.name, f"{one.name}: {reader.plainly.say(one.about)}") for one in commands]


def _header(reader: Reader, said: Say) -> look.Block:
    return {"type": "header", "text": look.plain(reader.plainly.say(said))}


def _button(reader: Reader, said: Say, action: str, value: str) -> look.Block:
    return look.button(reader.plainly.say(said), action, value)


def _menu(
    reader: Reader,
    text: str,
    placeholder: Say,
    action: str,
    options: Sequence[tuple[str, str]],
    *,
    chosen: ModelId | str | None = None,
) -> look.Block:
    """A menu beside a text. Options are values with their labels."""
    shown = [{"text": look.plain(_cut(label)), "value": value} for value, label in options[:_OPTIONS]]
    element: look.Block = {
        "type": "static_select",
        "action_id": action,
        "placeholder": look.plain(reader.plainly.say(placeholder)),
        "options": shown,
    }
    if (initial := next((one for one in shown if one["value"] == chosen), None)) is not None:
        element["initial_option"] = initial
    return {**look.section(text), "accessory": element}


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL_MAX else f"{label[: _LABEL_MAX - 1]}…"
