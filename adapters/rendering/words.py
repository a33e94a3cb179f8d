"""English for every event and error: data in, text out.

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
from typing import Literal, TypeAlias

from adapters.rendering import puzzles
from adapters.rendering.files import FAULTS
from bot.clock import Instant
from bot.errors import AttachmentFault, ErrorCode, FailureReason, NotAllowed, PaidOffer
from bot.messages import Lane, NoticeKind

Charge: TypeAlias = Literal["none", "shown", "sent", "untold"]
"""Whether an ending counts against the member's share: never, if text was shown, always, or not ours to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An error in words: a headline that can stand alone, and what else there is to know."""

    headline: str
    detail: str

    def __str__(self) -> str:
        return f"{self.headline} {self.detail}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    what: str
    advice: str
    numbered: str = ""
    """Said instead of `what` where the limit is known: `{limit}`, or `{words}` for a limit in tokens."""
    why: str = ""
    again: str = "It works again {again}."
    charge: Charge = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    """Said instead of an error's own words where more is known than its code."""

    what: str
    advice: str
    why: str = ""


_ERRORS: Mapping[ErrorCode, _Entry] = {
    "daily_share_spent": _Entry(
        what="You have had your share of today's pool, as things stand.",
        why="It grows during the day when others leave theirs unused.",
        again="Everyone starts afresh {again}.",
        advice="Try again later today.",
        charge="untold",
    ),
    "pool_spent": _Entry(
        what="Today's pool is empty.",
        numbered="Today's pool is empty: all {limit} free requests have been used.",
        why="Everyone here shares the free requests of one OpenRouter account.",
        again="It is full again {again}.",
        advice="Please come back then.",
        charge="untold",
    ),
    "line_full": _Entry(
        what="The line is full.",
        numbered="The line is full: {limit} questions are waiting already.",
        advice="Try again in a minute or two.",
    ),
    "wait_too_long": _Entry(
        what="Your question waited too long and has left the line.",
        why="Many are asking at once, and only so many requests may start each minute.",
        advice="Try again in a few minutes.",
    ),
    "pool_paused": _Entry(
        what="The pool is taking a break.",
        why="OpenRouter asked for it, or an admin did.",
        again="It goes on {again}.",
        advice="Try again after the break.",
    ),
    "member_blocked": _Entry(
        what="You cannot ask here at the moment.",
        why="An admin has switched it off for you.",
        again="You can ask again {again}.",
        advice="Please ask an admin about it.",
    ),
    "channel_closed": _Entry(
        what="Questions are not answered in this channel.",
        why="Those who manage this community have closed it to them.",
        advice="Ask in another channel, or in private.",
    ),
    "model_not_allowed": _Entry(
        what="That model is not open to you here.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "budget_spent": _Entry(
        what="The budget for paid answers is used up.",
        again="There is a new one {again}.",
        advice="Free models still answer: ask again without a paid one.",
    ),
    "moderated": _Entry(
        what="The model's provider declined this question.",
        why="Its safety check stopped it after it was sent, so it counts as one request.",
        advice="Put it another way, or ask something else.",
        charge="sent",
    ),
    "no_route": _Entry(
        what="No model can take this question right now.",
        advice="Try again in a few minutes, or choose another model.",
        charge="shown",
    ),
    "upstream_busy": _Entry(
        what="The free models are very busy right now.",
        why="People everywhere use them, not only this group.",
        advice="Try again in a minute.",
        charge="shown",
    ),
    "upstream_failed": _Entry(
        what="The model could not finish its answer.",
        why="The connection to it, or the model itself, failed.",
        advice="Try again; another model may do better.",
        charge="shown",
    ),
    "empty_answer": _Entry(
        what="The model answered with nothing at all.",
        advice="Try again, perhaps in other words.",
        charge="shown",
    ),
    "out_of_credit": _Entry(
        what="The OpenRouter account is out of credit.",
        why="It answers nothing while it owes money, free models included.",
        advice="Whoever pays for the account has to add credit first.",
        charge="shown",
    ),
    "bad_key": _Entry(
        what="OpenRouter does not accept the key in use.",
        advice="Whoever the key belongs to has to replace it; until then nothing can be sent with it.",
        charge="shown",
    ),
    "too_long": _Entry(
        what="That is too long for the models here.",
        numbered="That is too long: about {words} words fit.",
        advice="Shorten it, or ask in several steps.",
        charge="untold",
    ),
    "attachment_refused": _Entry(
        what="What came with the message cannot be used.",
        why="It is too large, or of a kind the models here cannot read.",
        advice="Paste what matters into the message instead.",
    ),
    "stopped": _Entry(what="Stopped.", advice="", charge="untold"),
    "hold_expired": _Entry(
        what="There was no room for your question while it was kept waiting.",
        again="Everyone starts afresh {again}.",
        advice="Please ask it again.",
    ),
    "internal": _Entry(
        what="Something went wrong inside Potluck.",
        why="It was nothing you did.",
        advice="Try again; if it stays, tell whoever runs this Potluck.",
        charge="untold",
    ),
}

