"""`admin owner`: what who runs Potluck sees and changes over all communities."""

from __future__ import annotations

from bot.commands.answer import Answer, Table
from bot.commands.changing import change, one_community, told
from bot.commands.command import Call, Command, Parameter
from bot.commands.saying import At, Code, Value, say
from bot.office.edits import EVERYWHERE, Address, Edit, to
from bot.quota.terms import WEIGHT_MAX


async def communities(call: Call) -> Answer:
    found = await call.desk.communities()
    office = call.desk.office
    known = {one.community: one for one in found}
    laid = {address.community for address in office.laid_down if address.community != EVERYWHERE}
    rows: list[list[Value]] = []
    for name in sorted({*known, *laid}):
        one = known.get(name)
        weight = office.at("weight", EVERYWHERE, name)
        rows.append(
            [
                Code(name),
                one.members if one else 0,
                one.today if one else 0,
                At(one.newest) if one else "–",
                weight if isinstance(weight, int | float) else 1,
                len(list(office.of("admin", name))),
            ]
        )
    head = (say("Community"), say("Members"), say("Asked today"), say("Last asked"), say("Counts"), say("Named admins"))
    return Answer([Table(head, rows, none=say("Nobody has asked anything yet."))])


async def weight(call: Call) -> Answer:
    place, times = one_community(call), call.number("times")
    edit = Edit(Address("weight", EVERYWHERE, place), to(None if times == 1 else times))
    made = await change(call, "admin owner weight", [edit], of=EVERYWHERE)
    said = say(
        "{community} counts {times} times among communities, where the day is shared between communities.",
        community=Code(place),
        times=times,
    )
    return told(made, said)


COMMANDS = (
    Command(
        path=("admin", "owner", "communities"),
        about=say("All communities, who asks there and how much, and what they count"),
        handler=communities,
        rank="owner",
    ),
    Command(
        path=("admin", "owner", "weight"),
        about=say("How many times a community counts among the others"),
        handler=weight,
        parameters=(
            Parameter(
                name="times", kind="number", about=say("1 is every other one"), least=1 / WEIGHT_MAX, most=WEIGHT_MAX
            ),
        ),
        rank="owner",
    ),
)
