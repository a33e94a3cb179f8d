"""A script of faults as a person writes it: a JSON file with a list of rules, each with the fields of `FaultRule`.

[{"fault": "provider_down", "every": 10},
 {"mix": {"class:upstream_model": 3, "stall": 1}, "probability": 0.1},
 {"fault": "key_used_elsewhere", "path": "/key", "after": 600}]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bot.openrouter.sandbox.script import FaultRule, Faults

_NUMBER: tuple[type, ...] = (int, float)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "fault": (str,),
    "mix": (dict,),
    "path": (str,),
    "at": (list,),
    "first": (int,),
    "last": (int, type(None)),
    "every": (int,),
    "after": _NUMBER,
    "until": (*_NUMBER, type(None)),
    "probability": _NUMBER,
    "model": (str, type(None)),
    "account": (str, type(None)),
    "seed": (int, type(None)),
}
_NAMES: Mapping[type, str] = {
    str: "a string",
    dict: "an object",
    list: "a list",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
assert set(_TYPES) == {field.name for field in fields(FaultRule)}


def load_faults(file: Path) -> Faults:
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
    except RecursionError:
        raise ValueError(f"{file.name}: nested too deeply") from None
    if not isinstance(rules, list):
        raise ValueError(f"{file.name}: expected a list of rules")  # noqa: TRY004  bad content, not a bad call
    return Faults(rules=tuple(_rule(value, f"{file.name}: rule {place}") for place, value in enumerate(rules, 1)))


def _rule(value: object, where: str) -> FaultRule:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object")  # noqa: TRY004  bad content, not a bad call
    for name, given in value.items():
        _check(name, given, where)
    given_at: list[Any] = value.get("at", [])
    try:
        return FaultRule(**value | {"at": tuple(given_at)})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check(name: str, given: object, where: str) -> None:
    """Raises: ValueError: there is no such field, or its value is of another type."""
    allowed = _TYPES.get(name)
    if allowed is None:
        raise ValueError(f"{where}: {name}: no such field; there are {', '.join(_TYPES)}")
    if not _is(given, allowed):
        wanted = [_NAMES[kind] for kind in allowed if not (kind is int and float in allowed)]
        raise ValueError(f"{where}: {name}: expected {' or '.join(wanted)}")
    if isinstance(given, list) and not all(_is(number, (int,)) for number in given):
        raise ValueError(f"{where}: {name}: expected whole numbers in the list")
    if isinstance(given, dict) and not all(_is(weight, _NUMBER) for weight in given.values()):
        raise ValueError(f"{where}: {name}: expected a number for each name")


def _is(given: object, allowed: tuple[type, ...]) -> bool:
    """Whether a value is of a type; true and false are no numbers here."""
    return isinstance(given, allowed) and not isinstance(given, bool)