_REASONS: Mapping[FailureReason, _Reason] = {
    "data_policy": _Reason(
        what="No free model may take questions from this account yet.",
        why="Its privacy settings at OpenRouter shut them out.",
        advice="Whoever runs this Potluck has to change them.",
    ),
    "model_gone": _Reason(
        what="That model is no longer offered.",
        why="Free models come and go.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "model_busy": _Reason(
        what="That model has no room right now.",
        advice="Let Potluck choose another one, or try again in a few minutes.",
    ),
    "images": _Reason(
        what="No model that is free now can look at images.",
        advice="Say in words what matters in the image, and ask again without it.",
    ),
    "tools": _Reason(
        what="No model that is free now can do that.",
        why="It needs abilities only some models have.",
        advice="Choose another model, or let Potluck choose.",
    ),
    "context": _Reason(
        what="This conversation has grown too long for the models that are free now.",
        advice="Start over, or ask a shorter question.",
    ),
    "region": _Reason(
        what="That model is not offered in this part of the world.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "price": _Reason(
        what="That model is not free at the moment.",
        why="Potluck sends nothing that could cost money.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "key_limit": _Reason(
        what="The key in use has reached its spending limit.",
        why="Its owner has set one at OpenRouter.",
        advice="Whoever the key belongs to has to raise it.",
    ),
    "negative_balance": _Reason(
        what="The OpenRouter account owes money.",
        why="Until that is paid it answers nothing, free models included.",
        advice="Whoever pays for the account has to add credit first.",
    ),
    "in_flight": _Reason(
        what="Too much is being answered at once for the account's credit.",
        why="Each answer reserves some of it until it is finished.",
        advice="Try again in a minute.",
    ),
    "guardrail": _Reason(
        what="A rule of the OpenRouter account does not allow this question.",
        advice="Put it another way, or ask whoever runs this Potluck about the rule.",
    ),
    "moderation": _Reason(
        what="A safety check declined this question.",
        why="It had been sent by then, so it counts as one request.",
        advice="Put it another way, or ask something else.",
    ),
    "content_filter": _Reason(
        what="The model's provider stopped this answer.",
        why="Its filter found something in it that it does not let through.",
        advice="Put it another way, or ask something else.",
    ),
    "timeout": _Reason(
        what="The model took too long.",
        why="Free models are slow when many use them.",
        advice="Try again, perhaps with a shorter question.",
    ),
    "provider_down": _Reason(
        what="The model is out of order right now.",
        why="Whoever runs it has a fault.",
        advice="Try again in a few minutes, or choose another model.",
    ),
    "platform": _Reason(
        what="OpenRouter asks everyone to slow down.",
        advice="Try again in a minute.",
    ),
    "edge": _Reason(
        what="OpenRouter could not be reached properly.",
        why="Something on the way there answered in its place.",
        advice="Try again in a minute; if it stays, tell whoever runs this Potluck.",
    ),
    "unreachable": _Reason(
        what="OpenRouter cannot be reached from here.",
        why="The network is down, or OpenRouter is.",
        advice="Try again in a minute; if it stays, tell whoever runs this Potluck.",
    ),
    "cut_off": _Reason(
        what="The answer broke off on its way here.",
        why="The connection to the model was lost.",
        advice="Ask again if you need the rest; Potluck does not start over by itself.",
    ),
    "error_in_stream": _Reason(
        what="The model broke down while it was writing.",
        advice="Ask again if you need the rest; another model may do better.",
    ),
    "endless": _Reason(
        what="The model would not stop writing, so Potluck stopped it.",
        advice="Ask for something shorter, or choose another model.",
    ),
    "classifier": _Reason(
        what="The question reached a model that sorts questions and does not answer them.",
        why="OpenRouter chose it by chance.",
        advice="Try again: another one will be chosen.",
    ),
    "reasoning_only": _Reason(
        what="The model thought until its time was up, and wrote nothing.",
        advice="Try again, perhaps with a simpler question.",
    ),
    "length": _Reason(
        what="The answer grew as long as answers may be here.",
        advice="Ask it to go on, or to be brief.",
    ),
    "bad_request": _Reason(
        what="OpenRouter could not make sense of what Potluck sent.",
        why="That is a fault of Potluck's, not yours.",
        advice="Try again in other words; if it stays, tell whoever runs this Potluck.",
    ),
    "bad_image": _Reason(
        what="The model could not open the image.",
        why="It is damaged inside, too large or too small for it, or of a kind this model does not read.",
        advice="Save it anew as a PNG or JPEG of ordinary size, or ask again without it.",
    ),
    "pasted_key": _Reason(
        what="That message holds an OpenRouter key, so it was neither kept nor sent on.",
        why="Others may have seen it here.",
        advice="Delete it in your key settings at OpenRouter now, then link your account in private instead.",
    ),
    "own_key_refused": _Reason(
        what="OpenRouter no longer accepts the key of your own account.",
        why="It was deleted, has run out, or cannot be read here any more.",
        advice="Remove it to go back to the pool, or link your account again.",
    ),
    "own_key_day": _Reason(
        what="Your own account has used up its free requests of the day.",
        advice="Wait until then, or remove your key to go back to the pool.",
    ),
    "own_key_minute": _Reason(
        what="Your own account has used up its free requests of the minute.",
        advice="Try again in a minute.",
    ),
    "own_key_credit": _Reason(
        what="Your own account has no credit left for this, or its key has reached its limit.",
        why="It is your account at OpenRouter that says so, not the pool.",
        advice="Add credit or raise the limit there, or remove your key to go back to the pool.",
    ),
    "own_key_privacy": _Reason(
        what="The privacy settings of your own account shut out the models this needs.",
        advice="Change them at OpenRouter, or remove your key to go back to the pool.",
    ),
}

