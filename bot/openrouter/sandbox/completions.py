"""What becomes of one chat completion: counted or not, refused or answered, by which model, with which fault.

No I/O and no waiting: the reply is a script for `play`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import assert_never

from bot.clock import Instant
from bot.errors import FailureKind
from bot.openrouter.sandbox import answers, catalogue, limited, money, refusals
from bot.openrouter.sandbox.catalogue import Json, Model
from bot.openrouter.sandbox.fault import Alters, Breaks, Refuses, Scene
from bot.openrouter.sandbox.faults import FAULTS
from bot.openrouter.sandbox.limits import Account, Limit
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.script import COMPLETIONS, meant
from bot.openrouter.sandbox.settings import SandboxSettings
from bot.openrouter.sandbox.wire import Answer, Pace, Reply, render

AUTO_PICKS = "sandbox/lantern-70b"
MAX_MODELS = 3
ENDS_ALL = frozenset(
    {
        FailureKind.BAD_KEY,
        FailureKind.KEY_LIMIT,
        FailureKind.GUARDRAIL,
        FailureKind.BAD_REQUEST,
        FailureKind.BAD_IMAGE,
    }
)
"""What is wrong with a request whatever model it asks for: no fallback is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The reply, and what the log is to say of it."""

    reply: Reply
    units: int = 0
    """Taken from the day's free allowance."""
    fault: str | None = None
    answer: Answer | None = None
    """What the model would have written; None if no model was asked."""
    model: Model | None = None
    """The model that answers, or would have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request, and all that is known when it comes."""

    ask: Ask
    at: Instant
    account: Account
    account_name: str = ""
    key: str = ""
    """As the log names it."""
    settings: SandboxSettings
    generation: str
    named: str | None
    """The fault the sender's header names."""
    scripted: Callable[[int, Sequence[str]], str | None]
    """Asks the script for one, for the model in this place, by its ids."""


@dataclass(slots=True)
class _Counted:
    """What a request has taken from the allowance, and how that was received."""

    units: int = 0
    limit: Limit | None = None
    errors: list[Json] = field(default_factory=list)
    """Of the models tried before."""


def decide(case: Case) -> Decision:
    """Answer or refuse one request: by the first of its models that nothing stands in the way of.

    A limit comes before a fault, and is counted whatever comes after.
    """
    wanted = _wanted(case)
    if isinstance(wanted, Refusal):
        return Decision(reply=wanted.reply())
    counted, decision = _Counted(), Decision(reply=refusals.NO_MODEL.reply())
    for place, model in enumerate(wanted):
        decision, error = _try(case, model, place, counted)
        if error is None:
            break
        counted.errors.append(error)
    fault = decision.fault
    if fault is not None and fault in case.settings.beliefs.uncounted:
        case.account.give_back(case.at, counted.units)
        counted.units = 0
    return replace(decision, units=counted.units)


def _wanted(case: Case) -> list[Model] | Refusal:
    """The models that may answer, in order."""
    ask, fallbacks = case.ask, case.ask.body.get("models")
    beside = 0 if case.settings.beliefs.model_is_a_fallback and isinstance(ask.body.get("model"), str) else 1
    if isinstance(fallbacks, list) and len(fallbacks) > MAX_MODELS - 1 + beside:
        return refusals.TOO_MANY_MODELS
    if not ask.models:
        return refusals.NO_MODEL
    found: list[Model] = []
    for wanted in ask.models:
        model = None if wanted in case.settings.withdrawn else catalogue.find(wanted)
        if model is None:
            return refusals.invalid_model(wanted)
        if model not in found:
            found.append(model)
    return found


