"""`admin audit`: who changed what, when, from what to what; and taking it back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from bot.clock import Instant
from bot.commands.answer import Answer, Line, Table
from bot.commands.changing import scope, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import At, Code, Say, Value, say
from bot.commands.terms_said import terms_said, who, whose
from bot.messages import Member
from bot.office.edits import EVERYWHERE, Change, Edited, Json, KeptNowhereError, MovedOnError, Wish
from bot.office.own_terms import OwnTerms
from bot.people import ERASED

_SHOWN = 20
_LONG = 80
"""Characters of a value that are shown in a table."""


async def list_changes(call: Call) -> Answer:
    place = scope(call)
    found = await call.desk.office.history(None if place == EVERYWHERE else place, limit=call.whole("limit", _SHOWN))
    head = (say("Change"), say("When"), say("Who"), say("Command"), say("What"), say("From"), say("To"))
    rows: list[list[Value]] = []
    for change in found:
        for place_in, edit in enumerate(change.edits):
            first: list[Value] = (
                [change.number, At(change.at), who(change.wish.by), _command(change)]
                if place_in == 0
                else ["", "", "", ""]
            )
            rows.append([*first, _what(edit), _value(edit, edit.before), _value(edit, edit.after)])
    return Answer([Table(head, rows, none=say("Nothing has been changed yet."))])


async def undo(call: Call) -> Answer:
    number, office, place = call.whole("number"), call.desk.office, scope(call)
    change = await office.find(number)
    if change is None or (call.rank != "owner" and change.wish.community != place):
        raise BadInput(
            say("There is no change {number} here. {list} shows those there are.", number=number, list=_LIST)
        )
    if _about_erased(change):
        raise BadInput(
            say(
                "Change {number} is about somebody who has deleted their name, so it cannot be taken back. What stands "
                "is changed by its own command.",
                number=number,
            )
        )
    wish = Wish(by=call.caller.member, community=change.wish.community, command="admin audit undo", undoes=number)
    try:
        made = await office.undo(number, wish)
    except MovedOnError as moved:
        raise BadInput(_moved_on(number, moved.since)) from None
    except KeptNowhereError:
        raise BadInput(
            say(
                "Change {number} cannot be taken back: the key that was there is kept nowhere. {paste} links one.",
                number=number,
                paste=_PASTE,
            )
        ) from None
    said = [say("Change {number} is taken back: {command}.", number=number, command=Code(change.wish.command))]
    said += [_again(edit) for edit in made.edits]
    return replace(told(made), parts=[Line(one) for one in said])


def _moved_on(number: int, since: Change | None) -> Say:
    if since is None:
        return say("Change {number} cannot be taken back: what it changed is different by now.", number=number)
    if since.wish.undoes == number:
        return say("Change {number} was taken back already, by {who}.", number=number, who=who(since.wish.by))
    return say(
        "Change {number} cannot be taken back: {who} has changed the same since, in change {since}. Undo that first.",
        number=number,
        who=who(since.wish.by),
        since=since.number,
    )


def _again(edit: Edited) -> Say:
    if edit.after is None:
        return say("{what}: nothing is set any more.", what=_what(edit))
    return say("{what}: {value} again.", what=_what(edit), value=_value(edit, edit.after))


def _about_erased(change: Change) -> bool:
    """It changed something at a name that is not known any more."""
    return any(
        _ERASED.search(text)
        for edit in change.edits
        for text in (edit.address.key, json.dumps(edit.before), json.dumps(edit.after))
    )


def _command(change: Change) -> Say:
    if change.wish.undoes is not None:
        return say("{command} {number}", command=Code("admin audit undo"), number=change.wish.undoes)
    if change.undone_by is not None:
        return say("{command} (taken back by {number})", command=Code(change.wish.command), number=change.undone_by)
    return say("{command}", command=Code(change.wish.command))


def _what(edit: Edited) -> Value:
    address = edit.address
    where = say("everywhere") if address.community == EVERYWHERE else Code(address.community)
    if address.kind in ("member", "group"):
        return say("{who}, {where}", who=whose(address.kind, address.key), where=where)
    if address.kind == "key":
        return say("OpenRouter account of its own, {where}", where=where)
    if address.kind == "pays":
        return say(
            "goes on for money when the pool is spent: {who}", who=who(Member.parse(address.key.partition("/")[2]))
        )
    return say(
        "{kind} {key}, {where}", kind=Code(address.kind), key=Code(_ERASED.sub(ERASED, address.key)), where=where
    )


def _value(edit: Edited, value: Json) -> Value:
    if value is None:
        return "–"
    if edit.address.kind in ("member", "group"):
        return terms_said(OwnTerms.read(value))
    if edit.address.kind == "pays":
        return say("yes")
    if edit.address.kind == "key" and isinstance(value, Mapping):
        return say("linked {at}", at=At(Instant(float(str(value["linked_at"])))))
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {json.dumps(one, ensure_ascii=False)}" for name, one in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _ERASED.sub(ERASED, text)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


_LIST, _PASTE = Code("/admin audit list"), Code("/admin key paste")
_ERASED = re.compile(rf"\b{ERASED}:\w+")

COMMANDS = (
    Command(
        path=("admin", "audit", "list"),
        about=say("Who changed what, when, from what to what"),
        handler=list_changes,
        parameters=(
            Parameter(
                name="limit", kind="whole", about=say("How many of the newest"), required=False, least=1, most=200
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "audit", "undo"),
        about=say("Take a change back, if nothing of it has been changed since"),
        handler=undo,
        parameters=(Parameter(name="number", kind="whole", about=say("The number of the change"), least=1),),
        rank="admin",
    ),
)
