"""`admin models`: which models a community's questions go to, and which are not to be had there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.commands.answer import Answer, Facts, Table
from bot.commands.changing import change, scope, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import Code, Say, Value, say
from bot.messages import ModelId
from bot.office.edits import Address, Change, Edit
from bot.office.house_rules import MODELS, ModelRules
from bot.routing.catalogue import FREE_ROUTER


async def list_models(call: Call) -> Answer:
    rules, offer = call.desk.rules.models(scope(call)), (await call.desk.pool(call.community)).shelf.offer()
    listed = offer.catalogue.free_models(offer.now) if offer.catalogue is not None else ()
    rows: list[list[Value]] = [[Code(one.id), one.name, _mark(rules, one.id)] for one in listed]
    chain = [model for model in offer.chain.models if model != FREE_ROUTER]
    facts: list[tuple[Say, Value]] = [
        (say("Asked first"), _names([rules.default] if rules.default else [])),
        (say("Preferred, in order"), _names(chain)),
        (say("Hidden"), _names(sorted(rules.hidden))),
    ]
    head = (say("Model"), say("Name"), say("Here"))
    return Answer([Facts(facts), Table(head, rows, none=say("It is not known yet which free models there are."))])


async def default(call: Call) -> Answer:
    if not call.has("model"):
        made = await _amend(call, "admin models default", lambda rules: replace(rules, default=None))
        return told(made, say("Who asks for no model gets whichever free one has room."))
    model = await _free(call, call.text("model"))

    def amend(rules: ModelRules) -> ModelRules:
        if model in rules.hidden:
            raise BadInput(say("{model} is hidden here: show it first.", model=Code(model)))
        return replace(rules, default=model)

    made = await _amend(call, "admin models default", amend)
    return told(made, say("Who asks for no model gets {model} from now on.", model=Code(model)))


async def hide(call: Call) -> Answer:
    model = ModelId(call.text("model"))
    if call.flag("show"):
        made = await _amend(call, "admin models hide", lambda rules: replace(rules, hidden=rules.hidden - {model}))
        return told(made, say("{model} may be chosen again.", model=Code(model)))
    if model == FREE_ROUTER:
        raise BadInput(say("{model} stands for all free models and stays.", model=Code(model)))
    await _listed(call, model)

    def amend(rules: ModelRules) -> ModelRules:
        return ModelRules(
            default=None if rules.default == model else rules.default,
            hidden=rules.hidden | {model},
        )

    made = await _amend(call, "admin models hide", amend)
    return told(made, say("Nobody here may choose {model} any more.", model=Code(model)))


# --- inside ---------------------------------------------------------------------------------------------------


async def _amend(call: Call, command: str, amend: Callable[[ModelRules], ModelRules]) -> Change | None:
    address = Address("models", scope(call), MODELS)
    return await change(call, command, [Edit(address, lambda kept: amend(ModelRules.read(kept)).written())])


async def _free(call: Call, name: str) -> ModelId:
    """Raises: BadInput: there is no free model of this id."""
    if not (await call.desk.pool(call.community)).shelf.offer().free(ModelId(name)):
        raise BadInput(
            say("There is no free model {model}. {list} shows those there are.", model=Code(name), list=_LIST)
        )
    return ModelId(name)


async def _listed(call: Call, name: str) -> None:
    """Raises: BadInput: OpenRouter lists no such model."""
    catalogue = (await call.desk.pool(call.community)).shelf.offer().catalogue
    if catalogue is not None and name not in catalogue.models:
        raise BadInput(say("There is no model {model}. {list} shows those there are.", model=Code(name), list=_LIST))


def _mark(rules: ModelRules, model: ModelId) -> Value:
    if model in rules.hidden:
        return say("hidden")
    return say("asked first") if model == rules.default else ""


def _names(models: list[ModelId]) -> Value:
    return Code(", ".join(models)) if models else "–"


_LIST = Code("/admin models list")

COMMANDS = (
    Command(
        path=("admin", "models", "list"),
        about=say("The free models there are, and what holds for them here"),
        handler=list_models,
        rank="admin",
    ),
    Command(
        path=("admin", "models", "default"),
        about=say("Which free model answers who asks for none; without one: whichever has room"),
        handler=default,
        parameters=(Parameter(name="model", kind="model", about=say("Its id"), required=False),),
        rank="admin",
    ),
    Command(
        path=("admin", "models", "hide"),
        about=say("Take a model off this community's list, or put it back"),
        handler=hide,
        parameters=(
            Parameter(name="model", kind="model", about=say("Its id")),
            Parameter(name="show", kind="flag", about=say("Put it back"), required=False),
        ),
        rank="admin",
    ),
)
