"""`admin paid`: who may use models that cost, and how much may be spent. Until this says so, nobody and nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from bot.commands.answer import Answer, Table
from bot.commands.changing import change, one_community, scope, told, whom
from bot.commands.command import BadInput, Call, Command, Everyone, Grantee, InGroup, InRole, Parameter
from bot.commands.saying import At, Code, Say, Usd, Value, say
from bot.commands.spent import going_on
from bot.messages import Member, ModelId
from bot.office.edits import EVERYWHERE, NEW, Address, Edit, Json, to
from bot.office.paid_rules import BY_OWNER, read, written
from bot.routing import access
from bot.routing.access import Reach, Rule, RuleId, ToCommunity, ToGroup, ToMember, ToRole
from bot.routing.prices import MILLION, Rates

_MODELS_MAX = 20
_USD_MAX = 1_000_000


async def allow(call: Call) -> Answer:
    return await _add(call, allows=True)


async def deny(call: Call) -> Answer:
    return await _add(call, allows=False)


async def list_rules(call: Call) -> Answer:
    place, pool = scope(call), await call.desk.pool(call.community)
    rules: list[list[Value]] = []
    for address, kept in sorted(call.desk.office.of("paid_rule"), key=lambda one: _number(one[0])):
        account, _, number = address.key.rpartition("/")
        if account == pool.id and (place == EVERYWHERE or address.community in (place, EVERYWHERE)):
            rule = read(int(number), kept)
            rules.append([rule.id, _verb(rule), _whom(rule.to), _reach(rule.reach), _until(call, rule)])
    budgets: list[list[Value]] = []
    for address, kept in call.desk.office.of("budget"):
        account, period, member = address.key.split("/", 2)
        if account == pool.id and (place == EVERYWHERE or address.community in (place, EVERYWHERE)):
            budgets.append([Usd(Decimal(str(kept))), _PERIODS[period], _whose(member), _where(address)])
    return Answer(
        [
            Table(
                (say("Rule"), say("What"), say("Who"), say("Models"), say("Until")),
                rules,
                none=say("Nobody may use models that cost."),
            ),
            Table((say("Budget"), say("Per"), say("Of"), say("Where")), budgets, none=say("Nothing may be spent.")),
            *going_on(call, pool),
        ]
    )


async def forget(call: Call) -> Answer:
    number, place, pool = call.whole("rule"), scope(call), await call.desk.pool(call.community)
    for address, kept in call.desk.office.of("paid_rule"):
        if address.key != f"{pool.id}/{number}" or (place not in (EVERYWHERE, address.community)):
            continue
        if call.rank != "owner" and isinstance(kept, dict) and kept.get(BY_OWNER):
            raise BadInput(say("Who runs Potluck made rule {rule}, and takes it back.", rule=number))
        made = await change(call, "admin paid forget", [Edit(address, to(None))])
        return told(made, say("Rule {rule} is taken back, and holds no longer.", rule=number))
    raise BadInput(say("There is no rule {rule} here. {list} shows those there are.", rule=number, list=_LIST))


async def budget(call: Call) -> Answer:
    pool, place = await call.desk.pool(call.community), scope(call)
    usd, period, of = call.usd("usd"), call.text("per", "month"), call.text("of", "all").strip()
    whose = {"all": "", "each": "*"}.get(of.lower())
    if whose is None:
        found = call.desk.find_member(of, call.caller)
        if found is None:
            raise BadInput(
                say("Nobody known here is called {text}. Say {all}, {each}, or a member.", text=of, **_WORDS)
            )
        whose = found.key
    mine = not pool.shared or call.rank == "owner"
    if not mine and whose == "":
        raise BadInput(say("How much this community may spend in all is for those who run Potluck to say."))
    if not mine and not await _budgeted(call):
        raise BadInput(say("Who runs Potluck must first say how much this community may spend in all."))
    address = Address("budget", place, f"{pool.id}/{period}/{whose}")
    edit = Edit(address, to(f"{usd.normalize():f}"))
    made = await change(call, "admin paid budget", [edit], of=EVERYWHERE if pool.shared and whose == "" else place)
    said = say(
        "{amount} may be spent per {period}, {whose}. It holds at once.",
        amount=Usd(usd),
        period=_PERIODS[period],
        whose=_whose(whose),
    )
    return told(made, said)


# --- inside ---------------------------------------------------------------------------------------------------


async def _add(call: Call, *, allows: bool) -> Answer:
    pool, place = await call.desk.pool(call.community), scope(call)
    to_whom = _to(call, call.grantee("who"))
    draft = Rule(
        id=RuleId(0),
        allows=allows,
        to=to_whom,
        reach=Reach(models=await _models(call), ceiling=_ceiling(call)),
        ends_at=call.moment("until"),
    )
    kept: dict[str, Json] = written(draft)
    if call.rank == "owner":
        kept[BY_OWNER] = True
    edit = Edit(Address("paid_rule", place, f"{pool.id}/{NEW}"), to(kept))
    made = await change(call, f"admin paid {'allow' if allows else 'deny'}", [edit])
    assert made is not None, "a new rule is always a change"
    number = _number(made.edits[0].address)
    if allows:
        said = say("Rule {rule}: {who} may use {models}.", rule=number, who=_whom(to_whom), models=_reach(draft.reach))
    else:
        said = say(
            "Rule {rule}: {who} may not use {models}.", rule=number, who=_whom(to_whom), models=_reach(draft.reach)
        )
    return told(made, said)


def _number(address: Address) -> int:
    return int(address.key.rpartition("/")[2])


def _to(call: Call, grantee: Grantee) -> access.Grantee:
    match grantee:
        case Member():
            place = scope(call)
            return ToMember(grantee, None if place == EVERYWHERE else place)
        case InRole(id=id):
            return ToRole(one_community(call), id)
        case InGroup(id=id):
            return ToGroup(one_community(call), id)
        case Everyone():
            return ToCommunity(one_community(call))
        case _:
            assert_never(grantee)


async def _models(call: Call) -> frozenset[ModelId] | None:
    """The models that are named; None: every model.

    Raises:
        BadInput: one is not there.
    """
    if not call.has("models"):
        return None
    names = [name for name in call.text("models").replace(",", " ").split() if name]
    if not 1 <= len(names) <= _MODELS_MAX:
        raise BadInput(say("Name one to {most} models, separated by commas.", most=_MODELS_MAX))
    catalogue = (await call.desk.pool(call.community)).shelf.offer().catalogue
    for name in names:
        if (catalogue is not None and name not in catalogue.models) or "/" not in name:
            raise BadInput(
                say("OpenRouter has no model {model}. Copy its id from openrouter.ai/models.", model=Code(name))
            )
    return frozenset(ModelId(name) for name in names)


def _ceiling(call: Call) -> Rates | None:
    """Raises: BadInput: one price alone."""
    if not call.has("prompt_price") and not call.has("answer_price"):
        return None
    if not (call.has("prompt_price") and call.has("answer_price")):
        raise BadInput(
            say("A highest price is two: {prompt} and {answer}.", prompt="prompt_price", answer="answer_price")
        )
    return Rates.per_million(call.usd("prompt_price"), call.usd("answer_price"))


async def _budgeted(call: Call) -> bool:
    """Something limits what the community spends in all."""
    pool, place = await call.desk.pool(call.community), scope(call)
    return any(
        address.key.startswith(f"{pool.id}/") and address.key.endswith("/") and address.community in (place, EVERYWHERE)
        for address, _ in call.desk.office.of("budget")
    )


def _whom(to: access.Grantee) -> Value:
    match to:
        case ToMember(member=member):
            return member
        case ToRole(role=id):
            return whom(InRole(id))
        case ToGroup(group=id):
            return whom(InGroup(id))
        case ToCommunity(community=community):
            return say("everyone in {community}", community=Code(community))
        case _:
            assert_never(to)


def _verb(rule: Rule) -> Say:
    return say("may use") if rule.allows else say("may not use")


def _reach(reach: Reach) -> Say:
    models = (
        say("every model") if reach.models is None else say("{models}", models=Code(", ".join(sorted(reach.models))))
    )
    if reach.ceiling is None:
        return models
    return say(
        "{models} ({prompt} / {answer} for a million tokens)",
        models=models,
        prompt=Usd(reach.ceiling.prompt * MILLION),
        answer=Usd(reach.ceiling.completion * MILLION),
    )


def _until(call: Call, rule: Rule) -> Value:
    if rule.ends_at is None:
        return "–"
    return say("over") if rule.ended(call.desk.now()) else At(rule.ends_at)


def _whose(key: str) -> Value:
    match key:
        case "":
            return say("all together")
        case "*":
            return say("each member")
        case _:
            return Member.parse(key)


def _where(address: Address) -> Value:
    return say("everywhere") if address.community == EVERYWHERE else Code(address.community)


_LIST = Code("/admin paid list")
_PERIODS = {"day": say("day"), "month": say("month"), "ever": say("all time")}
_WORDS: dict[str, Value] = {"all": "all", "each": "each"}
_RULE = (
    Parameter(name="who", kind="grantee", about=say("A member, a role, a user group, or everyone")),
    Parameter(name="models", kind="text", about=say("Only these, separated by commas"), required=False, most=1000),
    Parameter(
        name="prompt_price",
        kind="usd",
        about=say("Highest price of a million tokens sent"),
        required=False,
        least=0,
        most=_USD_MAX,
    ),
    Parameter(
        name="answer_price",
        kind="usd",
        about=say("Highest price of a million tokens answered"),
        required=False,
        least=0,
        most=_USD_MAX,
    ),
    Parameter(name="until", kind="moment", about=say("It holds before then"), required=False),
)

COMMANDS = (
    Command(
        path=("admin", "paid", "allow"),
        about=say("Let somebody use models that cost, within the budgets"),
        handler=allow,
        parameters=_RULE,
        rank="admin",
    ),
    Command(
        path=("admin", "paid", "deny"),
        about=say("Keep somebody from them, whatever else allows it; with prices: from what is dearer"),
        handler=deny,
        parameters=_RULE,
        rank="admin",
    ),
    Command(
        path=("admin", "paid", "list"),
        about=say("Who may use models that cost, and how much may be spent"),
        handler=list_rules,
        rank="admin",
    ),
    Command(
        path=("admin", "paid", "forget"),
        about=say("Take a rule back"),
        handler=forget,
        parameters=(Parameter(name="rule", kind="whole", about=say("Its number"), least=1),),
        rank="admin",
    ),
    Command(
        path=("admin", "paid", "budget"),
        about=say("How much may be spent, in place of what was set; 0 stops it"),
        handler=budget,
        parameters=(
            Parameter(name="usd", kind="usd", about=say("US dollars"), least=0, most=_USD_MAX),
            Parameter(
                name="per",
                kind="text",
                about=say("A month, if you say nothing"),
                required=False,
                choices=("day", "month", "ever"),
            ),
            Parameter(
                name="of",
                kind="text",
                about=say("A member, each member, or all together, if you say nothing"),
                required=False,
            ),
        ),
        rank="admin",
    ),
)
