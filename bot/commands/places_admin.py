"""`admin persona`, `admin channels`, `admin admins`: what holds in a community, and who manages it besides."""

from __future__ import annotations

from bot.commands.answer import Answer, Table
from bot.commands.changing import change, one_community, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import Code, Say, Value, say
from bot.messages import Member
from bot.office.edits import EVERYWHERE, Address, Edit, to
from bot.office.house_rules import ALL_CHANNELS
from bot.pasted_keys import holds_key

PERSONA_MAX = 2000
_ALL = "all"
"""What is typed for all channels that are not named."""


async def set_persona(call: Call) -> Answer:
    text, address = call.text("text").strip(), Address("persona", one_community(call), _channel(call))
    if holds_key(text):
        raise BadInput(say("That holds what looks like a key. Nothing of it was kept: write it without."))
    made = await change(call, "admin persona set", [Edit(address, to(text))])
    return told(made, say("In {channel}, models are told so from now on.", channel=_named(address.key)))


async def clear_persona(call: Call) -> Answer:
    address = Address("persona", one_community(call), _channel(call))
    made = await change(call, "admin persona clear", [Edit(address, to(None))])
    return told(made, say("In {channel}, models are told nothing more of it.", channel=_named(address.key)))


async def list_personas(call: Call) -> Answer:
    found = call.desk.office.of("persona", one_community(call))
    rows: list[list[Value]] = [[_named(address.key), str(text)] for address, text in found]
    return Answer([Table((say("Channel"), say("Models are told")), rows, none=say("No channel has a persona."))])


async def allow_channel(call: Call) -> Answer:
    address = Address("channel", one_community(call), _channel(call, needed=True))
    made = await change(call, "admin channels allow", [Edit(address, to("allow"))])
    return told(made, say("Questions are answered in {channel}.", channel=_named(address.key)))


async def deny_channel(call: Call) -> Answer:
    address = Address("channel", one_community(call), _channel(call, needed=True))
    made = await change(call, "admin channels deny", [Edit(address, to("deny"))])
    if address.key == ALL_CHANNELS:
        said = say("Questions are answered only in the channels that {allow} names, and in private.", allow=_ALLOW)
    else:
        said = say("Questions are not answered in {channel} any more.", channel=_named(address.key))
    return told(made, said)


async def list_channels(call: Call) -> Answer:
    found = call.desk.office.of("channel", one_community(call))
    rows: list[list[Value]] = [
        [_named(address.key), say("not answered") if value == "deny" else say("answered")] for address, value in found
    ]
    return Answer([Table((say("Channel"), say("Questions are")), rows, none=say("Questions are answered everywhere."))])


async def add_admin(call: Call) -> Answer:
    member, place = call.member("member"), one_community(call)
    made = await change(call, "admin admins add", [Edit(Address("admin", place, member.key), to(True))])
    return told(made, say("{member} manages this community from now on.", member=member))


async def remove_admin(call: Call) -> Answer:
    member, place = call.member("member"), one_community(call)
    made = await change(call, "admin admins remove", [Edit(Address("admin", place, member.key), to(None))])
    if made is None:
        raise BadInput(
            say("{member} was not named here: whom the platform says manages it is changed there.", member=member)
        )
    return told(made, say("{member} manages this community no longer.", member=member))


async def list_admins(call: Call) -> Answer:
    place = one_community(call)
    rows: list[list[Value]] = [
        [Member.parse(address.key), say("everywhere") if address.community == EVERYWHERE else Code(address.community)]
        for address, _ in call.desk.office.of("admin")
        if address.community in (place, EVERYWHERE)
    ]
    none = say("Nobody was named: those manage it who do on the platform.")
    return Answer([Table((say("Named"), say("Community")), rows, none=none)])


# --- inside ---------------------------------------------------------------------------------------------------


def _channel(call: Call, *, needed: bool = False) -> str:
    """The key of the channel that is meant: the one that is named, else this one, else all of them.

    Raises:
        BadInput: it must be one, and there is none here.
    """
    named = call.text("channel").strip() or call.caller.channel
    if named.lower() == _ALL or (not named and not needed):
        return ALL_CHANNELS
    if not named:
        raise BadInput(say("There is no channel here. Name one, or {all}.", all=_ALL))
    return named


def _named(key: str) -> Value:
    named: Say = say("all channels") if key == ALL_CHANNELS else say("channel {id}", id=Code(key))
    return named


_ALLOW = Code("/admin channels allow")
_CHANNEL = Parameter(
    name="channel",
    kind="channel",
    about=say("This one, if you name none; or all"),
    required=False,
    most=200,
)
_MEMBER = Parameter(name="member", kind="member", about=say("Who"))

COMMANDS = (
    Command(
        path=("admin", "persona", "set"),
        about=say("What models are told to be in a channel"),
        handler=set_persona,
        parameters=(
            Parameter(name="text", kind="long_text", about=say("As you would tell a person"), most=PERSONA_MAX),
            _CHANNEL,
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "persona", "clear"),
        about=say("Tell models nothing more of it in a channel"),
        handler=clear_persona,
        parameters=(_CHANNEL,),
        rank="admin",
    ),
    Command(
        path=("admin", "persona", "list"),
        about=say("What models are told in which channel"),
        handler=list_personas,
        rank="admin",
    ),
    Command(
        path=("admin", "channels", "allow"),
        about=say("Answer questions in a channel"),
        handler=allow_channel,
        parameters=(_CHANNEL,),
        rank="admin",
    ),
    Command(
        path=("admin", "channels", "deny"),
        about=say("Answer no questions in a channel"),
        handler=deny_channel,
        parameters=(_CHANNEL,),
        rank="admin",
    ),
    Command(
        path=("admin", "channels", "list"),
        about=say("In which channels questions are answered"),
        handler=list_channels,
        rank="admin",
    ),
    Command(
        path=("admin", "admins", "add"),
        about=say("Let a member manage this community's part of Potluck, too"),
        handler=add_admin,
        parameters=(_MEMBER,),
        rank="admin",
    ),
    Command(
        path=("admin", "admins", "remove"),
        about=say("Let a member who was named so manage it no longer"),
        handler=remove_admin,
        parameters=(_MEMBER,),
        rank="admin",
    ),
    Command(
        path=("admin", "admins", "list"),
        about=say("Who was named to manage this community's part"),
        handler=list_admins,
        rank="admin",
    ),
)
