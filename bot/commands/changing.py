"""What commands of admins have in common: the scope of a change, making it, and saying that it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bot.commands.answer import Answer, Line, Next, Part
from bot.commands.command import BadInput, Call, Everyone, Grantee, InGroup, InRole
from bot.commands.saying import Group, Say, Value, say
from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE, Change, Edit, Wish

ALL = CommunityId("everywhere")
"""What who runs Potluck names in place of a community to speak of all of them. In the shell it is understood."""


def scope(call: Call) -> CommunityId:
    """The community a call is about; `EVERYWHERE`: all of them, which only who runs Potluck gets as far as."""
    return EVERYWHERE if call.community == ALL else call.community


def one_community(call: Call) -> CommunityId:
    """The same, for what there is in single communities only.

    Raises:
        BadInput: it is about all of them.
    """
    place = scope(call)
    if place == EVERYWHERE:
        raise BadInput(say("Say for which community: name it as {name}.", name="community"))
    return place


def owners_only(call: Call, what: Say) -> None:
    """Raises: BadInput: the caller does not run Potluck."""
    if call.rank != "owner":
        raise BadInput(what)


def whom(grantee: Grantee) -> Value:
    """How a grantee is named."""
    match grantee:
        case Member():
            return grantee
        case InRole(id=id):
            return Group("role", id)
        case InGroup(id=id):
            return Group("group", id)
        case Everyone():
            return say("everyone")
        case _:
            assert_never(grantee)


async def change(call: Call, command: str, edits: Sequence[Edit], *, of: CommunityId | None = None) -> Change | None:
    """Make a change in the caller's name.

    Args:
        of: whose admins may see it and undo it, if not the call's community's.
    """
    place = scope(call) if of is None else of
    return await call.desk.office.change(Wish(by=call.caller.member, community=place, command=command), edits)


def told(made: Change | None, *said: Say, more: Sequence[Part] = ()) -> Answer:
    """That it was made, with the way back; or that there was nothing to do."""
    if made is None:
        return Answer([Line(say("It was so already: nothing has changed.")), *more])
    back = Next(path=("admin", "audit", "undo"), values={"number": str(made.number)}, said=say("Take it back"))
    return Answer([*(Line(one) for one in said), *more, back], change=made.number)