_NOT_ALLOWED: Mapping[NotAllowed, _Reason] = {
    "nobody": _Reason(
        what="That model costs money, and nobody has opened it to you.",
        advice="Ask an admin for it, or choose a free one.",
    ),
    "denied": _Reason(
        what="An admin has closed that model to you.",
        advice="Please ask them about it, or choose another one.",
    ),
    "wide": _Reason(
        what="That model is open to full members here, not to guests.",
        advice="Ask an admin to open it to you by name, or choose a free one.",
    ),
    "ended": _Reason(
        what="That model was open to you, but no longer is.",
        why="What an admin had allowed has run out.",
        advice="Ask them for more, or choose a free one.",
    ),
    "model": _Reason(
        what="That model is not among those that are open to you.",
        advice="Choose another one, or ask an admin for it.",
    ),
    "price": _Reason(
        what="That model costs more than is open to you.",
        advice="Choose a cheaper one, or ask an admin for it.",
    ),
    "needs_ceiling": _Reason(
        what="That name stands for whatever model is picked for it, at any price.",
        why="It is open only to those for whom an admin has set a highest price.",
        advice="Choose one model by its name.",
    ),
    "unpriced": _Reason(
        what="What that model costs cannot be told, so it is open to nobody.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "hidden": _Reason(
        what="That model is not on this community's list.",
        why="Those who manage the community have taken it off.",
        advice="Choose another one, or let Potluck choose.",
    ),
    "unknown": _Reason(
        what="There is no model of that name to be had here.",
        advice="Choose another one, or let Potluck choose.",
    ),
}

