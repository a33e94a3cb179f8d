"""What can be wrong with what an account is told of itself: one answer of a GET made into another.

Beside these a GET can meet any fault that refuses or breaks; see `faults.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from bot.openrouter.sandbox.catalogue import FREE_ROUTER, Json

Telling: TypeAlias = Callable[[Json], Json]


def _data(change: Callable[[Json], Json]) -> Telling:
    """A change to what stands under `data`."""
    return lambda body: body | {"data": change(body["data"])}


def _count(change: Callable[[int, int], tuple[int, int]]) -> Telling:
    """A change to the day's `used` and `limit`."""

    def changed(data: Json) -> Json:
        day = data["free_model_daily_requests"]
        used, limit = change(day["used"], day["limit"])
        told = {"used": used, "limit": limit, "remaining": max(0, limit - used)}
        return data | {"free_model_daily_requests": told}

    return _data(changed)


def _without(*names: str) -> Telling:
    return _data(lambda data: {name: value for name, value in data.items() if name not in names})


def _negative(data: Json) -> Json:
    return data | {"total_usage": data["total_credits"] + 1.25}


def _as_strings(data: Json) -> Json:
    day = {name: str(value) for name, value in data["free_model_daily_requests"].items()}
    return data | {"free_model_daily_requests": day, "usage": str(data["usage"])}


def _paid_only(body: Json) -> Json:
    data = [entry for entry in body["data"] if not (entry["id"].endswith(":free") or entry["id"] == FREE_ROUTER)]
    return body | {"data": data, "total_count": len(data)}


def _empty(body: Json) -> Json:
    return body | {"data": [], "total_count": 0}


TELLINGS: Mapping[str, Mapping[str, Telling]] = MappingProxyType(
    {
        "/key": {
            "key_2025": _without("free_model_daily_requests", "budgets", "effective_budget", "limit_reset"),
            "key_spent": _count(lambda _, limit: (limit, limit)),
            "key_overspent": _count(lambda _, limit: (limit + 60, limit)),
            "key_used_elsewhere": _count(lambda used, limit: (used + 10, limit)),
            "key_forgetful": _count(lambda _, limit: (0, limit)),
            "key_upgraded": _count(lambda used, _: (used, 1000)),
            "key_strings": _data(_as_strings),
            "key_nulls": _data(dict.fromkeys),
            "key_empty": lambda _: {"data": {}},
        },
        "/credits": {"credits_negative": _data(_negative), "credits_empty": lambda _: {"data": {}}},
        "/models": {"no_models": _empty, "no_free_models": _paid_only},
        "/models/user": {"no_models": _empty, "no_free_models": _paid_only},
    }
)
"""By path and name."""
