"""The four things about free models that puzzle people, each explained in a sentence at the moment it happens.

It works on one route and not on another; it worked earlier and has stopped; what is free feels unstable; a key is valid
and refused all the same. Which of them an ending is follows from what the ending carries; the sentence stands in the
place of the reason that `words` would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from bot.commands.saying import Say, say
from bot.errors import ErrorCode, FailureReason, NotAllowed

Puzzle: TypeAlias = Literal["one_route", "stopped", "unstable", "valid_key"]

_BY_REASON: Mapping[FailureReason, tuple[Puzzle, Say]] = {
    "images": ("one_route", say("Only some models can, and which of them are free changes; it is not the image.")),
    "tools": (
        "one_route",
        say("Only some models can, and which of them are free changes; the same works with others."),
    ),
    "region": (
        "one_route",
        say("Its provider serves some countries only; it is not your question, which others may take."),
    ),
    "model_busy": (
        "one_route",
        say("Each model has its own provider with its own limits: this one is full, others may not be."),
    ),
    "model_gone": ("stopped", say("It was there when it was chosen: free models come and go within weeks.")),
    "price": ("stopped", say("It was free earlier. Potluck sends nothing that could cost money.")),
    "timeout": ("unstable", say("Free models run on what their providers have to spare, so they are slow at times.")),
    "provider_down": ("unstable", say("Free models run on what their providers have to spare; it comes and goes.")),
    "error_in_stream": ("unstable", say("Free models run on what their providers have to spare; it can end midway.")),
    "classifier": (
        "unstable",
        say("OpenRouter picks a free model by chance for each question, and this is one of them."),
    ),
    "key_limit": (
        "valid_key",
        say("The key is valid: its owner has set a limit at OpenRouter, and that is spent."),
    ),
    "negative_balance": (
        "valid_key",
        say("The key is valid, but until the debt is paid nothing is answered, free models included."),
    ),
    "data_policy": (
        "valid_key",
        say("The key is valid: it is the account's privacy settings at OpenRouter that shut them out."),
    ),
    "own_key_credit": (
        "valid_key",
        say("The key is valid: it is your account at OpenRouter that says so, not the pool."),
    ),
    "own_key_privacy": (
        "valid_key",
        say("The key is valid: what is free elsewhere may train on what you write, and your account forbids that."),
    ),
    "own_key_day": (
        "valid_key",
        say("The key is valid: each account has so many free requests a day, whatever its keys."),
    ),
    "own_key_refused": (
        "valid_key",
        say("It was valid when you linked it: since then it was deleted, or has run out."),
    ),
}
_BY_CODE: Mapping[ErrorCode, tuple[Puzzle, Say]] = {
    "upstream_busy": (
        "unstable",
        say("They run on what their providers have to spare, for people everywhere: it comes and goes within minutes."),
    ),
    "empty_answer": ("unstable", say("Free models do that now and then: OpenRouter picks another one each time.")),
}
_BY_RIGHT: Mapping[NotAllowed, tuple[Puzzle, Say]] = {
    "nobody": ("one_route", say("What is open to you in one place need not be in another, nor in a private message.")),
    "ended": ("stopped", say("What an admin had allowed has run out.")),
}


def explained(code: ErrorCode, reason: FailureReason | None, why_not: NotAllowed | None) -> tuple[Puzzle, Say] | None:
    """Which puzzle an ending is, and its explanation; None: it is none."""
    if why_not is not None:
        return _BY_RIGHT.get(why_not)
    if reason is not None:
        return _BY_REASON.get(reason)
    return _BY_CODE.get(code)
