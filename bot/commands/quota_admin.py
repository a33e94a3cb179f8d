"""`admin quota`: who counts how much, who has units besides, who is kept out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.clock import day_of
from bot.commands.answer import Answer, Facts, Line, Part, Table, lines
from bot.commands.changing import change, one_community, scope, told, whom
from bot.commands.command import BadInput, Call, Command, Everyone, Grantee, InGroup, InRole, Parameter
from bot.commands.saying import At, Code, Say, Value, say, says
from bot.commands.terms_said import terms_said, whose
from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE, Address, Change, Edit
from bot.office.own_terms import OwnTerms
from bot.office.roster import EVERYONE
from bot.quota.terms import WEIGHT_MAX, Block


async def show(call: Call) -> Answer:
    if not call.has("who"):
        return _all(call)
    grantee = call.grantee("who")
    own = _own(call, grantee)
    parts: list[Part] = [Line(say("{who}: {terms}.", who=whom(grantee), terms=_said(call, own)))]
    if isinstance(grantee, Member):
        parts += await _standing(call, grantee)
    return Answer(parts)


async def grant(call: Call) -> Answer:
    grantee, units = call.grantee("who"), call.whole("units")
    every_day = call.text("when", "today") == "every day"
    day = None if every_day else day_of(call.desk.now())
    after, cap = await _without_grants(call, grantee), await _cap(call)

    def amend(own: OwnTerms) -> OwnTerms:
        of_days = max(own.on_day.values(), default=0) if day is None else own.on_day.get(day, 0)
        _within(cap, units, already=(own.every_day or 0) + of_days)
        return own.granting(units, day=day, after=after)

    made = await _amend(call, "admin quota grant", grantee, amend)
    if every_day:
        said = says(
            "{who} may take {count} unit more every day, besides the share.",
            "{who} may take {count} units more every day, besides the share.",
            units,
            who=whom(grantee),
        )
    else:
        said = says(
            "{who} may take {count} unit more today, besides the share.",
            "{who} may take {count} units more today, besides the share.",
            units,
            who=whom(grantee),
        )
    return told(made, said, more=await _standing(call, grantee))


async def set_terms(call: Call) -> Answer:
    grantee = call.grantee("who")
    weight = call.number("weight") if call.has("weight") else None
    every_day = call.whole("every_day") if call.has("every_day") else None
    if weight is None and every_day is None:
        raise BadInput(say("Name a {weight}, units for {every_day}, or both.", weight="weight", every_day="every_day"))
    _within(await _cap(call), every_day or 0)
    made = await _amend(call, "admin quota set", grantee, lambda own: replace(own, weight=weight, every_day=every_day))
    said = say("{who} from now on: {terms}.", who=whom(grantee), terms=_said(call, _own(call, grantee)))
    return told(made, said, more=await _standing(call, grantee))


async def reset(call: Call) -> Answer:
    grantee = call.grantee("who")
    made = await _amend(call, "admin quota reset", grantee, lambda own: OwnTerms(block=own.block))
    said = say("{who} is treated as everyone else again. A block stays.", who=whom(grantee))
    return told(made, said, more=await _standing(call, grantee))


async def weight(call: Call) -> Answer:
    grantee, times = call.grantee("who"), call.number("times")
    made = await _amend(call, "admin quota weight", grantee, lambda own: replace(own, weight=times))
    said = say("{who} counts {times} times from now on.", who=whom(grantee), times=times)
    return told(made, said, more=await _standing(call, grantee))


async def block(call: Call) -> Answer:
    member, until = call.member("member"), call.moment("until")
    made = await _amend(call, "admin quota block", member, lambda own: replace(own, block=Block(until=until)))
    if until is None:
        return told(made, say("{member} may ask nothing more until unblocked. What waited is over.", member=member))
    said = say("{member} may ask nothing more until {until}. What waited is over.", member=member, until=At(until))
    return told(made, said)


async def unblock(call: Call) -> Answer:
    member = call.member("member")
    made = await _amend(call, "admin quota unblock", member, lambda own: replace(own, block=None))
    if made is None and call.desk.rights.blocked(replace(call.caller, member=member, community=scope(call))):
        return lines(say("{member} is blocked in all communities: who runs Potluck did that.", member=member))
    return told(made, say("{member} may ask again.", member=member))


# --- inside ---------------------------------------------------------------------------------------------------


async def _amend(call: Call, command: str, grantee: Grantee, amend: Callable[[OwnTerms], OwnTerms]) -> Change | None:
    today = day_of(call.desk.now())
    address = _address(call, grantee)
    return await change(call, command, [Edit(address, lambda kept: amend(OwnTerms.read(kept)).written(today=today))])


async def _cap(call: Call) -> int:
    """Requests of a day of the pool."""
    return (await call.desk.pool(call.community)).scheduler.caps.rpd


def _within(cap: int, units: int, *, already: int = 0) -> None:
    """What is granted is taken off the pool's day, so that there can be no more of it than the day has.

    Raises:
        BadInput: there would be.
    """
    if already + units <= cap:
        return
    if not already:
        raise BadInput(say("The pool has {cap} requests a day: grant that many at most.", cap=cap))
    raise BadInput(
        say(
            "The pool has {cap} requests a day, and {already} of them are granted already: grant {more} more at most.",
            cap=cap,
            already=already,
            more=max(0, cap - already),
        )
    )


async def _without_grants(call: Call, grantee: Grantee) -> int:
    """Units a member has taken today that none granted for today were used for: what is granted now comes on top."""
    if not isinstance(grantee, Member):
        return 0
    pool, today = await call.desk.pool(call.community), day_of(call.desk.now())
    taken = pool.scheduler.share(call.desk.people.of(grantee), call.community).used
    holds = pool.roster.holds(grantee)
    return taken - min(holds.grant(today), max(0, taken - holds.after.get(today, 0)))


def _address(call: Call, grantee: Grantee) -> Address:
    if isinstance(grantee, Member):
        return Address("member", scope(call), grantee.key)
    return Address("group", one_community(call), _key(grantee))


def _key(grantee: InRole | InGroup | Everyone) -> str:
    match grantee:
        case InRole(id=id):
            return f"role:{id}"
        case InGroup(id=id):
            return f"group:{id}"
        case Everyone():
            return EVERYONE


def _own(call: Call, grantee: Grantee) -> OwnTerms:
    address = _address(call, grantee)
    return OwnTerms.read(call.desk.office.at(address.kind, address.community, address.key))


def _said(call: Call, own: OwnTerms) -> Say:
    now = call.desk.now()
    if own.block is not None and not own.block.stands(now):
        own = replace(own, block=None)
    return terms_said(own, today=day_of(now))


async def _standing(call: Call, grantee: Grantee) -> list[Part]:
    """Where a member stands now; nothing of many at once, and nothing of somebody from another community alone."""
    if not isinstance(grantee, Member):
        return []
    if call.rank != "owner" and not await call.desk.uses.asked_in(grantee, call.community):
        return [Line(say("{who} has not asked anything here yet.", who=grantee))]
    pool = await call.desk.pool(call.community)
    person = call.desk.people.of(grantee)
    holds = pool.roster.holds(grantee)
    share = pool.scheduler.share(person, call.community)
    rows: list[tuple[Say, Value]] = [
        (say("Used today"), share.used),
        (say("Left now"), share.left_now),
        (say("Left for sure"), share.left_sure),
        (say("Counts"), holds.weight),
        (say("Besides the share today"), holds.grant(day_of(call.desk.now()))),
    ]
    return [Facts(rows)]


def _all(call: Call) -> Answer:
    """All who are treated in a way of their own in this community, and everywhere."""
    place = scope(call)
    rows: list[list[Value]] = []
    for kind in ("member", "group"):
        for address, kept in call.desk.office.laid_down.items():
            if address.kind == kind and (place == EVERYWHERE or address.community in (place, EVERYWHERE)):
                said = _said(call, OwnTerms.read(kept))
                rows.append([whose(address.kind, address.key), said, _where(address.community)])
    head = (say("Who"), say("Terms"), say("Community"))
    return Answer([Table(head, rows, none=say("Everyone is treated alike: nobody has terms of their own."))])


def _where(community: CommunityId) -> Value:
    return say("everywhere") if community == EVERYWHERE else Code(community)


_WHO = Parameter(name="who", kind="grantee", about=say("A member, a role, a user group, or everyone"))
_MEMBER = Parameter(name="member", kind="member", about=say("Who"))

COMMANDS = (
    Command(
        path=("admin", "quota", "show"),
        about=say("How a member, a role or everyone is treated; without a name: all who have terms of their own"),
        handler=show,
        parameters=(replace(_WHO, required=False),),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "grant"),
        about=say("Give units besides the share, today or every day"),
        handler=grant,
        parameters=(
            _WHO,
            Parameter(name="units", kind="whole", about=say("How many more"), least=1),
            Parameter(
                name="when",
                kind="text",
                about=say("Today, if you say nothing"),
                required=False,
                choices=("today", "every day"),
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "set"),
        about=say("Lay down how somebody is treated from now on, in place of what was"),
        handler=set_terms,
        parameters=(
            _WHO,
            Parameter(
                name="weight",
                kind="number",
                about=say("How many times they count; 1 is everyone else"),
                required=False,
                least=1 / WEIGHT_MAX,
                most=WEIGHT_MAX,
            ),
            Parameter(
                name="every_day",
                kind="whole",
                about=say("Units besides the share, every day"),
                required=False,
                least=0,
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "reset"),
        about=say("Treat somebody as everyone else again"),
        handler=reset,
        parameters=(_WHO,),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "weight"),
        about=say("How many times somebody's share counts"),
        handler=weight,
        parameters=(
            _WHO,
            Parameter(
                name="times",
                kind="number",
                about=say("1 is everyone else, 2 twice the share"),
                least=1 / WEIGHT_MAX,
                most=WEIGHT_MAX,
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "block"),
        about=say("Keep a member out of this community's questions"),
        handler=block,
        parameters=(
            _MEMBER,
            Parameter(
                name="until", kind="moment", about=say("Until you unblock them, if you say nothing"), required=False
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "quota", "unblock"),
        about=say("Let a member ask again"),
        handler=unblock,
        parameters=(_MEMBER,),
        rank="admin",
    ),
)
