"""Terms in words: those that are set."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.clock import day_start
from bot.commands.changing import whom
from bot.commands.command import Everyone, InGroup, InRole
from bot.commands.saying import At, Say, Value, say, says
from bot.messages import Member
from bot.office.own_terms import OwnTerms
from bot.office.roster import EVERYONE
from bot.people import ERASED


def terms_said(own: OwnTerms, *, today: int | None = None) -> Say:
    """What is laid down for somebody. Days are named, but for `today`."""
    parts: list[Say] = []
    if own.weight is not None:
        parts.append(say("counts {times} times", times=own.weight))
    if own.every_day is not None:
        parts.append(says("{count} unit more every day", "{count} units more every day", own.every_day))
    for day, units in sorted(own.on_day.items()):
        if day == today:
            parts.append(says("{count} unit more today", "{count} units more today", units))
        elif today is None or day > today:
            date = f"{datetime.fromtimestamp(day_start(day), UTC):%Y-%m-%d}"
            parts.append(says("{count} unit more on {date}", "{count} units more on {date}", units, date=date))
    if own.block is not None:
        until = own.block.until
        parts.append(say("blocked") if until is None else say("blocked until {until}", until=At(until)))
    said = parts[0] if parts else say("nothing of their own")
    for part in parts[1:]:
        said = say("{one}, {other}", one=said, other=part)
    return said


def who(member: Member) -> Value:
    """How a member is named."""
    return say("somebody who has deleted their name") if member.platform == ERASED else member


def whose(kind: str, key: str) -> Value:
    """Whom the terms at an address are for."""
    if kind == "member":
        return who(Member.parse(key))
    if key == EVERYONE:
        return whom(Everyone())
    group, _, id = key.partition(":")
    return whom(InRole(id) if group == "role" else InGroup(id))
