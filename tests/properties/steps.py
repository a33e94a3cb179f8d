"""What may happen in a run of the world, step by step, and as hypothesis draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from hypothesis import strategies as st

from bot.clock import DAY
from bot.messages import CommunityId, Member
from bot.quota.history import Ask
from bot.quota.terms import Terms

TODAY = 20_500
MEMBERS = [Member("test", f"m{number}") for number in range(8)]
COMMUNITIES = [CommunityId(f"c{number}") for number in range(3)]
Course: TypeAlias = Literal["answered", "failed", "twice failed", "stopped", "unsent"]
"""What becomes of a request: a failed one is tried again if there is room, a twice failed one in vain."""


@dataclass(frozen=True)
class Asks:
    """A member's question at a second of the run, and what becomes of it."""

    at: float
    member: int
    answer: float = 5.0
    course: Course = "answered"
    gone_after: float | None = None
    """The member goes away so many seconds later, whatever the question is at."""
    process: int = 0


@dataclass(frozen=True)
class Reports:
    """The account's count: so many units more than really left."""

    at: float
    more: int


@dataclass(frozen=True)
class Limits:
    """The account's cap on the day changes."""

    at: float
    rpd: int


@dataclass(frozen=True)
class LaysDown:
    """An admin's terms."""

    at: float
    terms: Terms


@dataclass(frozen=True)
class Crashes:
    """All processes end at once without a word, and begin again."""

    at: float


Step: TypeAlias = Asks | Reports | Limits | LaysDown | Crashes


def community_of(member: int) -> CommunityId:
    return COMMUNITIES[member % len(COMMUNITIES)]


def past_days(asks_a_day: int, *, days: int = 7, members: int = 12, seed: int = 1) -> dict[int, list[Ask]]:
    """Days before today, some busy and some quiet: so many questions a day on average, by so many members at most."""
    random, made = Random(seed), dict[int, list[Ask]]()
    for age in range(days, 0, -1):
        number = round(asks_a_day * random.uniform(0.5, 1.5))
        who = [min(int(random.expovariate(4 / members)), members - 1) for _ in range(number)]
        asks = [Ask(random.random() * DAY, COMMUNITIES[one % len(COMMUNITIES)], f"p{one}") for one in who]
        made[TODAY - age] = sorted(asks)
    return made


_COURSES: Sequence[Course] = ("answered", "answered", "answered", "failed", "twice failed", "stopped", "unsent")


def questions(span: float, processes: int = 1) -> st.SearchStrategy[Asks]:
    return st.builds(
        Asks,
        at=st.floats(0, span),
        member=st.integers(0, len(MEMBERS) - 1),
        answer=st.floats(0, 40),
        course=st.sampled_from(_COURSES),
        gone_after=st.none() | st.none() | st.floats(0, 90),
        process=st.integers(0, processes - 1),
    )


def crashes(span: float) -> st.SearchStrategy[Step]:
    return st.builds(Crashes, at=st.floats(0, span))


def account(span: float) -> st.SearchStrategy[Step]:
    """What the account says."""
    at = st.floats(0, span)
    return st.builds(Reports, at=at, more=st.integers(0, 12)) | st.builds(Limits, at=at, rpd=st.integers(3, 60))


def runs(
    span: float, *others: st.SearchStrategy[Step], processes: int = 1, most: int = 18
) -> st.SearchStrategy[list[Step]]:
    """Many questions, and a few of the other steps."""
    few = st.lists(st.one_of(*others), max_size=4) if others else st.just(list[Step]())
    asking: st.SearchStrategy[Step] = questions(span, processes)
    return st.tuples(st.lists(asking, min_size=1, max_size=most), few).map(lambda both: both[0] + both[1])
