"""Which request meets which fault: rules, drawn from a seed, that depend on nothing but the request."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.openrouter.sandbox.fault import Alters
from bot.openrouter.sandbox.faults import FAULTS, faults_of
from bot.openrouter.sandbox.tellings import TELLINGS

COMPLETIONS = "/chat/completions"
AUTH_KEYS = "/auth/keys"
PATHS = (COMPLETIONS, "/models", "/models/user", "/key", "/credits", "/generation", AUTH_KEYS)
EPOCH_FROM = 1e9
"""A number of seconds from here on is since 1970; a smaller one since the sandbox began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as a rule sees it."""

    path: str
    number: int
    """1 for the first of its path."""
    models: tuple[str, ...] = ()
    """The model it asks for, and the one that would answer."""
    place: int = 0
    """Which of its models this is; 0: the first."""
    account: str = ""
    at: float = 0.0
    elapsed: float = 0.0
    """Seconds since the sandbox began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """A fault, or several to draw from, and the requests that meet it. What is left out matches all.

    A name is one of `FAULTS`, one of `TELLINGS` where the path is theirs, or `class:KIND` for any of a kind.
    """

    fault: str = ""
    mix: Mapping[str, float] = field(default_factory=dict)
    """Names and how often each comes beside the others, in place of `fault`."""
    path: str = COMPLETIONS
    at: tuple[int, ...] = ()
    """Exactly these requests, counted from 1, each path for itself; empty: as the next three say."""
    first: int = 1
    last: int | None = None
    every: int = 1
    """From the first on: 1 each request, 2 every other one."""
    after: float = 0.0
    """Seconds since the sandbox began, or since 1970."""
    until: float | None = None
    probability: float = 1.0
    """Of those that remain, how many; drawn from the seed and the request's number."""
    model: str | None = None
    """Only requests that ask for this model, or are routed to it."""
    account: str | None = None
    """Only requests with a key of this account; the default one's name is empty."""
    seed: int | None = None
    """To draw from, in place of the sandbox's."""

    def __post_init__(self) -> None:
        """Raises: ValueError: names the field and what may stand there."""
        if self.path not in PATHS:
            raise ValueError(f"path: {self.path!r} is none of {', '.join(PATHS)}")
        if bool(self.fault) == bool(self.mix):
            raise ValueError("fault: missing" if not self.fault else "mix: there is a fault already")
        for name in (self.fault,) if self.fault else self.mix:
            if not meant(name, self.path):
                there = [*TELLINGS.get(self.path, ()), *(one for one in FAULTS if meant(one, self.path)), "class:KIND"]
                raise ValueError(f"{'fault' if self.fault else 'mix'}: {name!r} is none of {', '.join(sorted(there))}")
        if any(weight < 0 for weight in self.mix.values()) or (self.mix and not sum(self.mix.values()) > 0):
            raise ValueError("mix: weights are not negative, and one is above 0")
        if min((self.first, *self.at)) < 1:
            raise ValueError(f"{'at' if self.at else 'first'}: {min((self.first, *self.at))} is below 1")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last: {self.last} is before first, {self.first}")
        if self.every < 1:
            raise ValueError(f"every: {self.every} is below 1")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability: {self.probability} is not within 0 and 1")

    def meets(self, call: Call) -> bool:
        """Whether the rule, chance aside, is about a request."""
        number = call.number
        counted = self.first <= number and (self.last is None or number <= self.last)
        return (
            call.path == self.path
            and (number in self.at if self.at else counted and (number - self.first) % self.every == 0)
            and (self.model is None or self.model in call.models)
            and (self.account is None or self.account == call.account)
            and _reached(self.after, call)
            and (self.until is None or not _reached(self.until, call))
        )

    def draw(self, call: Call, chance: random.Random) -> str | None:
        """The fault the request meets, if chance has it so."""
        if chance.random() >= self.probability:
            return None
        name = self.fault or chance.choices(list(self.mix), list(self.mix.values()))[0]
        return chance.choice(meant(name, call.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Rules in order; the first that meets a request decides."""

    rules: tuple[FaultRule, ...]

    def choose(self, call: Call, *, seed: int) -> str | None:
        """The fault a request meets. Depends on nothing but the arguments."""
        for place, rule in enumerate(self.rules):
            if rule.meets(call):
                drawn = f"{seed if rule.seed is None else rule.seed}/{place}/{call.number}"
                drawn += f"/{call.place}" if call.place else ""
                if (fault := rule.draw(call, random.Random(drawn))) is not None:  # noqa: S311  a draw that repeats is the point
                    return fault
        return None


def meant(name: str, path: str) -> tuple[str, ...]:
    """The faults a name stands for on a path; none: there is none, or it is about answers and here are none."""
    if name in TELLINGS.get(path, ()):
        return (name,)
    named = faults_of(name.removeprefix("class:")) if name.startswith("class:") else (name,)
    return tuple(one for one in named if one in FAULTS and (path == COMPLETIONS or not _alters(one)))


def _alters(name: str) -> bool:
    return isinstance(FAULTS[name].act, Alters)


def _reached(seconds: float, call: Call) -> bool:
    return (call.at if seconds >= EPOCH_FROM else call.elapsed) >= seconds
