"""`admin pool`: its state, pausing it, its limits, and units held back for an event."""

from __future__ import annotations

from bot.commands.answer import Answer, Facts, Line, Part, Table
from bot.commands.changing import change, scope, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.desk import DeskPool
from bot.commands.saying import At, Code, Say, Usd, Value, say, says
from bot.messages import CommunityId
from bot.office.edits import EVERYWHERE, Address, Edit, to
from bot.office.pool_rules import RPD_MAX, RPM_MAX, LaidDown, read_caps
from bot.office.roster import reserve_key, reserve_until
from bot.quota.terms import UNITS_MAX


async def status(call: Call) -> Answer:
    pool = await call.desk.pool(call.community)
    scheduler, caps = pool.scheduler, pool.scheduler.caps
    rows: list[tuple[Say, Value]] = [
        (say("State"), _state(pool)),
        (say("Used today"), say("{used} of {of}", used=scheduler.used, of=caps.rpd)),
        (say("Of these by other programs"), scheduler.drift),
        (say("Started in the last minute"), say("{used} of {of}", used=scheduler.minute_used, of=caps.rpm)),
        (say("In line"), scheduler.waiting),
        (say("Being answered"), scheduler.answering),
        (say("Starts afresh"), At(scheduler.resets_at)),
        (say("Limits"), _limits(call, pool)),
    ]
    held_back: list[list[Value]] = [[reserve.units, At(reserve.until)] for reserve in pool.roster.in_force.reserves]
    parts: list[Part] = [Facts(rows)]
    if held_back:
        parts.append(Table((say("Units held back"), say("Until")), held_back, none=say("Nothing is held back.")))
    if not pool.shared or call.rank == "owner":  # an account's money is for those who manage the account
        parts += await _provider_keys(pool)
    return Answer(parts)


async def _provider_keys(pool: DeskPool) -> list[Part]:
    """What went by providers' own keys in the account this month, if anything did."""
    so_far = await pool.byok()
    if so_far is None:
        return []
    rule = so_far.rule
    facts: list[tuple[Say, Value]] = [
        (say("By providers' own keys this month"), say("{usd} of list price", usd=Usd(so_far.served))),
        (say("Left without a fee"), say("about {usd} of {of}", usd=Usd(so_far.left), of=Usd(rule.free_usd))),
        (say("OpenRouter's fee so far"), say("about {usd}", usd=Usd(so_far.fee))),
    ]
    if rule.of:
        by = say("An estimate by OpenRouter's rule of {month}, for this key of the account alone.", month=rule.of)
    else:
        by = say("An estimate by {free} and {fee} as they are set, for this key of the account alone.", **_SET)
    return [Facts(facts), Line(by), Line(say("What is charged stands at {where}.", where="openrouter.ai/activity"))]


async def pause(call: Call) -> Answer:
    pool = await _own(call)
    made = await change(call, "admin pool pause", [Edit(pool.rules.pause, to(True))], of=_scope(call, pool))
    return told(made, say("The pool is paused: nobody's question is sent. What waited in line is over."))


async def resume(call: Call) -> Answer:
    pool = await _own(call)
    made = await change(call, "admin pool resume", [Edit(pool.rules.pause, to(None))], of=_scope(call, pool))
    if pool.scheduler.shut_for is not None:
        return told(made, say("No admin pauses the pool, but it stays shut: {why}.", why=_state(pool)))
    return told(made, say("The pool goes on."))


async def limits(call: Call) -> Answer:
    pool = await _own(call)
    given = {name: call.whole(name) for name in ("rpm", "rpd") if call.has(name)}
    if call.flag("lift"):
        if given:
            raise BadInput(say("Either name limits or lift them, not both."))
        made = await change(call, "admin pool limits", [Edit(pool.rules.caps, to(None))], of=_scope(call, pool))
        return told(made, say("The limits are those that are set and that OpenRouter tells."), more=[_caps(pool)])
    if not given:
        raise BadInput(say("Name {rpm}, {rpd}, or both, or {lift} them.", rpm="rpm", rpd="rpd", lift="lift"))
    edit = Edit(pool.rules.caps, lambda kept: LaidDown(**{**read_caps(kept).named(), **given}).written())
    made = await change(call, "admin pool limits", [edit], of=_scope(call, pool))
    return told(made, say("The limits hold from now on, for the line too."), more=[_caps(pool)])


