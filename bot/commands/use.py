"""Who used what, for those who manage a community: `admin top` with a picture, `admin export` as a table file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from bot.clock import day_of, day_start
from bot.commands.answer import Answer, Document, Line, Part, Table, UsePicture
from bot.commands.command import Call, Command, Parameter
from bot.commands.saying import At, Code, Say, Usd, say, says
from bot.commands.terms_said import who
from bot.messages import Member
from bot.people import ERASED
from bot.uses import Use

_SHOWN = 25
_DRAWN = 10
_MODELS = 10
_DAYS_MOST = 366
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a table program may take for a formula when a cell begins so."""


async def top(call: Call) -> Answer:
    days = call.whole("days", 1)
    last = day_of(call.desk.now())
    first = last - days + 1
    used = await call.desk.uses.top(call.community, first=first, last=last)
    models = await call.desk.uses.models(call.community, first=first, last=last)
    since = say("Since {at}, by UTC days.", at=At(day_start(first)))
    parts: list[Part] = [
        Line(since),
        Table(
            head=(say("Who"), say("Asked"), say("Taken"), say("Refused"), say("Paid")),
            rows=[(who(use.member), use.asked, use.taken, use.refused, Usd(use.usd)) for use in used[:_SHOWN]],
            none=say("Nobody has asked anything here in that time."),
        ),
    ]
    if len(used) > _SHOWN:
        more = len(used) - _SHOWN
        parts.append(
            Line(
                says(
                    "And {count} more: {export} has them all.",
                    "And {count} more: {export} has them all.",
                    more,
                    export=Code("/admin export"),
                )
            )
        )
    if models:
        rows = [(Code(model), answers) for model, answers in models.most_common(_MODELS)]
        parts.append(Table(head=(say("Model"), say("Answers")), rows=rows, none=say("No model has answered.")))
    if any(use.taken for use in used):
        parts.append(_picture(used, since))
    return Answer(parts)


def _picture(used: Sequence[Use], since: Say) -> UsePicture:
    drawn = [use for use in used[:_DRAWN] if use.taken]
    alt: Say = _one(drawn[0])
    for use in drawn[1:]:
        alt = say("{before}; {next}", before=alt, next=_one(use))
    return UsePicture(rows=[(who(use.member), use.taken) for use in drawn], about=since, alt=alt)


def _one(use: Use) -> Say:
    return says("{who}: {count} request", "{who}: {count} requests", use.taken, who=who(use.member))


async def export(call: Call) -> Answer:
    days = call.whole("days", 30)
    last = day_of(call.desk.now())
    used = await call.desk.uses.daily(call.community, first=last - days + 1, last=last)
    content = _csv(
        ("day", "member", "asked", "taken", "refused", "paid_questions", "paid_usd"),
        (
            (_date(use.day), _key(use.member), use.asked, use.taken, use.refused, use.paid, f"{use.usd:f}")
            for use in used
        ),
    )
    today = datetime.fromtimestamp(call.desk.now(), UTC)
    return Answer(
        [
            Line(
                says(
                    "{count} row: what each member asked, took and paid on each UTC day.",
                    "{count} rows: what each member asked, took and paid on each UTC day.",
                    len(used),
                )
            ),
            Document(name=f"potluck-use-{today:%Y-%m-%d}.csv", media_type="text/csv", content=content),
        ]
    )


def _key(member: Member) -> str:
    return "" if member.platform == ERASED else member.key


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as CSV (RFC 4180) that does nothing where it is opened."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(head)
    writer.writerows([_inert(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def _inert(cell: object) -> object:
    """A text that begins like a formula begins with an apostrophe, which table programs do not show."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


COMMANDS = (
    Command(
        path=("admin", "top"),
        about=say("Who used how much here, most first"),
        handler=top,
        parameters=(
            Parameter(
                name="days",
                kind="whole",
                about=say("How many days back, today included; 1 if you say nothing"),
                required=False,
                least=1,
                most=_DAYS_MOST,
            ),
        ),
        rank="admin",
    ),
    Command(
        path=("admin", "export"),
        about=say("What each member used on each day, as a CSV file"),
        handler=export,
        parameters=(
            Parameter(
                name="days",
                kind="whole",
                about=say("How many days back, today included; 30 if you say nothing"),
                required=False,
                least=1,
                most=_DAYS_MOST,
            ),
        ),
        rank="admin",
    ),
)
