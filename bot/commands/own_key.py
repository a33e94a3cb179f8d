"""A member's own OpenRouter account: `key add`, `key show`, `key remove`. A key itself is never shown again."""

from __future__ import annotations

from typing import assert_never

from bot.commands.answer import Answer, Facts, Line, Link, Next, lines
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import At, Code, Say, say
from bot.errors import LinkError, LinkFault
from bot.pasted_keys import holds_key
from bot.ports import KeyShown

_ADD = Code("/key add")


async def add(call: Call) -> Answer:
    member, keys = call.caller.member, call.desk.keys
    if call.has("key") and call.has("code"):
        raise BadInput(say("Give the code or the key, not both."))
    try:
        if call.has("key"):
            return _linked(await keys.paste(member, call.secret("key")))
        if call.has("code"):
            pasted = call.secret("code")
            # Who has pasted the key in the code's place has brought what is needed.
            if holds_key(pasted.get_secret_value()):
                return _linked(await keys.paste(member, pasted))
            return _linked(await keys.finish(member, pasted.get_secret_value()))
    except LinkError as error:
        raise BadInput(_why_not(error.fault)) from None
    opened = await keys.start(member)
    return Answer(
        [
            Link(url=opened.link, said=say("Open OpenRouter, say yes there, and copy the code it shows.")),
            Line(
                say(
                    "Then {command} with the code, until {at}. The code is of no use to anybody else.",
                    command=_ADD,
                    at=At(opened.expires_at),
                )
            ),
            Line(say("From then on your questions go by your own account and take nothing of the pool.")),
        ]
    )


async def show(call: Call) -> Answer:
    shown = await call.desk.keys.shown(call.caller.member)
    if shown is None:
        return lines(say("You have linked no OpenRouter account. {add} does that.", add=_ADD))
    return Answer([_facts(shown), *_remove()])


async def remove(call: Call) -> Answer:
    if await call.desk.keys.remove(call.caller.member):
        return lines(say("Your key is deleted. Your questions take their units from the pool again."))
    return lines(say("There was no key of yours."))


def _linked(shown: KeyShown) -> Answer:
    return Answer(
        [
            Line(say("Your account is linked: your questions go by it, and take nothing of the pool.")),
            _facts(shown),
            *_remove(),
        ]
    )


def _facts(shown: KeyShown) -> Facts:
    ends = Code(f"…{shown.last_four}") if shown.last_four else say("not shown")
    works = say("yes") if shown.works else say("no: OpenRouter refused it. Link your account again")
    return Facts([(say("Key"), ends), (say("Linked"), At(shown.linked_at)), (say("Works"), works)])


def _remove() -> list[Next]:
    return [Next(path=("key", "remove"), values={}, said=say("Delete the key"), danger=True)]


def _why_not(fault: LinkFault) -> Say:
    match fault:
        case "no_link":
            return say("There is no open link for you: it was used, or is older than ten minutes. {add}.", add=_ADD)
        case "wrong_code":
            return say("OpenRouter does not take this code: it was used, is too old, or is not yours. {add}.", add=_ADD)
        case "not_a_code":
            return say("That is not a code. Copy the one the OpenRouter page shows, and nothing else.")
        case "not_a_key":
            return say("That is not an OpenRouter key. It begins with sk-or- and is one long word.")
        case "key_refused":
            return say("OpenRouter does not accept this key. Make a new one in your key settings there.")
        case "unreachable":
            return say("OpenRouter could not be asked just now, so nothing was kept. Try again in a minute.")
        case _:
            assert_never(fault)


COMMANDS = (
    Command(
        path=("key", "add"),
        about=say("Link your own OpenRouter account, so that your questions take nothing of the pool"),
        handler=add,
        parameters=(
            Parameter(
                name="code",
                kind="secret",
                about=say("The code that OpenRouter showed; without it you get a link"),
                required=False,
            ),
            Parameter(
                name="key",
                kind="secret",
                about=say("Instead of a code: a key that you have made yourself"),
                required=False,
            ),
        ),
    ),
    Command(path=("key", "show"), about=say("Whether you have linked an OpenRouter account"), handler=show),
    Command(
        path=("key", "remove"), about=say("Delete the key of your OpenRouter account here, at once"), handler=remove
    ),
)
