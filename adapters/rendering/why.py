"""Where a member stands and why, in a few sentences without jargon: the words of "why?" on the page and of `/quota`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.rendering.saying import ENGLISH, Tongue
from bot.clock import Instant
from bot.commands.saying import Say, say, says
from bot.commands.verdict_said import verdict_said
from bot.messages import DayLooked, Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One side of it: a heading of a word or two, and what there is to say."""

    about: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """All of it: a sentence that can stand alone, and the points behind it."""

    headline: str
    points: tuple[Point, ...]


def why(
    explanation: Explanation | None,
    *,
    resets_at: Instant,
    at: Callable[[Instant], str],
    shut: str = "",
    tongue: Tongue = ENGLISH,
) -> Why:
    """Put it in words. `at` names a moment as the member's clock shows it; `shut` says why nobody's question may go.

    None is first come, first served, where there is nothing to explain but that.
    """

    def point(about: Say, *said: Say | None) -> Point:
        return Point(about=tongue.say(about), said=" ".join(tongue.say(one) for one in said if one is not None))

    afresh = point(say("Fresh start"), say("Everyone starts afresh {again}.", again=at(resets_at)))
    if explanation is None:
        served = say("Here it is first come, first served: whoever asks may take what is left.")
        return Why(headline=shut or tongue.say(served), points=(afresh,))
    points = (
        point(say("Your share"), _taken(explanation), _share(explanation), _probably(explanation)),
        point(say("The pool"), *_pool(explanation)),
        *((point(say("How it knows"), *_days(explanation.days)),) if explanation.left else ()),
        *((point(say("Waiting"), *_waiting(explanation, at)),) if not explanation.admitted else ()),
        afresh,
    )
    return Why(headline=shut or tongue.say(verdict_said(explanation.verdict)), points=points)


def _taken(explanation: Explanation) -> Say:
    taken = explanation.taken
    return say("You have taken {count} today.", count=taken) if taken else say("You have taken nothing today.")


def _share(explanation: Explanation) -> Say:
    if math.isinf(explanation.level):
        return say("There is enough for all that people are expected to ask, so nobody is limited for now.")
    most, part = math.floor(explanation.level + 1e-9), explanation.level % 1
    if most > explanation.taken + explanation.left:
        return say("You may take whatever is left.")
    if explanation.verdict == "above_level" and most < explanation.taken:
        if not most:
            return say("As things stand each may have nothing, so others come first until that has grown.")
        return say("As things stand each may have {most}, so others come first until that has grown.", most=most)
    if part < 0.005 or most < explanation.taken or explanation.verdict in ("pool_spent", "promised", "granted"):
        if not most:
            return say("As things stand you may have nothing; it grows when others leave theirs unused.")
        return say("As things stand you may have {most}; it grows when others leave theirs unused.", most=most)
    if not most:
        return say("As things stand there is not one for everybody: a lot, drawn once for the day, decides who goes.")
    return say(
        "As things stand you may have {most}; a lot, drawn once for the day, decides about one more. "
        "It grows when others leave theirs unused.",
        most=most,
    )


def _probably(explanation: Explanation) -> Say | None:
    """Said apart from what is promised, which is certain."""
    if math.isinf(explanation.level) or not explanation.probably:
        return None
    return say("You will probably get {count} more today; that is likely, not promised.", count=explanation.probably)


def _pool(explanation: Explanation) -> tuple[Say, ...]:
    if not explanation.left:
        return (say("Nothing is left that nobody has been promised."),)
    left = says("{count} request is left for everyone.", "{count} requests are left for everyone.", explanation.left)
    kept = explanation.held_back_for_others
    if not kept:
        return left, say("Nothing has to be kept for others.")
    if kept == explanation.left:
        return left, says(
            "It is kept for others, most of whom usually come later.",
            "All of them are kept for others, most of whom usually come later.",
            kept,
        )
    return left, says(
        "{count} of them is kept for others, most of whom usually come later.",
        "{count} of them are kept for others, most of whom usually come later.",
        kept,
    )


def _days(days: Sequence[DayLooked]) -> tuple[Say, ...]:
    if not days:
        return (
            say(
                "There are no earlier days to go by yet: it takes it that people keep coming as they have today, "
                "with about four questions each."
            ),
        )
    many, middle = len(days), _middle(days)
    if math.isinf(middle):
        return (
            says(
                "It looked at one earlier day: if today goes on like most of them, there is enough for everyone.",
                "It looked at the last {count} days: if today goes on like most of them, there is enough for everyone.",
                many,
            ),
        )
    return (
        says(
            "It looked at one earlier day: if today goes on like most of them, each may have about {about}.",
            "It looked at the last {count} days: if today goes on like most of them, each may have about {about}.",
            many,
            about=max(1, round(middle)),
        ),
    )


def _middle(days: Sequence[DayLooked]) -> float:
    """The level at least half of the days, by weight, would allow."""
    ordered = sorted(days, key=lambda day: -day.level)
    half, weight = sum(day.weight for day in days) / 2, 0.0
    for day in ordered:
        weight += day.weight
        if weight >= half:
            return day.level
    return ordered[-1].level


def _waiting(explanation: Explanation, at: Callable[[Instant], str]) -> tuple[Say | None, ...]:
    if explanation.verdict == "pool_spent":
        return (say("Waiting does not help before the fresh start."),)
    if explanation.room_at is None:
        room = say("As things stand there will be no room for you today, but others may leave theirs unused.")
    else:
        room = say("If nobody takes anything meanwhile, there is room for you {at}.", at=at(explanation.room_at))
    hold = say("A question you let wait is answered as soon as there is, and costs nothing before.")
    return room, hold if explanation.may_hold else None
