"""Modals: a command's values as a form, and a question about a message. What was filled in becomes values again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, assert_never

from adapters.rendering.saying import Speech
from adapters.slack import look, plain_text
from bot.commands.command import Command, Parameter, Path, Suggestion
from bot.commands.saying import Say, say

COMMAND, ABOUT, ANYTHING, READ = "command", "about", "anything", "read"
"""Callback ids of the modals."""
ASK_ABOUT, ASK_ANYTHING = "ask_about", "ask_anything"
"""Callback ids of the shortcut on a message, and of the one at hand everywhere."""
_VALUE = "value"
_TITLE_MAX, _LABEL_MAX, _HINT_MAX, _QUOTE_MAX = 24, 2000, 2000, 2400
_LONG = 3000
_FILES_MOST = 11
"""One more than are taken, so that too many are told of."""
_OTHER = " or"
"""Behind the name of a parameter: where what the picker does not have is typed."""
_MULTILINE = frozenset({"long_text"})


def of_command(
    command: Command,
    plainly: Speech,
    *,
    place: Mapping[str, str],
    given: Mapping[str, str],
    models: Sequence[Suggestion] = (),
) -> look.Block:
    """The form of a command. `given` are values that were typed already; those without an input, such as which
    community it is about, come back with the form."""
    inputs = [made for one in command.parameters for made in _inputs(one, plainly, given.get(one.name, ""), models)]
    names = {one.name for one in command.parameters}
    kept = {name: value for name, value in given.items() if name not in names}
    about = look.context(plain_text.escape(plainly.say(command.about)))
    return {
        "type": "modal",
        "callback_id": COMMAND,
        "private_metadata": look.carried(path=list(command.path), place=dict(place), kept=kept),
        "title": look.plain(command.name[:_TITLE_MAX]),
        "submit": look.plain(plainly.say(say("Do it"))),
        "close": look.plain(plainly.say(say("Cancel"))),
        "blocks": [about, *inputs],
    }


def of_answer(path: Path, blocks: Sequence[look.Block], plainly: Speech) -> look.Block:
    """What a command answered, to read."""
    return {
        "type": "modal",
        "callback_id": READ,
        "title": look.plain(" ".join(path)[:_TITLE_MAX]),
        "close": look.plain(plainly.say(say("Close"))),
        "blocks": list(blocks),
    }


def of_key(command: Command, answer: Sequence[look.Block], plainly: Speech) -> look.Block:
    """How to link an own account: the link, and a place for the code that is shown behind it, which `command` takes."""
    (code,) = command.parameters
    return {
        "type": "modal",
        "callback_id": COMMAND,
        "private_metadata": look.carried(path=list(command.path), place={"channel": ""}),
        "title": look.plain(plainly.say(say("Your own account"))[:_TITLE_MAX]),
        "submit": look.plain(plainly.say(say("Link it"))),
        "close": look.plain(plainly.say(say("Cancel"))),
        "blocks": [*answer, _input(code, plainly, "", ())],
    }


def anything(plainly: Speech) -> look.Block:
    """What to ask, and where."""
    where: look.Block = {
        "type": "input",
        "block_id": "where",
        "optional": True,
        "label": look.plain(plainly.say(say("Where, for all there to read; else in your direct messages with me"))),
        "element": {
            "type": "conversations_select",
            "action_id": _VALUE,
            "filter": {"include": ["public", "private"], "exclude_bot_users": True},
        },
    }
    return {
        "type": "modal",
        "callback_id": ANYTHING,
        "title": look.plain(plainly.say(say("Ask Potluck"))[:_TITLE_MAX]),
        "submit": look.plain(plainly.say(say("Ask"))),
        "close": look.plain(plainly.say(say("Cancel"))),
        "blocks": [_question(plainly.say(say("Your question"))), where],
    }


def about_message(
    plainly: Speech, *, channel: str, ts: str, root: str, text: str, files: Sequence[str] = ()
) -> look.Block:
    """What to ask about a message."""
    where = say("The answer comes in the message's thread, for all to read there.")
    about = {"channel": channel, "ts": ts, "root": root, "files": list(files)[:_FILES_MOST]}
    return {
        "type": "modal",
        "callback_id": ABOUT,
        "private_metadata": look.carried(**about, text=text[:_QUOTE_MAX]),
        "title": look.plain(plainly.say(say("Ask about this"))[:_TITLE_MAX]),
        "submit": look.plain(plainly.say(say("Ask"))),
        "close": look.plain(plainly.say(say("Cancel"))),
        "blocks": [_question(plainly.say(say("Your question about this message"))), look.context(plainly.say(where))],
    }


def _question(label: str) -> look.Block:
    return {
        "type": "input",
        "block_id": "question",
        "label": look.plain(label),
        "element": {"type": "plain_text_input", "action_id": _VALUE, "multiline": True, "max_length": _LONG},
    }


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """What was filled in, by the names of the inputs. People and channels by their ids."""
    values: dict[str, str] = {}
    # What was picked goes before what was typed beside it.
    for name, elements in sorted(view["state"]["values"].items(), key=lambda one: str(one[0]).endswith(_OTHER)):
        element = elements.get(_VALUE) or {}
        option = element.get("selected_option") or {}
        found = (
            element.get("value")
            or option.get("value")
            or element.get("selected_user")
            or element.get("selected_conversation")
        )
        if found:
            values.setdefault(str(name).removesuffix(_OTHER), str(found))
    return values


def _inputs(parameter: Parameter, plainly: Speech, given: str, models: Sequence[Suggestion]) -> list[look.Block]:
    """The input of a parameter; for somebody or several, one to pick a person and one for what no picker has."""
    made = _input(parameter, plainly, given, models)
    if parameter.kind != "grantee":
        return [made]
    person = {key: value for key, value in made.items() if key != "hint"}
    other = made | {"block_id": f"{parameter.name}{_OTHER}", "label": look.plain(plainly.say(say("Or others")))}
    picker = {"type": "users_select", "action_id": _VALUE}
    return [person | {"element": picker, "optional": True}, other | {"optional": True}]


def _input(parameter: Parameter, plainly: Speech, given: str, models: Sequence[Suggestion]) -> look.Block:
    made: look.Block = {
        "type": "input",
        "block_id": parameter.name,
        "label": look.plain(plainly.say(parameter.about)[:_LABEL_MAX]),
        "optional": not parameter.required,
        "element": {**_element(parameter, given, models, plainly), "action_id": _VALUE},
    }
    if hint := _hint(parameter):
        made["hint"] = look.plain(plainly.say(hint)[:_HINT_MAX])
    return made


def _element(parameter: Parameter, given: str, models: Sequence[Suggestion], plainly: Speech) -> look.Block:
    if parameter.choices:
        return _select({one: one for one in parameter.choices}, given)
    match parameter.kind:
        case "flag":
            return _select({"yes": "yes", "no": "no"}, given)
        case "member":
            return {"type": "users_select"}
        case "channel":
            return {"type": "conversations_select", "default_to_current_conversation": True}
        case "model" if models:
            return _select({one.value: plainly.suggested(one) for one in models}, given)
        case "text" | "long_text" | "secret" | "whole" | "number" | "usd" | "grantee" | "model" | "moment":
            most = min(_LONG, int(parameter.most or _LONG)) if parameter.kind in ("text", "long_text") else _LONG
            made: look.Block = {"type": "plain_text_input", "multiline": parameter.kind in _MULTILINE}
            made["max_length"] = most
            # A secret is never put into a form: whoever looks over a shoulder would read it.
            return made | ({"initial_value": given[:most]} if given and parameter.kind != "secret" else {})
        case _:
            assert_never(parameter.kind)


def _select(choices: Mapping[str, str], given: str) -> look.Block:
    """`choices`: what is shown, by value."""
    options = [{"text": look.plain(shown[:75]), "value": one} for one, shown in islice(choices.items(), 100)]
    chosen = next((one for one in options if one["value"] == given), None)
    return {"type": "static_select", "options": options} | ({"initial_option": chosen} if chosen else {})


def _hint(parameter: Parameter) -> Say | None:
    match parameter.kind:
        case "moment":
            return say("Such as 6h, 3d, 18:00 or 2026-12-24 18:00 (UTC)")
        case "usd":
            return say("US dollars, such as 2.50")
        case "grantee":
            return say("everyone, group:ID of a user group, or a member's id such as slack:T1/U2")
        case _:
            return None