def _try(case: Case, model: Model, place: int, counted: _Counted) -> tuple[Decision, Json | None]:
    """One model's reply; with the error, where the next model is to be tried."""
    ask, mine = case.ask, case.settings.of(case.account_name)

    def refused(refusal: Refusal, *, final: bool = False, fault: str | None = None) -> tuple[Decision, Json | None]:
        told = refusal
        if counted.errors and refusal.name is None:
            told = replace(refusal, metadata=(refusal.metadata or {}) | {"previous_errors": list(counted.errors)})
        return Decision(reply=told.reply(), fault=fault), None if final else refusal.error() | {"model": model.id}

    limit = _over_limit(case, model, counted) or money.refused(
        ask, model, limits=mine, beliefs=case.settings.beliefs, account=case.account, key=case.key, at=case.at
    )
    if limit is not None:
        return refused(limit)
    if (malformed := ask.malformed()) is not None:
        return refused(malformed, final=True)
    if (unroutable := ask.unroutable(model, free_models=mine.free_models, beliefs=case.settings.beliefs)) is not None:
        return refused(unroutable, final=unroutable.code == 400 and unroutable is refusals.REASONING_MANDATORY)
    if case.named is not None and not meant(case.named, COMPLETIONS):
        return refused(refusals.unknown_fault(case.named), final=True)
    used = _routed(model, ask, case.settings)
    answer = _answer(case, used)
    name = _fault(case, model, used, place)
    scene = Scene(at=case.at, rpm=mine.rpm, rpd=mine.rpd, model=used.id, question=ask.question)
    pace = Pace(first=case.settings.first_token_seconds, chunk=case.settings.seconds_per_chunk)
    if name is None:
        return Decision(reply=render(answer, pace, stream=ask.stream), answer=answer, model=used), None
    match FAULTS[name].act:
        case Refuses(make):
            refusal = make(scene)
            decision, error = refused(refusal, final=FAULTS[name].means in ENDS_ALL or bool(refusal.status), fault=name)
            return replace(decision, answer=answer, model=used), error
        case Alters(change):
            changed = change(answer, scene)
            reply = render(changed, pace, stream=ask.stream)
            return Decision(reply=reply, fault=name, answer=changed, model=used), None
        case Breaks(change):
            reply = change(render(answer, pace, stream=ask.stream))
            return Decision(reply=reply, fault=name, answer=answer, model=used), None
        case other:
            assert_never(other)


def _fault(case: Case, model: Model, used: Model, place: int) -> str | None:
    """The header's, the message's, or the script's. The first two are the request's, whatever model it comes to."""
    written = answers.command(case.ask.question)
    for name in (case.named, written):
        if name is not None and (meaning := meant(name, COMPLETIONS)):
            return random.Random(f"{case.settings.seed}/{case.generation}").choice(meaning)  # noqa: S311  repeatable
    return case.scripted(place, (model.id, used.id))


def _over_limit(case: Case, model: Model, counted: _Counted) -> Refusal | None:
    """The account's limits, counting the request if the model draws on the allowance."""
    settings, mine = case.settings, case.settings.of(case.account_name)
    beliefs = settings.beliefs
    if not model.free or mine.byok or (model.router and not beliefs.router_counts):
        return None
    if not counted.units or beliefs.each_try_counts:
        before = case.account.used(case.at)
        counted.limit = case.account.take(case.at, mine, beliefs)
        counted.units += case.account.used(case.at) - before
    match counted.limit:
        case "day":
            bought = mine.credits >= limited.HIGHER_TIER_CREDITS
            return limited.daily(case.at, limit=mine.rpd, bought=bought, shapes=settings.shapes)
        case "minute":
            return limited.minute(case.at, limit=mine.rpm, shapes=settings.shapes)
        case None:
            return None
        case other:
            assert_never(other)


def _routed(model: Model, ask: Ask, settings: SandboxSettings) -> Model:
    """The concrete model: a router's pick repeats for the same conversation."""
    if model.id == catalogue.FREE_ROUTER:
        able = catalogue.routed(lambda one: (one.images or not ask.images) and (one.tools or not ask.tools))
        wanted = ask.prompt_tokens + (ask.max_tokens or 0) if settings.beliefs.router_minds_length else 0
        roomy = [candidate for candidate in able if candidate.context > wanted]
        return random.Random(f"{settings.seed}/{ask.turns}/{ask.question}").choice(roomy or able)  # noqa: S311  repeatable
    return (catalogue.find(AUTO_PICKS) if model.router else None) or model


def _answer(case: Case, model: Model) -> Answer:
    ask, settings = case.ask, case.settings
    answer = Answer(
        id=case.generation,
        created=int(case.at),
        model=model.id,
        prompt_tokens=ask.prompt_tokens,
        shapes=settings.shapes,
    )
    if model.id == catalogue.CLASSIFIER:
        return replace(answer, text=("safe",))
    reasoning = answers.thoughts(ask) if model.reasoning != "none" and ask.reasons else ()
    text = answers.write(ask, seed=settings.seed, faults=FAULTS.values())
    cap = ask.max_tokens
    if cap is not None and cap < len(reasoning) + len(text):
        answer = replace(answer, finish="length", native_finish="length")
        reasoning, text = reasoning[:cap], text[: max(0, cap - len(reasoning))]
    answer = replace(answer, reasoning=reasoning, text=text)
    price = model.cost(answer.prompt_tokens, answer.completion_tokens)
    if settings.of(case.account_name).byok:
        return replace(answer, cost=Decimal(0), upstream_cost=price)
    return replace(answer, cost=price)
