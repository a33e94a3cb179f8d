"""Every event and error in words: data and a `Tongue` in, text out.

Each adapter shows these texts in its own dress, so that Potluck says the same thing the same way everywhere.
An error is told as what happened, why, when it works again and what can be done now. Times come in as text
where the platform writes them itself (Discord's `<t:…>`), or are made here by `at` for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_CEILING, Decimal

from adapters.rendering import puzzles
from adapters.rendering.failures import ERRORS, SHUT, SHUT_OTHERWISE, Charge
from adapters.rendering.files import FAULTS, Fault
from adapters.rendering.reasons import NOT_ALLOWED, REASONS, Reason
from adapters.rendering.saying import ENGLISH, Tongue
from bot.clock import Instant
from bot.commands.saying import Say, say, says
from bot.errors import AttachmentFault, ErrorCode, FailureReason, NotAllowed, PaidOffer
from bot.messages import Lane, NoticeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An error in words: a headline that can stand alone, and what else there is to know."""

    headline: str
    detail: str

    def __str__(self) -> str:
        return f"{self.headline} {self.detail}".rstrip()


NOTICES: Mapping[NoticeKind, tuple[Say | None, Say]] = {
    "history_shortened": (
        says(
            "This conversation has grown long: {count} message from its beginning was left out.",
            "This conversation has grown long: {count} messages from its beginning were left out.",
            0,
        ),
        say("This conversation has grown long: its beginning was left out."),
    ),
    "messages_gathered": (
        says(
            "{count} message is answered together with others, as one request.",
            "{count} messages are answered together, as one request.",
            0,
        ),
        say("What you write before the answer begins is answered together, as one request."),
    ),
    "images_dropped": (
        says(
            "{count} image could not be shown to the model: it reads only text.",
            "{count} images could not be shown to the model: it reads only text.",
            0,
        ),
        say("Images could not be shown to the model: it reads only text."),
    ),
    "attachment_shortened": (
        says(
            "A file was too long to be read whole: the model was shown the beginning.",
            "{count} files were too long to be read whole: the model was shown the beginning.",
            0,
        ),
        say("A file was too long to be read whole: the model was shown its beginning."),
    ),
    "second_attempt": (
        None,
        say("The first try failed, so this is another one. It takes nothing more from your share."),
    ),
    "model_gone": (None, say("The model you chose is no longer offered; another one answers.")),
    "model_closed": (None, say("The model you chose is not open to you here; another one answers.")),
    "free_models_may_train": (
        None,
        say("Free models may store what you write and learn from it: leave out anything private."),
    ),
    "overtaken": (None, say("The conversation went on while this waited: it answers your earlier message.")),
}
"""With the count where there is one to tell, and without."""

LANES: Mapping[Lane, Say] = {"free": say("free"), "paid": say("paid"), "own_key": say("your own key")}
SECONDS = says("{count} second", "{count} seconds", 0)
MINUTES = says("{count} minute", "{count} minutes", 0)
HOURS = says("{count} hour", "{count} hours", 0)
DAYS = says("{count} day", "{count} days", 0)


def explain(
    code: ErrorCode,
    *,
    again: str | None = None,
    limit: int | None = None,
    partial: bool = False,
    may_hold: bool = False,
    reason: FailureReason | None = None,
    shut_for: str | None = None,
    why_not: NotAllowed | None = None,
    offer: PaidOffer | None = None,
    file_fault: AttachmentFault | None = None,
    file_name: str = "",
    tongue: Tongue = ENGLISH,
) -> Explained:
    """An error in words.

    `again` is when the same message would work, such as "tomorrow at 02:00"; `limit` the number that was passed;
    `partial` says that some text was shown; `may_hold` that the question may wait for room instead. `reason` is
    what is known beyond the code, `shut_for` why the pool is shut, which is what pauses it then. `why_not` is why a
    model may not be had, and `offer` what the member may have for money instead. `file_fault` is why a file cannot be
    used and `file_name` which, as text that is safe where it is shown: it was written by a person.
    """
    entry = ERRORS[code]
    headline, why, own_advice = entry.what, entry.why, entry.advice
    known: Reason | Fault | None = REASONS[reason] if reason else None
    if shut_for is not None and code == "pool_paused":
        known = SHUT.get(shut_for, SHUT_OTHERWISE)
    if why_not is not None and code == "model_not_allowed":
        known = NOT_ALLOWED[why_not]
    if file_fault is not None:
        known = FAULTS[file_fault]
    if known is not None:
        headline, why, own_advice = known.what, known.why, known.advice
    elif limit is not None and entry.numbered is not None:
        headline = entry.numbered.counting(limit)
    if (puzzle := puzzles.explained(code, reason, why_not)) is not None:
        why = puzzle[1]
    may_wait = say("Or let this question wait: it is answered as soon as there is room.")
    parts = (
        why,
        entry.again.given(again=again) if again else None,
        _charged(entry.charge, partial),
        may_wait if may_hold else own_advice,
        None if offer is None else _offered(offer, tongue),
    )
    return Explained(
        headline=tongue.say(headline.given(**_figures(limit or 0), file=_file(file_name))),
        detail=" ".join(tongue.say(part) for part in parts if part is not None),
    )


