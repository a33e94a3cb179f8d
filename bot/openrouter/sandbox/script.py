"""Which request meets which fault: rules a test writes or a person loads from a JSON file.

A file is a list of rules, each an object with the fields of `FaultRule`:

    [{"fault": "provider_down", "every": 10},
     {"fault": "stall", "probability": 0.02, "model": "sandbox/harbor-24b:free"}]
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from bot.openrouter.sandbox.faults import FAULTS

COMPLETIONS = "/chat/completions"
PATHS = (COMPLETIONS, "/models", "/models/user", "/key", "/credits", "/generation")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """A fault and the requests that meet it. What is left out matches all."""

    fault: str
    path: str = COMPLETIONS
    first: int = 1
    """The first request that can meet it; requests are counted from 1, each path for itself."""
    last: int | None = None
    """The last one that can."""
    every: int = 1
    """From the first on: 1 each request, 2 every other one."""
    probability: float = 1.0
    """Of those, how many; drawn from the sandbox's seed and the request's number."""
    model: str | None = None
    """Only requests that ask for this model."""

    def __post_init__(self) -> None:
        """Raises: ValueError: names the field and what may stand there."""
        if self.fault not in FAULTS:
            raise ValueError(f"fault: {self.fault!r} is none of {', '.join(sorted(FAULTS))}")
        if self.path not in PATHS:
            raise ValueError(f"path: {self.path!r} is none of {', '.join(PATHS)}")
        if self.first < 1:
            raise ValueError(f"first: {self.first} is below 1")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last: {self.last} is before first, {self.first}")
        if self.every < 1:
            raise ValueError(f"every: {self.every} is below 1")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability: {self.probability} is not within 0 and 1")

    def meets(self, number: int, model: str | None) -> bool:
        """Whether the rule, chance aside, is about request `number`."""
        return (
            self.first <= number
            and (self.last is None or number <= self.last)
            and (number - self.first) % self.every == 0
            and self.model in (None, model)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Rules in order; the first that meets a request decides."""

    rules: tuple[FaultRule, ...]

    def choose(self, path: str, number: int, *, model: str | None, seed: int) -> str | None:
        """The fault for the `number`th request of a path. Depends on nothing but the arguments."""
        for place, rule in enumerate(self.rules):
            if rule.path == path and rule.meets(number, model):
                drawn = random.Random(f"{seed}/{place}/{number}").random()  # noqa: S311  a draw that repeats is the point
                if drawn < rule.probability:
                    return rule.fault
        return None

    @classmethod
    def load(cls, file: Path) -> Faults:
        """The rules in a JSON file.

        Raises:
            ValueError: not JSON (names the line), or not rules (names the rule and the field).
            OSError: cannot be read.
        """
        try:
            rules = json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{file.name}: line {error.lineno}, column {error.colno}: {error.msg}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{file.name}: not UTF-8") from None
        if not isinstance(rules, list):
            raise ValueError(f"{file.name}: expected a list of rules")  # noqa: TRY004  bad content, not a bad call
        return cls(rules=tuple(_rule(value, f"{file.name}: rule {place}") for place, value in enumerate(rules, 1)))


_TYPES: Mapping[str, tuple[type, ...]] = {
    "fault": (str,),
    "path": (str,),
    "first": (int,),
    "last": (int, type(None)),
    "every": (int,),
    "probability": (int, float),
    "model": (str, type(None)),
}


def _rule(value: object, where: str) -> FaultRule:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004  bad content, not a bad call
    for name, given in value.items():
        allowed = _TYPES.get(name)
        if allowed is None:
            raise ValueError(f"{where}: {name}: no such field; there are {', '.join(_TYPES)}")
        if not isinstance(given, allowed) or isinstance(given, bool):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise ValueError(f"{where}: {name}: expected {wanted}")  # noqa: TRY004  bad content, not a bad call
    for field in fields(FaultRule):
        if field.default is MISSING and field.name not in value:
            raise ValueError(f"{where}: {field.name}: missing")
    try:
        return FaultRule(**value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
