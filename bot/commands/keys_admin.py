"""`admin key`: a community's own OpenRouter account, which makes it a pool of its own. A key is never shown again."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands.answer import Answer, Facts, Line, Next, lines
from bot.commands.changing import one_community
from bot.commands.command import BadInput, Call, Command
from bot.commands.key_said import CODE_OR_KEY, PASTED, ends, is_key, opened, shown, why_not
from bot.commands.saying import At, Code, Say, say
from bot.errors import LinkError
from bot.messages import CommunityId
from bot.ports import CommunityKey, WhoseAccount

_ADD, _PASTE = ("admin", "key", "add"), ("admin", "key", "paste")
_WHOSE: Mapping[WhoseAccount, Say] = {
    "own": say("The community is a pool of its own: everyone here draws on the account it has linked."),
    "everybodys": say("It is a key of the account that everybody shares here, so the community stays in that pool."),
    "another_communitys": say("Another community has linked the same account, so both are one pool."),
    "untold": say(
        "The community is a pool of its own. OpenRouter does not say whose key it is: if others here use the same "
        "account, each counts for itself, and what the other takes is noticed some minutes late."
    ),
}
_NO_MORE = say("OpenRouter does not accept it, so the pool is shut until another is linked or this one is removed.")


async def add(call: Call) -> Answer:
    community = one_community(call)
    try:
        link = await call.desk.community_keys.start_link(community)
    except LinkError:  # a shell keeps no link open until somebody comes back with its code
        raise BadInput(
            say("Here a key is linked that you have made: {paste} asks for it.", paste=shown(_PASTE))
        ) from None
    then = say("From then on everyone here draws on that account, and on nothing else of this Potluck.")
    return Answer(opened(link, then, _PASTE, _elsewhere(call, community)))


async def paste(call: Call) -> Answer:
    community, keys, pasted, by = one_community(call), call.desk.community_keys, call.secret(PASTED), call.caller.member
    try:
        if is_key(pasted):
            kept = await keys.link_community(community, pasted, by=by)
        else:
            kept = await keys.finish_link(community, pasted.get_secret_value(), by=by)
    except LinkError as error:
        raise BadInput(why_not(error.fault, _ADD)) from None
    return Answer([Line(say("The account is linked.")), *_told(call, community, kept)])


async def show(call: Call) -> Answer:
    community = one_community(call)
    kept = await call.desk.community_keys.community_key(community)
    if kept is None:
        return lines(say("No OpenRouter account of this community's own is linked. {add} does that.", add=shown(_ADD)))
    return Answer(_told(call, community, kept))


async def remove(call: Call) -> Answer:
    if not await call.desk.community_keys.unlink_community(one_community(call), by=call.caller.member):
        return lines(say("There was no key."))
    return lines(
        say("The key is deleted here, and everyone here draws on the pool for all again."),
        say("At OpenRouter the key still exists: delete it there if nobody needs it."),
    )


def _told(call: Call, community: CommunityId, kept: CommunityKey) -> list[Facts | Line | Next]:
    rows = [
        (say("Community"), Code(community)),
        (say("Key"), ends(kept.last_four)),
        (say("Linked"), At(kept.linked_at)),
        (say("Works"), say("yes") if kept.works else say("no")),
    ]
    away = Next(
        path=("admin", "key", "remove"), values=_elsewhere(call, community), said=say("Delete the key"), danger=True
    )
    return [Facts(rows), Line(_WHOSE[kept.account] if kept.works else _NO_MORE), away]


def _elsewhere(call: Call, community: CommunityId) -> Mapping[str, str]:
    """Names the community, where who runs Potluck is in another."""
    return {} if community == call.caller.community else {"community": community}


COMMANDS = (
    Command(
        path=_ADD,
        about=say("Link an OpenRouter account of this community's own, which makes it a pool of its own"),
        handler=add,
        rank="admin",
    ),
    Command(
        path=_PASTE,
        about=say("Finish linking the community's account, by its code or by a key, in place of what is linked"),
        handler=paste,
        parameters=(CODE_OR_KEY,),
        rank="admin",
    ),
    Command(
        path=("admin", "key", "show"),
        about=say("Whether an OpenRouter account of this community's own is linked"),
        handler=show,
        rank="admin",
    ),
    Command(
        path=("admin", "key", "remove"),
        about=say("Delete the key of the community's account: it draws on the pool for all again"),
        handler=remove,
        rank="admin",
    ),
)
