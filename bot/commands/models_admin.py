"""`admin models`: which models a community's questions go to, and which are not to be had there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bot.commands.answer import Answer, Facts, Table
from bot.commands.changing import change, scope, told
from bot.commands.command import BadInput, Call, Command, Parameter
from bot.commands.saying import Code, Say, Value, say
from bot.messages import ModelId
from bot.office.edits import EVERYWHERE, Address, Change, Edit
from bot.office.house_rules import MODELS, ModelRules
from bot.routing.catalogue import FREE_ROUTER
from bot.routing.chain import CHAIN_MAX
from bot.routing.offer import Offer


async def list_models(call: Call) -> Answer:
    rules, offer = call.desk.rules.models(scope(call)), await _offer(call)
    listed = offer.catalogue.free_models(offer.now) if offer.catalogue is not None else ()
    rows: list[list[Value]] = [[Code(one.id), one.name, _mark(rules, offer, one.id)] for one in listed]
    facts: list[tuple[Say, Value]] = [
        (say("Default"), _names([rules.default] if rules.default else [])),
        (say("Chain"), _names(rules.chain) if rules.chain else say("as set for all of Potluck")),
        (say("Asked in this order"), _names(offer.chain.models)),
        (say("Hidden"), _names(sorted(rules.hidden))),
    ]
    head = (say("Model"), say("Name"), say("Here"))
    return Answer([Facts(facts), Table(head, rows, none=say("It is not known yet which free models there are."))])


async def default(call: Call) -> Answer:
    if not call.has("model"):
        made = await _amend(call, "admin models default", lambda rules: replace(rules, default=None))
        return told(made, await _order(call))
    model = await _free(call, call.text("model"))

    def amend(rules: ModelRules) -> ModelRules:
        _shown([model], rules, call)
        return replace(rules, default=model)

    made = await _amend(call, "admin models default", amend)
    return told(made, await _order(call))


async def chain(call: Call) -> Answer:
    if not call.has("models"):
        made = await _amend(call, "admin models chain", lambda rules: replace(rules, chain=()))
        return told(made, await _order(call))
    models = tuple([await _free(call, name) for name in re.split(r"[,\s]+", call.text("models")) if name])
    if models[-1:] == (FREE_ROUTER,):
        models = models[:-1]
    if len(models) >= CHAIN_MAX:
        raise BadInput(
            say("{most} models at most, as {router} comes last by itself.", most=CHAIN_MAX - 1, router=_ROUTER)
        )
    if FREE_ROUTER in models:
        raise BadInput(say("Name {router} last, or not at all: those after it would never be asked.", router=_ROUTER))
    if len(set(models)) < len(models):
        raise BadInput(say("A model is named twice: name each once."))

    def amend(rules: ModelRules) -> ModelRules:
        _shown(models, rules, call)
        # The router alone is a chain, too: no model is asked before others.
        return replace(rules, chain=models or (FREE_ROUTER,))

    made = await _amend(call, "admin models chain", amend)
    return told(made, await _order(call))


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
            chain=tuple(one for one in rules.chain if one != model),
            hidden=rules.hidden | {model},
        )

    made = await _amend(call, "admin models hide", amend)
    said = say(
        "Nobody here may choose {model} any more. {router} may still hand a question to it.",
        model=Code(model),
        router=_ROUTER,
    )
    return told(made, said)


# --- inside ---------------------------------------------------------------------------------------------------


async def _amend(call: Call, command: str, amend: Callable[[ModelRules], ModelRules]) -> Change | None:
    address = Address("models", scope(call), MODELS)
    return await change(call, command, [Edit(address, lambda kept: amend(ModelRules.read(kept)).written())])


async def _offer(call: Call) -> Offer:
    """What there is for the community's questions."""
    return (await call.desk.pool(call.community)).shelf.offer(scope(call))


async def _order(call: Call) -> Say:
    """What becomes of a question that names no model, now that it was changed."""
    models = (await _offer(call)).chain.models
    return say("Where a question names no model, these are asked in turn: {models}.", models=_names(models))


async def _free(call: Call, name: str) -> ModelId:
    """Raises: BadInput: there is no free model of this id."""
    if not (await _offer(call)).free(ModelId(name)):
        raise BadInput(
            say("There is no free model {model}. {list} shows those there are.", model=Code(name), list=_LIST)
        )
    return ModelId(name)


def _shown(models: Iterable[ModelId], rules: ModelRules, call: Call) -> None:
    """Raises: BadInput: one of them is hidden, here or everywhere."""
    hidden = rules.hidden | call.desk.rules.hidden(EVERYWHERE)
    for model in models:
        if model in hidden:
            raise BadInput(say("{model} is hidden: choose another one, or show it first.", model=Code(model)))


async def _listed(call: Call, name: str) -> None:
    """Raises: BadInput: OpenRouter lists no such model."""
    catalogue = (await _offer(call)).catalogue
    if catalogue is not None and name not in catalogue.models:
        raise BadInput(say("There is no model {model}. {list} shows those there are.", model=Code(name), list=_LIST))


def _mark(rules: ModelRules, offer: Offer, model: ModelId) -> Value:
    if model in rules.hidden:
        return say("hidden")
    return offer.chain.models.index(model) + 1 if model in offer.chain.models else ""


def _names(models: Sequence[ModelId]) -> Value:
    return Code(", ".join(models)) if models else "–"


_LIST = Code("/admin models list")
_ROUTER = Code(FREE_ROUTER)

COMMANDS = (
    Command(
        path=("admin", "models", "list"),
        about=say("The free models there are, and what holds for them here"),
        handler=list_models,
        rank="admin",
    ),
    Command(
        path=("admin", "models", "default"),
        about=say("The free model that is asked first where a question names none; without one: none is"),
        handler=default,
        parameters=(Parameter(name="model", kind="model", about=say("Its id"), required=False),),
        rank="admin",
    ),
    Command(
        path=("admin", "models", "chain"),
        about=say("The free models asked in turn where a question names none; without any: as set for all of Potluck"),
        handler=chain,
        parameters=(
            Parameter(
                name="models",
                kind="text",
                about=say("Two ids at most, the first to ask first; openrouter/free comes last by itself"),
                required=False,
                most=400,
            ),
        ),
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
