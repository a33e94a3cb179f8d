"""What becomes of one chat completion: counted or not, refused or answered, by which model, with which fault.

No I/O and no waiting: the reply is a script for `play`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from bot.clock import Instant
from bot.openrouter.sandbox import answers, catalogue, limited, refusals
from bot.openrouter.sandbox.catalogue import Model
from bot.openrouter.sandbox.faults import FAULTS, Alters, Breaks, Refuses, Scene
from bot.openrouter.sandbox.limits import Account
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.request import Ask
from bot.openrouter.sandbox.settings import SandboxSettings
from bot.openrouter.sandbox.wire import Answer, Pace, Reply, render

AUTO_PICKS = "sandbox/lantern-70b"
MAX_MODELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The reply, and what the log is to say of it."""

    reply: Reply
    counted: bool = False
    fault: str | None = None
    answer: Answer | None = None
    """What the model would have written; None if no model was asked."""
    model: Model | None = None
    """The model that answers, or would have."""


def decide(
    ask: Ask | None,
    *,
    at: Instant,
    account: Account,
    settings: SandboxSettings,
    generation: str,
    named: str | None,
    scripted: Callable[[], str | None],
) -> Decision:
    """Answer or refuse one request. A limit comes before a fault, and is counted whatever comes after.

    `named` is the fault the sender's header names, `scripted` asks the script for one.
    """
    if ask is None:
        return Decision(reply=refusals.NOT_JSON.reply())
    model = _chosen(ask)
    if isinstance(model, Refusal):
        return Decision(reply=model.reply())
    counted = model.free
    refused = _over_limit(model, at, account, settings) or ask.refused(model)
    if refused is not None:
        return Decision(reply=refused.reply(), counted=counted)
    if named is not None and named not in FAULTS:
        return Decision(reply=refusals.unknown_fault(named).reply(), counted=counted)
    used = _routed(model, ask, settings.seed)
    answer = _answer(ask, used, at=at, generation=generation, settings=settings)
    written = answers.command(ask.question)
    fault = named or (written if written in FAULTS else None) or scripted()
    scene = Scene(at=at, rpm=settings.rpm, rpd=settings.rpd, model=used.id, question=ask.question)
    pace = Pace(first=settings.first_token_seconds, chunk=settings.seconds_per_chunk)
    reply, answer = _with_fault(fault, scene, answer, lambda answer: render(answer, pace, stream=ask.stream))
    return Decision(reply=reply, counted=counted, fault=fault, answer=answer, model=used)


def _chosen(ask: Ask) -> Model | Refusal:
    fallbacks = ask.body.get("models")
    if isinstance(fallbacks, list) and len(fallbacks) > MAX_MODELS:
        return refusals.TOO_MANY_MODELS
    if not ask.models:
        return refusals.NO_MODEL
    found = [catalogue.find(model) for model in ask.models]
    for wanted, model in zip(ask.models, found, strict=True):
        if model is None:
            return refusals.invalid_model(wanted)
    assert found[0] is not None
    return found[0]


def _over_limit(model: Model, at: Instant, account: Account, settings: SandboxSettings) -> Refusal | None:
    """The account's limits, counting the request if the model is free."""
    if not model.free:
        costs = model.completion != "0"
        return refusals.NO_CREDITS if costs and account.balance <= 0 else None
    match account.take(at):
        case "day":
            bought = settings.credits >= limited.HIGHER_TIER_CREDITS
            return limited.daily(at, limit=settings.rpd, bought=bought, shapes=settings.shapes)
        case "minute":
            return limited.minute(at, limit=settings.rpm, shapes=settings.shapes)
        case None:
            return refusals.NO_CREDITS if account.balance < 0 else None
        case other:
            assert_never(other)


def _routed(model: Model, ask: Ask, seed: int) -> Model:
    """The concrete model: a router's pick repeats for the same conversation."""
    if model.id == catalogue.FREE_ROUTER:
        able = catalogue.routed(images=ask.images > 0)
        roomy = [candidate for candidate in able if candidate.context > ask.prompt_tokens + (ask.max_tokens or 0)]
        return random.Random(f"{seed}/{ask.turns}/{ask.question}").choice(roomy or able)  # noqa: S311  repeatable
    return (catalogue.find(AUTO_PICKS) if model.router else None) or model


def _answer(ask: Ask, model: Model, *, at: Instant, generation: str, settings: SandboxSettings) -> Answer:
    answer = Answer(
        id=generation,
        created=int(at),
        model=model.id,
        prompt_tokens=ask.prompt_tokens,
        shapes=settings.shapes,
    )
    if model.id == catalogue.CLASSIFIER:
        return replace(answer, text=("safe",))
    reasoning = answers.thoughts(ask) if model.reasoning != "none" and ask.reasons else ()
    text = answers.write(ask, seed=settings.seed, faults=FAULTS)
    cap = ask.max_tokens
    if cap is not None and cap < len(reasoning) + len(text):
        answer = replace(answer, finish="length", native_finish="length")
        reasoning, text = reasoning[:cap], text[: max(0, cap - len(reasoning))]
    answer = replace(answer, reasoning=reasoning, text=text)
    return replace(answer, cost=model.cost(answer.prompt_tokens, answer.completion_tokens))


def _with_fault(
    name: str | None, scene: Scene, answer: Answer, render: Callable[[Answer], Reply]
) -> tuple[Reply, Answer]:
    if name is None:
        return render(answer), answer
    match FAULTS[name].act:
        case Refuses(make):
            return make(scene).reply(), answer
        case Alters(change):
            changed = change(answer)
            return render(changed), changed
        case Breaks(change):
            return change(render(answer)), answer
        case other:
            assert_never(other)