_SHUT: Mapping[str, _Reason] = {
    "bad_key": _Reason(
        what="The pool is shut: OpenRouter does not accept its key.",
        advice="Whoever linked it has to replace it.",
    ),
    "out_of_credit": _Reason(
        what="The pool is shut: the OpenRouter account owes money.",
        why="Until that is paid it answers nothing, free models included.",
        advice="It opens again by itself once credit has been added.",
    ),
    "no_free_models": _Reason(
        what="The pool is shut: no free model is open to it right now.",
        advice="It opens again by itself as soon as one is.",
    ),
    "cost_seen": _Reason(
        what="The pool is shut: a free answer was charged for.",
        why="Potluck spends no money without being told to.",
        advice="Whoever runs this Potluck has to look at it first.",
    ),
    "guard": _Reason(
        what="The pool is shut: a question was about to leave that might have cost money.",
        why="Potluck spends no money without being told to.",
        advice="Whoever runs this Potluck has to look at it first.",
    ),
    "admin": _Reason(
        what="The pool is shut: an admin has switched it off.",
        advice="Please ask an admin about it.",
    ),
}
_SHUT_OTHERWISE = _Reason(what="The pool is shut.", advice="Whoever runs this Potluck has to look at it first.")

_NOTICES: Mapping[NoticeKind, tuple[str, str]] = {
    "history_shortened": (
        "This conversation has grown long: {turns} from its beginning were left out.",
        "This conversation has grown long: its beginning was left out.",
    ),
    "messages_gathered": (
        "{messages} are answered together, as one request.",
        "What you write before the answer begins is answered together, as one request.",
    ),
    "images_dropped": (
        "{images} could not be shown to the model: it reads only text.",
        "Images could not be shown to the model: it reads only text.",
    ),
    "attachment_shortened": (
        "{files} too long to be read whole: the model was shown the beginning.",
        "A file was too long to be read whole: the model was shown its beginning.",
    ),
    "second_attempt": (
        "The first try failed, so this is another one. It takes nothing more from your share.",
        "The first try failed, so this is another one. It takes nothing more from your share.",
    ),
    "model_gone": (
        "The model you chose is no longer offered; another one answers.",
        "The model you chose is no longer offered; another one answers.",
    ),
    "model_closed": (
        "The model you chose is not open to you here; another one answers.",
        "The model you chose is not open to you here; another one answers.",
    ),
    "free_models_may_train": (
        "Free models may store what you write and learn from it: leave out anything private.",
        "Free models may store what you write and learn from it: leave out anything private.",
    ),
    "overtaken": (
        "The conversation went on while this waited: it answers your earlier message.",
        "The conversation went on while this waited: it answers your earlier message.",
    ),
}