async def reserve(call: Call) -> Answer:
    pool, units, until = await _own(call), call.whole("units"), call.moment("until")
    if units == 0:
        return await _release(call, pool)
    if until is None:
        raise BadInput(say("Say {until} when the units are held back, such as {such}.", until="until", such="18:00"))
    if units > pool.scheduler.caps.rpd:
        raise BadInput(
            says("The pool has {count} unit a day.", "The pool has {count} units a day.", pool.scheduler.caps.rpd)
        )
    address = Address("reserve", EVERYWHERE, reserve_key(pool.id, until))
    made = await change(call, "admin pool reserve", [Edit(address, to(units))], of=_scope(call, pool))
    said = says(
        "{count} unit is held back until {until}, every day until then.",
        "{count} units are held back until {until}, every day until then.",
        units,
        until=At(until),
    )
    return told(made, said)


async def _release(call: Call, pool: DeskPool) -> Answer:
    """Hold nothing back any more, or no longer until one moment."""
    until = call.moment("until")
    edits = [
        Edit(address, to(None))
        for address, _ in call.desk.office.of("reserve")
        if (kept := reserve_until(address.key, pool.id)) is not None and until in (None, kept)
    ]
    made = await change(call, "admin pool reserve", edits, of=_scope(call, pool))
    return told(made, say("Nothing is held back any more.") if until is None else say("It is no longer held back."))


async def _own(call: Call) -> DeskPool:
    """The pool of the call's community.

    Raises:
        BadInput: others draw on it, and the caller does not run Potluck.
    """
    pool = await call.desk.pool(call.community)
    if pool.shared and call.rank != "owner":
        raise BadInput(
            say("This community draws on a pool that others share. Only who runs Potluck changes what holds for all.")
        )
    return pool


def _scope(call: Call, pool: DeskPool) -> CommunityId:
    """Whose admins may see a change and undo it."""
    return EVERYWHERE if pool.shared else scope(call)


def _state(pool: DeskPool) -> Say:
    scheduler = pool.scheduler
    match scheduler.shut_for:
        case None:
            pass
        case "admin":
            return say("paused by an admin; {resume} ends it", resume=Code("/admin pool resume"))
        case why:
            return say("shut ({why}) until that is seen to", why=Code(why))
    if (until := scheduler.paused_until) is not None:
        return say("OpenRouter asks to wait until {until}", until=At(until))
    return say("open")


def _limits(call: Call, pool: DeskPool) -> Say:
    kept = call.desk.office.laid_down.get(pool.rules.caps)
    return say("as set and told by OpenRouter") if kept is None else say("laid down by an admin")


def _caps(pool: DeskPool) -> Part:
    caps = pool.scheduler.caps
    return Facts([(say("A minute"), caps.rpm), (say("A day"), caps.rpd)])


_SET: dict[str, Value] = {"free": Code("BYOK_FREE_USD"), "fee": Code("BYOK_FEE_PERCENT")}

COMMANDS = (
    Command(
        path=("admin", "pool", "status"),
        about=say("How the pool stands, what is used, and what admins laid down for it"),
        handler=status,
        rank="admin",
    ),
    Command(
        path=("admin", "pool", "pause"),
        about=say("Send nobody's question until you resume"),
        handler=pause,
        rank="admin",
    ),
    Command(
        path=("admin", "pool", "resume"),
        about=say("Go on after a pause that an admin began"),
        handler=resume,
        rank="admin",
    ),
    Command(
        path=("admin", "pool", "limits"),
        about=say("How many requests may start a minute and a day, in place of what is set"),
        handler=limits,
        parameters=(
            Parameter(name="rpm", kind="whole", about=say("A minute"), required=False, least=1, most=RPM_MAX),
            Parameter(name="rpd", kind="whole", about=say("A UTC day"), required=False, least=1, most=RPD_MAX),
            Parameter(name="lift", kind="flag", about=say("Back to what is set and told"), required=False),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "pool", "reserve"),
        about=say("Hold units back until a time, for an event; 0 holds nothing back any more"),
        handler=reserve,
        parameters=(
            Parameter(name="units", kind="whole", about=say("How many"), least=0, most=UNITS_MAX),
            Parameter(name="until", kind="moment", about=say("When the event begins"), required=False),
        ),
        rank="admin",
    ),
)
