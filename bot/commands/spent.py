"""What follows when the pool is spent: `model spent` says it for oneself, `admin paid spent` for a member.

Whoever may use what costs is asked before each question that is paid for, unless this says that it goes on for money.
It gives nobody a right to. It holds wherever the same account pays, so another community's admins can only take it
back.
"""

from __future__ import annotations

import sys

from bot.commands.answer import Answer, Line, Next, Part, Table
from bot.commands.changing import change, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.desk import DeskPool, OfficeDesk
from bot.commands.saying import Code, Value, say
from bot.messages import Member, Who
from bot.office.edits import EVERYWHERE, Address, Change, Edit, to
from bot.quota.ledger import PoolId

PAY, ASK = "pay", "ask"


async def own(call: Call) -> Answer:
    member = call.caller.member
    if not call.has("then"):
        goes_on = pays(call.desk, (await call.desk.pool(call.community)).id, member)
        return Answer([Line(_PAYS if goes_on else _ASKED), _other(ASK if goes_on else PAY)])
    if call.text("then") == PAY:
        await _allowlisted(call)
    made = await _switch(call, "model spent", member)
    if made is None:
        return told(made)
    # Who is no admin takes it back by saying the other.
    goes_on = call.text("then") == PAY
    return Answer([Line(_PAYS if goes_on else _ASKED), _other(ASK if goes_on else PAY)], change=made.number)


async def of_anybody(call: Call) -> Answer:
    pool, member = await call.desk.pool(call.community), call.member("member")
    if call.text("then") == PAY and pool.shared and call.rank != "owner":
        raise BadInput(
            say(
                "It would hold in other communities, too: {member} says it with {command}, or who runs Potluck does.",
                member=member,
                command=_COMMAND,
            )
        )
    if pool.shared and call.rank != "owner" and not await call.desk.uses.asked_in(member, call.community):
        raise BadInput(
            say("{member} has not asked anything here: what they have chosen is for others to change.", member=member)
        )
    made = await _switch(call, "admin paid spent", member)
    if call.text("then") == PAY:
        return told(
            made,
            say("When the pool is spent, questions of {member} go on for money, as far as they may.", member=member),
        )
    return told(
        made, say("When the pool is spent, {member} is told what going on would cost, and asked.", member=member)
    )


def pays(desk: OfficeDesk, account: PoolId, member: Member) -> bool:
    """A member's questions go on for an account's money, without their being asked."""
    return desk.office.at("pays", EVERYWHERE, _key(account, member)) is not None


def going_on(call: Call, pool: DeskPool) -> list[Part]:
    """Who is not asked when the pool is spent; nothing where all are. It holds wherever the account pays, so in a
    pool that others share it is for nobody to see but who runs Potluck."""
    if pool.shared and call.rank != "owner":
        return []
    keys = [address.key.partition("/") for address, _ in call.desk.office.of("pays")]
    rows: list[list[Value]] = [[Member.parse(member)] for of, _, member in sorted(keys) if of == pool.id]
    head = (say("Goes on for money when the pool is spent"),)
    return [Table(head, rows, none=say("Everyone is asked first."))] if rows else []


async def may_pay(call: Call) -> bool:
    """Something that costs is open to the caller here."""
    await call.desk.choices.refresh(call.community)
    return any(one.lane == "paid" for one in call.desk.choices.usable(who(call), limit=sys.maxsize))


def who(call: Call) -> Who:
    """The caller, as who asks for a model."""
    caller = call.caller
    return Who(
        member=caller.member,
        community=caller.community,
        standing=caller.standing,
        roles=caller.roles,
        groups=caller.groups,
    )


async def _allowlisted(call: Call) -> None:
    """Raises: BadInput: the caller could spend nothing."""
    if await call.desk.keys.shown(call.caller.member) is not None:
        raise BadInput(
            say("Your questions go by your own OpenRouter account: they take nothing of the pool, spent or not.")
        )
    if not await may_pay(call):
        raise BadInput(say("Nobody has opened models that cost to you here. Ask an admin, or wait for the next day."))


async def _switch(call: Call, command: str, member: Member) -> Change | None:
    pool = await call.desk.pool(call.community)
    address = Address("pays", EVERYWHERE, _key(pool.id, member))
    return await change(call, command, [Edit(address, to(True if call.text("then") == PAY else None))])


def _key(account: PoolId, member: Member) -> str:
    return f"{account}/{member.key}"


def _other(then: str) -> Next:
    said = say("Go on for money") if then == PAY else say("Ask me first")
    return Next(path=("model", "spent"), values={"then": then}, said=said)


_PAYS = say("When the pool is spent your questions go on for money, within the budgets, without your being asked.")
_ASKED = say("When the pool is spent you are told what going on would cost, and asked.")
_COMMAND = Code("/model spent pay")
OWN = Command(
    path=("model", "spent"),
    about=say("When the pool is spent: go on for money, if you may, or be asked first"),
    handler=own,
    parameters=(
        Parameter(
            name="then",
            kind="text",
            about=say("pay: go on without being asked; ask: be asked first; nothing: what holds now"),
            required=False,
            choices=(PAY, ASK),
        ),
    ),
)
OF_ANYBODY = Command(
    path=("admin", "paid", "spent"),
    about=say("When the pool is spent: have a member go on for money, or be asked first"),
    handler=of_anybody,
    parameters=(
        Parameter(name="member", kind="member", about=say("Who")),
        Parameter(
            name="then", kind="text", about=say("pay: without being asked; ask: be asked first"), choices=(PAY, ASK)
        ),
    ),
    rank="admin",
)