def _figures(limit: int) -> Mapping[str, int]:
    """What was passed, in the units the sentences speak of."""
    return {
        "limit": limit,
        "words": max(1, limit * 3 // 4),
        "megabytes": limit >> 20,
        "millions": limit // 1_000_000,
    }


def _file(name: str) -> Say:
    return say("“{name}”", name=name) if name else say("That file")


def _offered(offer: PaidOffer, tongue: Tongue) -> Say:
    most = dollars(offer.most, tongue=tongue)
    return say("Or ask {model} at once: it costs {most} at most.", model=offer.model, most=most)


def _charged(charge: Charge, partial: bool) -> Say | None:
    if partial:
        kept, counts = say("What has come so far stays."), say("What has come so far stays, and counts.")
        return counts if charge == "shown" else kept
    return say("Nothing was taken from your share.") if charge in ("none", "shown") else None


def pool_state(shut_for: str | None, again: str | None, *, tongue: Tongue = ENGLISH) -> str:
    """Why the pool sends nothing just now, in one sentence; empty while it does. `again` is when a pause ends."""
    if shut_for is not None:
        return tongue.say(SHUT.get(shut_for, SHUT_OTHERWISE).what)
    return tongue.say(say("The pool takes a break and goes on {again}.", again=again)) if again else ""


def notice(kind: NoticeKind, count: int = 0, *, tongue: Tongue = ENGLISH) -> str:
    """A notice in words; `count` as in `bot.messages.Notice`, 0 where it is not known."""
    counted, uncounted = NOTICES[kind]
    if counted is None or count < (2 if kind == "messages_gathered" else 1):
        return tongue.say(uncounted)
    return tongue.say(counted.counting(count))


def queued(place: int, estimate: float | None, *, tongue: Tongue = ENGLISH) -> str:
    """Where a question stands in line; `estimate` in seconds."""
    if estimate is None:
        next_one, later = say("You are next in line."), say("You are number {place} in line.", place=place)
    else:
        about = wait(estimate, tongue=tongue)
        next_one = say("You are next in line: {wait}.", wait=about)
        later = say("You are number {place} in line: {wait}.", place=place, wait=about)
    return tongue.say(next_one if place <= 1 else later)


def held(estimate: str | None, *, tongue: Tongue = ENGLISH) -> str:
    """A question that waits for room in the day; `estimate` as text, such as "at 18:05"."""
    if not estimate:
        return tongue.say(
            say("Your question is kept. It is answered as soon as there is room; it costs nothing until then.")
        )
    return tongue.say(
        say(
            "Your question is kept. It is answered as soon as there is room, {estimate} at the earliest; it costs "
            "nothing until then.",
            estimate=estimate,
        )
    )


def lane(lane: Lane, *, tongue: Tongue = ENGLISH) -> str:
    """How a request is paid for."""
    return tongue.say(LANES[lane])


def share(
    used: int,
    level: float,
    left_now: int,
    left_sure: int = 0,
    until: str | None = None,
    *,
    tongue: Tongue = ENGLISH,
) -> str:
    """What a member has taken and may still take: "3 of today's 50 used · 47 left"."""
    most = math.floor(level)
    if not used and not most:
        taken = say("nothing used yet")
    elif used <= most:
        taken = say("{used} of today's {most} used", used=used, most=most)
    else:
        taken = say("{used} used today", used=used)
    none = say("none left for now") if used else say("none left for now, more may come later")
    parts = [taken, say("{left} left", left=left_now) if left_now else none]
    if left_sure and until:
        parts.append(say("{count} kept for you until {until}", count=left_sure, until=until))
    elif left_sure:
        parts.append(say("{count} kept for you", count=left_sure))
    return " · ".join(map(tongue.say, parts))


def wait(seconds: float, *, tongue: Tongue = ENGLISH) -> str:
    """A wait that is only estimated: "a few seconds", "about 40 seconds", "about 3 minutes"."""
    if seconds < 5:
        return tongue.say(say("a few seconds"))
    return tongue.say(say("about {duration}", duration=_lasting(seconds)))


def duration(seconds: float, *, tongue: Tongue = ENGLISH) -> str:
    """A length of time in one unit, rounded as one would say it."""
    return tongue.say(_lasting(seconds))


def _lasting(seconds: float) -> Say:
    if seconds < 1:
        return say("a moment")
    if seconds <= 55:
        return SECONDS.counting(math.ceil(seconds) if seconds < 20 else 5 * math.ceil(seconds / 5))
    for length, most, unit in ((60, 60, MINUTES), (3600, 36, HOURS)):
        if (count := math.ceil(seconds / length - 0.25)) < most:
            return unit.counting(max(1, count))
    return DAYS.counting(round(seconds / 86_400))


def at(moment: Instant, now: Instant, zone: tzinfo = UTC, *, tongue: Tongue = ENGLISH) -> str:
    """A moment as a person in `zone` would name it: "at 18:05", "tomorrow at 02:00", "on 3 March at 00:00".

    Rounded up to the minute: whoever comes back then is not early.
    """
    then, today = datetime.fromtimestamp(60 * math.ceil(moment / 60), zone), datetime.fromtimestamp(now, zone)
    clock = f"{then:%H:%M}" + (" UTC" if zone is UTC else "")
    match (then.date() - today.date()).days:
        case 0:
            return tongue.say(say("at {clock}", clock=clock))
        case 1:
            return tongue.say(say("tomorrow at {clock}", clock=clock))
        case _:
            day = tongue.day(then.date(), year=False)
            return tongue.say(say("on {day} at {clock}", day=day, clock=clock))


def dollars(amount: Decimal, *, tongue: Tongue = ENGLISH) -> str:
    """A sum as people say it, never rounded down: "$0.06"; of less than a cent two digits that count."""
    cent = Decimal("0.01")
    places = cent if amount >= cent or not amount else Decimal(1).scaleb(amount.adjusted() - 1)
    return tongue.dollars(amount.quantize(places, rounding=ROUND_CEILING))
