"""From what was typed or picked to a checked value, or one sentence with the fix. Pure, but for today's date."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from typing import assert_never

from pydantic import SecretStr

from bot.clock import DAY, Instant, day_of, day_start
from bot.commands.command import BadInput, Call, Checked, Everyone, Given, InGroup, InRole, Parameter
from bot.commands.saying import Code, say
from bot.messages import Member

TEXT_MAX = 4000
"""Characters of a text whose parameter names no other bound."""
_WHOLE = re.compile(r"[+-]?\d{1,12}")
_LATER = re.compile(r"(\d{1,4})\s*(m|h|d|w)")
_SECONDS = {"m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_YES = frozenset({"yes", "y", "true", "on", "1"})
_NO = frozenset({"no", "n", "false", "off", "0"})
_ZONE = "UTC"
_PLACES = 12
"""Places after the point that money is counted in."""


def check(parameter: Parameter, given: Given, call: Call) -> Checked:
    """The value of a parameter.

    Raises:
        BadInput: it cannot be.
    """
    match parameter.kind:
        case "text" | "long_text" | "channel":
            return _text(parameter, str(given))
        case "model":
            return _text(parameter, str(given)).strip()
        case "secret":
            return SecretStr(str(given).strip())
        case "whole":
            return _whole(parameter, given)
        case "number":
            return _number(parameter, given)
        case "usd":
            return _usd(parameter, given)
        case "flag":
            return _flag(parameter, given)
        case "member":
            if isinstance(given, Member):
                return given
            return _member(parameter, str(given), call)
        case "grantee":
            if isinstance(given, Member | InRole | InGroup | Everyone):
                return given
            return _grantee(parameter, str(given), call)
        case "moment":
            return _moment(parameter, str(given), call)
        case _:
            assert_never(parameter.kind)


def _text(parameter: Parameter, given: str) -> str:
    text = given.replace("\0", "")
    if parameter.choices:
        chosen = next((one for one in parameter.choices if one.lower() == text.strip().lower()), None)
        if chosen is None:
            choices = ", ".join(parameter.choices)
            raise BadInput(say("{name} is one of {choices}.", name=Code(parameter.name), choices=choices))
        return chosen
    most = int(parameter.most or TEXT_MAX)
    if len(text) > most:
        raise BadInput(say("{name} has at most {most} characters.", name=Code(parameter.name), most=most))
    if len(text.strip()) < (parameter.least or 1):
        raise BadInput(say("{name} is empty.", name=Code(parameter.name)))
    return text


def _whole(parameter: Parameter, given: Given) -> int:
    text = str(given).strip().replace(",", "").replace("_", "")
    if isinstance(given, bool) or not _WHOLE.fullmatch(text):
        raise BadInput(
            say("{name} is a whole number, such as {such}.", name=Code(parameter.name), such=_such(parameter))
        )
    return int(_within(parameter, int(text)))


def _number(parameter: Parameter, given: Given) -> float:
    try:
        number = float(str(given).strip())
    except ValueError:
        number = math.nan
    if isinstance(given, bool) or not math.isfinite(number):
        raise BadInput(say("{name} is a number, such as {such}.", name=Code(parameter.name), such=_such(parameter)))
    return _within(parameter, number)


def _usd(parameter: Parameter, given: Given) -> Decimal:
    text = str(given).strip().removeprefix("$").removesuffix("USD").strip()
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    places = amount.as_tuple().exponent
    if not isinstance(places, int) or places < -_PLACES or "e" in text.lower():  # no int: it is no number
        raise BadInput(
            say("{name} is an amount in US dollars, such as {such}.", name=Code(parameter.name), such="2.50")
        )
    _within(parameter, float(amount))
    return amount


def _within(parameter: Parameter, number: float) -> float:
    least, most, name = parameter.least, parameter.most, Code(parameter.name)
    if (least is None or number >= least) and (most is None or number <= most):
        return number
    if least is not None and most is not None:
        raise BadInput(say("{name} is from {least} to {most}.", name=name, least=_plain(least), most=_plain(most)))
    if least is not None:
        raise BadInput(say("{name} is {least} or more.", name=name, least=_plain(least)))
    raise BadInput(say("{name} is {most} or less.", name=name, most=_plain(most or 0)))


def _plain(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _such(parameter: Parameter) -> int | float:
    """An example that would be taken."""
    return _plain(min(max(3, parameter.least or 0), parameter.most or math.inf))


def _flag(parameter: Parameter, given: Given) -> bool:
    text = str(given).strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise BadInput(say("{name} is yes or no.", name=Code(parameter.name)))


def _member(parameter: Parameter, text: str, call: Call) -> Member:
    text = text.strip()
    found = call.desk.find_member(text, call.caller)
    if found is not None:
        return found
    raise BadInput(
        say(
            "Nobody known here is called {text}. Pick a member from the list, or write their id such as {such}.",
            text=text,
            such=Code(call.caller.member.key),
        )
    )


def _grantee(parameter: Parameter, text: str, call: Call) -> Checked:
    kind, colon, rest = text.strip().partition(":")
    if text.strip().lower() in ("everyone", "community"):
        return Everyone()
    if colon and rest and kind == "role":
        return InRole(rest)
    if colon and rest and kind == "group":
        return InGroup(rest)
    return _member(parameter, text, call)


def _moment(parameter: Parameter, text: str, call: Call) -> float:
    """`2026-12-24`, `2026-12-24 18:00`, `18:00` (the next one), `90m`, `6h`, `3d`, `2w`. Dates and clocks are UTC."""
    now = call.desk.now()
    moment = _read_moment(text.strip().lower(), now)
    if moment is None:
        raise BadInput(
            say("{name} is a time such as {such} ({zone}).", name=Code(parameter.name), such=_examples(now), zone=_ZONE)
        )
    if moment <= now:
        raise BadInput(
            say("{name} is in the past. Use a time to come, such as {such}.", name=Code(parameter.name), such="6h")
        )
    return moment


def _read_moment(text: str, now: Instant) -> float | None:
    if later := _LATER.fullmatch(text):
        return now + int(later[1]) * _SECONDS[later[2]]
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dt%H:%M", "%Y-%m-%dt%H:%Mz", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        return None
    today = day_start(day_of(now)) + clock.hour * 3600 + clock.minute * 60
    return today if today > now else today + DAY


def _examples(now: Instant) -> str:
    tomorrow = datetime.fromtimestamp(now + DAY, UTC)
    return f"6h, 3d, 18:00, {tomorrow:%Y-%m-%d}, {tomorrow:%Y-%m-%d} 18:00"