_LANES: Mapping[Lane, str] = {"free": "free", "paid": "paid", "own_key": "your own key"}


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
) -> Explained:
    """An error in words.

    `again` is when the same message would work, such as "tomorrow at 02:00"; `limit` the number that was passed;
    `partial` says that some text was shown; `may_hold` that the question may wait for room instead. `reason` is
    what is known beyond the code, `shut_for` why the pool is shut, which is what pauses it then. `why_not` is why a
    model may not be had, and `offer` what the member may have for money instead. `file_fault` is why a file cannot be
    used and `file_name` which, as text that is safe where it is shown: it was written by a person.
    """
    entry = _ERRORS[code]
    headline, why, own_advice = entry.what, entry.why, entry.advice
    known = _REASONS[reason] if reason else None
    if shut_for is not None and code == "pool_paused":
        known = _SHUT.get(shut_for, _SHUT_OTHERWISE)
    if why_not is not None and code == "model_not_allowed":
        known = _NOT_ALLOWED[why_not]
    if file_fault is not None:
        said = FAULTS[file_fault]
        which = f"“{file_name}”" if file_name else "That file"
        most = limit or 0
        numbers = {"limit": number(most), "megabytes": number(most >> 20), "millions": number(most // 1_000_000)}
        known = _Reason(what=said.what.format(file=which, **numbers), why=said.why, advice=said.advice)
    if known is not None:
        headline, why, own_advice = known.what, known.why, known.advice
    elif limit is not None and entry.numbered:
        headline = entry.numbered.format(limit=number(limit), words=number(max(1, limit * 3 // 4)))
    if (puzzle := puzzles.explained(code, reason, why_not)) is not None:
        why = puzzle[1]
    advice = "Or let this question wait: it is answered as soon as there is room." if may_hold else own_advice
    if offer is not None:
        advice = f"{advice} Or ask {offer.model} at once: it costs {dollars(offer.most)} at most."
    parts = (why, entry.again.format(again=again) if again else "", _charged(entry.charge, partial), advice)
    return Explained(headline=headline, detail=" ".join(part for part in parts if part))


def _charged(charge: Charge, partial: bool) -> str:
    if partial:
        return "What has come so far stays." if charge != "shown" else "What has come so far stays, and counts."
    return "Nothing was taken from your share." if charge in ("none", "shown") else ""


def pool_state(shut_for: str | None, again: str | None) -> str:
    """Why the pool sends nothing just now, in one sentence; empty while it does. `again` is when a pause ends."""
    if shut_for is not None:
        return _SHUT.get(shut_for, _SHUT_OTHERWISE).what
    return f"The pool takes a break and goes on {again}." if again else ""


def notice(kind: NoticeKind, count: int = 0) -> str:
    """A notice in words; `count` as in `bot.messages.Notice`, 0 where it is not known."""
    counted, uncounted = _NOTICES[kind]
    if count < (2 if kind == "messages_gathered" else 1):
        return uncounted
    return counted.format(
        turns=plural(count, "message"),
        messages=plural(count, "message"),
        images=plural(count, "image"),
        files="A file was" if count == 1 else f"{number(count)} files were",
    )


def queued(place: int, estimate: float | None) -> str:
    """Where a question stands in line; `estimate` in seconds."""
    where = "You are next in line" if place <= 1 else f"You are number {number(place)} in line"
    return f"{where}." if estimate is None else f"{where}: {wait(estimate)}."


def held(estimate: str | None) -> str:
    """A question that waits for room in the day; `estimate` as text, such as "at 18:05"."""
    when = f", {estimate} at the earliest" if estimate else ""
    return f"Your question is kept. It is answered as soon as there is room{when}; it costs nothing until then."


def lane(lane: Lane) -> str:
    """How a request is paid for."""
    return _LANES[lane]


def share(used: int, level: float, left_now: int, left_sure: int = 0, until: str | None = None) -> str:
    """What a member has taken and may still take: "3 of today's 50 used · 47 left"."""
    most = math.floor(level)
    if not used and not most:
        taken = "nothing used yet"
    else:
        taken = f"{number(used)} of today's {number(most)} used" if used <= most else f"{number(used)} used today"
    none = "none left for now" if used else "none left for now, more may come later"
    parts = [taken, f"{number(left_now)} left" if left_now else none]
    if left_sure:
        parts.append(f"{number(left_sure)} kept for you" + (f" until {until}" if until else ""))
    return " · ".join(parts)


def wait(seconds: float) -> str:
    """A wait that is only estimated: "a few seconds", "about 40 seconds", "about 3 minutes"."""
    if seconds < 5:
        return "a few seconds"
    return f"about {duration(seconds)}"


def duration(seconds: float) -> str:
    """A length of time in one unit, rounded as one would say it."""
    if seconds < 1:
        return "a moment"
    if seconds < 20:
        return plural(math.ceil(seconds), "second")
    if seconds <= 55:
        return plural(5 * math.ceil(seconds / 5), "second")
    for length, most, unit in ((60, 60, "minute"), (3600, 36, "hour")):
        if (count := math.ceil(seconds / length - 0.25)) < most:
            return plural(max(1, count), unit)
    return plural(round(seconds / 86_400), "day")


def at(moment: Instant, now: Instant, zone: tzinfo = UTC) -> str:
    """A moment as a person in `zone` would name it: "at 18:05", "tomorrow at 02:00", "on 3 March at 00:00".

    Rounded up to the minute: whoever comes back then is not early.
    """
    then, today = datetime.fromtimestamp(60 * math.ceil(moment / 60), zone), datetime.fromtimestamp(now, zone)
    time = f"at {then:%H:%M}" + (" UTC" if zone is UTC else "")
    match (then.date() - today.date()).days:
        case 0:
            return time
        case 1:
            return f"tomorrow {time}"
        case _:
            return f"on {then.day} {then:%B} {time}"


def dollars(amount: Decimal) -> str:
    """A sum as people say it, never rounded down: "$0.06"; of less than a cent two digits that count."""
    cent = Decimal("0.01")
    places = cent if amount >= cent or not amount else Decimal(1).scaleb(amount.adjusted() - 1)
    return f"${amount.quantize(places, rounding=ROUND_CEILING):f}"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def number(count: int) -> str:
    """A whole number as people write it."""
    return f"{count:,}"
