"""A member's own OpenRouter account: `key add`, `key paste`, `key show`, `key remove`. A key is never shown again."""

from __future__ import annotations

from bot.commands.answer import Answer, Facts, Line, Next, lines
from bot.commands.command import BadInput, Call, Command
from bot.commands.key_said import CODE_OR_KEY, PASTE, PASTED, ends, is_key, opened, shown, why_not
from bot.commands.saying import At, say
from bot.errors import LinkError
from bot.ports import KeyShown

_ADD = ("key", "add")


async def add(call: Call) -> Answer:
    link = await call.desk.keys.start(call.caller.member)
    then = say("From then on your questions go by your own account and take nothing of the pool.")
    return Answer(opened(link, then, PASTE, {}))


async def paste(call: Call) -> Answer:
    member, keys, pasted = call.caller.member, call.desk.keys, call.secret(PASTED)
    try:
        if is_key(pasted):
            kept = await keys.paste(member, pasted)
        else:
            kept = await keys.finish(member, pasted.get_secret_value())
    except LinkError as error:
        raise BadInput(why_not(error.fault, _ADD)) from None
    said = say("Your account is linked: your questions go by it, and take nothing of the pool.")
    return Answer([Line(said), _facts(kept), _remove()])


async def show(call: Call) -> Answer:
    kept = await call.desk.keys.shown(call.caller.member)
    if kept is None:
        return lines(say("You have linked no OpenRouter account. {add} does that.", add=shown(_ADD)))
    return Answer([_facts(kept), _remove()])


async def remove(call: Call) -> Answer:
    if await call.desk.keys.remove(call.caller.member):
        return lines(say("Your key is deleted. Your questions take their units from the pool again."))
    return lines(say("There was no key of yours."))


def _facts(kept: KeyShown) -> Facts:
    works = say("yes") if kept.works else say("no: OpenRouter refused it. Link your account again")
    return Facts([(say("Key"), ends(kept.last_four)), (say("Linked"), At(kept.linked_at)), (say("Works"), works)])


def _remove() -> Next:
    return Next(path=("key", "remove"), values={}, said=say("Delete the key"), danger=True)


COMMANDS = (
    Command(
        path=_ADD,
        about=say("Link your own OpenRouter account, so that your questions take nothing of the pool"),
        handler=add,
    ),
    Command(
        path=PASTE,
        about=say("Finish linking your OpenRouter account, by its code or by a key of yours"),
        handler=paste,
        parameters=(CODE_OR_KEY,),
    ),
    Command(path=("key", "show"), about=say("Whether you have linked an OpenRouter account"), handler=show),
    Command(
        path=("key", "remove"), about=say("Delete the key of your OpenRouter account here, at once"), handler=remove
    ),
)
