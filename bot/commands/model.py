"""Which model answers: `model show` and `model set`, for oneself or for the conversation one is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.commands.answer import Answer, Facts, Line, Table, lines
from bot.commands.command import BadInput, Call, Command, Parameter, Suggestion
from bot.commands.key_said import PASTE, shown
from bot.commands.saying import Code, Say, Usd, Value, say
from bot.commands.spent import may_pay, pays, who
from bot.errors import AnswerFailed, NotAllowed, Refused
from bot.messages import ChosenFor, InConversation, ModelId
from bot.ports import ModelOnOffer

ANY = "any"
"""In place of a model: the choice is Potluck's."""
_SHOWN = 15
_ME, _HERE = "me", "here"

_NOT_ALLOWED: Mapping[NotAllowed, Say] = {
    "nobody": say("{model} costs money, and nobody has opened it to you. Ask an admin, or choose a free one."),
    "denied": say("An admin keeps {model} from you. Choose another one."),
    "wide": say("{model} costs money and is open to full members only. Choose a free one."),
    "ended": say("{model} was open to you until lately. Ask an admin, or choose a free one."),
    "model": say("You may use other models that cost, but not {model}. {show} lists them."),
    "price": say("{model} is dearer than what is open to you. {show} lists what is."),
    "needs_ceiling": say("{model} picks a model by itself, and no admin has said how much that may cost."),
    "unpriced": say("What {model} costs cannot be told beforehand, so it cannot be chosen."),
    "unknown": say("There is no model {model}. {show} lists what there is."),
    "hidden": say("{model} is not on this community's list any more. {show} lists what is."),
}
"""By why a member may not have a model."""


async def show(call: Call) -> Answer:
    choices, here = call.desk.choices, call.caller.conversation
    facts: list[tuple[Say, Value]] = []
    if here is not None:
        facts.append((say("For this conversation"), _chosen(call, InConversation(here))))
    facts.append((say("For you"), _chosen(call, call.caller.member)))
    facts.append((say("For this community"), _named(call.desk.rules.models(call.caller.community).default)))
    if await may_pay(call):
        pool = await call.desk.pool(call.community)
        goes_on = pays(call.desk, pool.id, call.caller.member)
        spent = say("you go on for money") if goes_on else say("you are asked first")
        facts.append((say("When the pool is spent"), spent))
    found = choices.usable(who(call), call.text("search"), limit=_SHOWN)
    return Answer(
        [
            Line(say("The first of these that is set answers you; where none is, Potluck chooses a free one.")),
            Facts(facts),
            Table(
                head=(say("Model"), say("A million tokens sent"), say("A million tokens answered")),
                rows=[(Code(model.id), *_prices(model)) for model in found],
                none=say("No model that you may use is called that."),
            ),
        ]
    )


async def set_model(call: Call) -> Answer:
    whom: ChosenFor = call.caller.member
    if call.text("where", _ME) == _HERE:
        if call.caller.conversation is None:
            raise BadInput(say("There is no conversation here. Choose it for yourself instead."))
        whom = InConversation(call.caller.conversation)
    wished = call.model("model")
    model = None if wished.lower() == ANY else wished
    try:
        await call.desk.choices.choose(whom, model, who=who(call))
    except Refused as refused:
        why = _NOT_ALLOWED[refused.why or "unknown"]
        raise BadInput(Say(why.text, {"model": Code(wished), "show": Code("/model show")})) from None
    except AnswerFailed:
        raise BadInput(
            say("That looks like an OpenRouter key, and was not kept. {add} takes it.", add=_PASTE)
        ) from None
    if model is None:
        return lines(say("Potluck chooses the model again."))
    if isinstance(whom, InConversation):
        return lines(say("{model} answers in this conversation from now on.", model=Code(model)))
    return lines(say("{model} answers you from now on.", model=Code(model)))


async def _may_use(call: Call, typed: str) -> Sequence[Suggestion]:
    """The models the caller may use, by name or id, free ones first, each with its price."""
    await call.desk.choices.refresh(call.community)
    found = call.desk.choices.usable(who(call), typed)
    left = [Suggestion(ANY, say("the choice is Potluck's"))] if ANY.startswith(typed.strip().lower()) else []
    return [*left, *(Suggestion(model.id, _costs(model)) for model in found)]


def _costs(model: ModelOnOffer) -> Say:
    if model.free:
        return say("free") if model.lane != "paid" else say("nothing for now")
    sent, answered = _prices(model)
    return say("{sent} / {answered} a million tokens", sent=sent, answered=answered)


_PASTE = shown(PASTE)


def _chosen(call: Call, whom: ChosenFor) -> Value:
    return _named(call.desk.choices.chosen(whom))


def _named(model: ModelId | None) -> Value:
    return say("nothing") if model is None else Code(model)


def _prices(model: ModelOnOffer) -> tuple[Value, Value]:
    if model.free:
        return say("free"), say("free")
    return _price(model.prompt), _price(model.completion)


def _price(price: Decimal | None) -> Value:
    return say("not known") if price is None else Usd(price)


COMMANDS = (
    Command(
        path=("model", "show"),
        about=say("Which model answers you, and which you may choose"),
        handler=show,
        parameters=(
            Parameter(name="search", kind="text", about=say("Part of a model's name"), required=False, most=200),
        ),
    ),
    Command(
        path=("model", "set"),
        about=say("Choose the model that answers, for you or for this conversation"),
        handler=set_model,
        parameters=(
            Parameter(
                name="model",
                kind="model",
                about=say("The model; any: leave it to Potluck"),
                most=200,
                suggests=_may_use,
            ),
            Parameter(
                name="where",
                kind="text",
                about=say("me: wherever you ask; here: for all in this conversation"),
                required=False,
                choices=(_ME, _HERE),
            ),
        ),
    ),
)
