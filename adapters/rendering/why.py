"""Where a member stands and why, in a few sentences without jargon: the words of "why?" on the page and of `/quota`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapters.rendering.words import number, plural
from bot.clock import Instant
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


def why(explanation: Explanation | None, *, resets_at: Instant, at: Callable[[Instant], str], shut: str = "") -> Why:
    """Put it in words. `at` names a moment as the member's clock shows it; `shut` says why nobody's question may go.

    None is first come, first served, where there is nothing to explain but that.
    """
    afresh = Point(about="Fresh start", said=f"Everyone starts afresh {at(resets_at)}.")
    if explanation is None:
        return Why(
            headline=shut or "Here it is first come, first served: whoever asks may take what is left.",
            points=(afresh,),
        )
    points = (
        Point(about="Your share", said=f"{_share(explanation)}{_probably(explanation)}"),
        Point(about="The pool", said=_pool(explanation)),
        *((Point(about="How it knows", said=_days(explanation.days)),) if explanation.left else ()),
        *((Point(about="Waiting", said=_waiting(explanation, at)),) if not explanation.admitted else ()),
        afresh,
    )
    return Why(headline=shut or _headline(explanation), points=points)


def _headline(explanation: Explanation) -> str:
    match explanation.verdict:
        case "within_level":
            return "There is room for your next question."
        case "promised":
            return "Your next question is promised to you, whatever others do."
        case "granted":
            return "An admin has set requests aside for you, so your next question goes."
        case "above_level":
            return "Not now: what is left is kept for others who usually come later today."
        case "pool_promised":
            return "Not now: all that is left has been promised to others."
        case "pool_spent":
            return "Today's pool is empty."
    assert_never(explanation.verdict)


def _share(explanation: Explanation) -> str:
    taken = f"You have taken {_some(explanation.taken)} today."
    if math.isinf(explanation.level):
        return f"{taken} There is enough for all that people are expected to ask, so nobody is limited for now."
    most, part = math.floor(explanation.level + 1e-9), explanation.level % 1
    if most > explanation.taken + explanation.left:
        return f"{taken} You may take whatever is left."
    if explanation.verdict == "above_level" and most < explanation.taken:
        return f"{taken} As things stand each may have {_some(most)}, so others come first until that has grown."
    if part < 0.005 or most < explanation.taken or explanation.verdict in ("pool_spent", "promised", "granted"):
        return f"{taken} As things stand you may have {_some(most)}; it grows when others leave theirs unused."
    if not most:
        return (
            f"{taken} As things stand there is not one for everybody: a lot, drawn once for the day, decides who goes."
        )
    return (
        f"{taken} As things stand you may have {number(most)}; a lot, drawn once for the day, decides about one more. "
        "It grows when others leave theirs unused."
    )


def _probably(explanation: Explanation) -> str:
    """Said apart from what is promised, which is certain."""
    if math.isinf(explanation.level) or not explanation.probably:
        return ""
    return f" You will probably get {number(explanation.probably)} more today; that is likely, not promised."


def _pool(explanation: Explanation) -> str:
    if not explanation.left:
        return "Nothing is left that nobody has been promised."
    left = f"{_requests(explanation.left)} {_are(explanation.left)} left for everyone."
    kept = explanation.held_back_for_others
    if not kept:
        return f"{left} Nothing has to be kept for others."
    if kept == explanation.left:
        which = "It is" if kept == 1 else "All of them are"
    else:
        which = f"{number(kept)} of them {_are(kept)}"
    return f"{left} {which} kept for others, most of whom usually come later."


def _days(days: Sequence[DayLooked]) -> str:
    if not days:
        return (
            "There are no earlier days to go by yet: it takes it that people keep coming as they have today, "
            "with about four questions each."
        )
    looked = "It looked at one earlier day" if len(days) == 1 else f"It looked at the last {number(len(days))} days"
    said = _middle(days)
    if math.isinf(said):
        return f"{looked}: if today goes on like most of them, there is enough for everyone."
    about = number(max(1, round(said)))
    return f"{looked}: if today goes on like most of them, each may have about {about}."


def _middle(days: Sequence[DayLooked]) -> float:
    """The level at least half of the days, by weight, would allow."""
    ordered = sorted(days, key=lambda day: -day.level)
    half, weight = sum(day.weight for day in days) / 2, 0.0
    for day in ordered:
        weight += day.weight
        if weight >= half:
            return day.level
    return ordered[-1].level


def _waiting(explanation: Explanation, at: Callable[[Instant], str]) -> str:
    if explanation.verdict == "pool_spent":
        return "Waiting does not help before the fresh start."
    if explanation.room_at is None:
        room = "As things stand there will be no room for you today, but others may leave theirs unused."
    else:
        room = f"If nobody takes anything meanwhile, there is room for you {at(explanation.room_at)}."
    if not explanation.may_hold:
        return room
    return f"{room} A question you let wait is answered as soon as there is, and costs nothing before."


def _some(count: int) -> str:
    return number(count) if count else "nothing"


def _requests(count: int) -> str:
    return plural(count, "request")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
