"""Loose JSON: documents of any shape, and what stands in them, read as values of one shape.

Providers, proxies and two years of API versions write numbers as strings, objects as null and lists as
objects. Everything that looks inside such a document goes through here, so that a strange field is a
missing field and never an exception from the middle of a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from bot.clock import Instant

COUNT_MAX = 1_000_000_000
"""No honest count of tokens or requests is larger; it also fits a 32-bit column."""
USD_MIN = Decimal("1e-12")
"""What a smaller cost counts as: still no zero, and a number that can be written out."""
BALANCE_MAX = Decimal(1_000_000_000)
"""USD. What an account has or owes is no more; a larger number could not be calculated with."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


class Unreadable(Exception):
    """A document that is no JSON, or not the one that was asked for. Holds nothing of it."""


def parse(data: bytes) -> object:
    """The JSON document, whatever it is. Bytes that are no UTF-8 become U+FFFD: one torn letter is no failure.

    Raises:
        Unreadable: it is none, or too deep to be read.
    """
    try:
        return json.loads(data.decode(errors="replace").strip("\ufeff \t\r\n"))
    except (ValueError, RecursionError):
        raise Unreadable from None


def mapping(value: object) -> Mapping[str, object]:
    """An object's members; none for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def first(value: object) -> Mapping[str, object]:
    """The first element of a list, as `mapping`."""
    return mapping(value[0]) if isinstance(value, list) and value else _NOTHING


def text(value: object) -> str:
    """A string, or the texts of a list of content parts; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part for item in value if isinstance(part := mapping(item).get("text"), str))
    return ""


def encodable(string: str) -> str:
    """The string with lone surrogates, which JSON can carry and UTF-8 cannot, replaced by U+FFFD."""
    try:
        string.encode()
    except UnicodeEncodeError:
        return string.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return string


def number(value: object) -> Decimal | None:
    """A finite number, also written as a string; None for anything else.

    Floats go through their shortest text, so 0.1 is 0.1 and not the binary fraction next to it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def count(value: object) -> int | None:
    """A whole number from 0 to `COUNT_MAX`, clamped into it; None for what is no number."""
    parsed = number(value)
    return None if parsed is None else int(min(max(parsed, Decimal(0)), Decimal(COUNT_MAX)))


def money(value: object) -> Decimal | None:
    """USD, also below zero, clamped to `BALANCE_MAX` either way; None for what is no number."""
    parsed = number(value)
    if parsed is None or parsed.copy_abs() < USD_MIN:  # abs() would round, and overflow
        return None if parsed is None else Decimal(0)
    return min(max(parsed, -BALANCE_MAX), BALANCE_MAX)


def moment(value: object) -> Instant | None:
    """An ISO 8601 date or time, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return Instant((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
