"""The sentences for each way a question can end without an answer: what happened, why, and what can be done now.

`words.explain` chooses among them and puts them together; `reasons` has what is known beyond a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from adapters.rendering.reasons import Reason
from bot.commands.saying import Say, say, says
from bot.errors import ErrorCode

Charge: TypeAlias = Literal["none", "shown", "sent", "untold"]
"""Whether an ending counts against the member's share: never, if text was shown, always, or not ours to say."""

AGAIN = say("It works again {again}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    what: Say
    advice: Say | None
    numbered: Say | None = None
    """Said instead of `what` where the limit is known, which it counts; or `{words}` for a limit in tokens."""
    why: Say | None = None
    again: Say = AGAIN
    charge: Charge = "none"


ERRORS: Mapping[ErrorCode, Entry] = {
    "daily_share_spent": Entry(
        what=say("You have had your share of today's pool, as things stand."),
        why=say("It grows during the day when others leave theirs unused."),
        again=say("Everyone starts afresh {again}."),
        advice=say("Try again later today."),
        charge="untold",
    ),
    "pool_spent": Entry(
        what=say("Today's pool is empty."),
        numbered=says(
            "Today's pool is empty: its one free request has been used.",
            "Today's pool is empty: all {count} free requests have been used.",
            0,
        ),
        why=say("Everyone here shares the free requests of one OpenRouter account."),
        again=say("It is full again {again}."),
        advice=say("Please come back then."),
        charge="untold",
    ),
    "line_full": Entry(
        what=say("The line is full."),
        numbered=says(
            "The line is full: {count} question is waiting already.",
            "The line is full: {count} questions are waiting already.",
            0,
        ),
        advice=say("Try again in a minute or two."),
    ),
    "wait_too_long": Entry(
        what=say("Your question waited too long and has left the line."),
        why=say("Many are asking at once, and only so many requests may start each minute."),
        advice=say("Try again in a few minutes."),
    ),
    "pool_paused": Entry(
        what=say("The pool is taking a break."),
        why=say("OpenRouter asked for it, or an admin did."),
        again=say("It goes on {again}."),
        advice=say("Try again after the break."),
    ),
    "member_blocked": Entry(
        what=say("You cannot ask here at the moment."),
        why=say("An admin has switched it off for you."),
        again=say("You can ask again {again}."),
        advice=say("Please ask an admin about it."),
    ),
    "channel_closed": Entry(
        what=say("Questions are not answered in this channel."),
        why=say("Those who manage this community have closed it to them."),
        advice=say("Ask in another channel, or in private."),
    ),
    "model_not_allowed": Entry(
        what=say("That model is not open to you here."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "budget_spent": Entry(
        what=say("The budget for paid answers is used up."),
        again=say("There is a new one {again}."),
        advice=say("Free models still answer: ask again without a paid one."),
    ),
    "moderated": Entry(
        what=say("The model's provider declined this question."),
        why=say("Its safety check stopped it after it was sent, so it counts as one request."),
        advice=say("Put it another way, or ask something else."),
        charge="sent",
    ),
    "no_route": Entry(
        what=say("No model can take this question right now."),
        advice=say("Try again in a few minutes, or choose another model."),
        charge="shown",
    ),
    "upstream_busy": Entry(
        what=say("The free models are very busy right now."),
        why=say("People everywhere use them, not only this group."),
        advice=say("Try again in a minute."),
        charge="shown",
    ),
    "upstream_failed": Entry(
        what=say("The model could not finish its answer."),
        why=say("The connection to it, or the model itself, failed."),
        advice=say("Try again; another model may do better."),
        charge="shown",
    ),
    "empty_answer": Entry(
        what=say("The model answered with nothing at all."),
        advice=say("Try again, perhaps in other words."),
        charge="shown",
    ),
    "out_of_credit": Entry(
        what=say("The OpenRouter account is out of credit."),
        why=say("It answers nothing while it owes money, free models included."),
        advice=say("Whoever pays for the account has to add credit first."),
        charge="shown",
    ),
    "bad_key": Entry(
        what=say("OpenRouter does not accept the key in use."),
        advice=say("Whoever the key belongs to has to replace it; until then nothing can be sent with it."),
        charge="shown",
    ),
    "too_long": Entry(
        what=say("That is too long for the models here."),
        numbered=say("That is too long: about {words} words fit."),
        advice=say("Shorten it, or ask in several steps."),
        charge="untold",
    ),
    "attachment_refused": Entry(
        what=say("What came with the message cannot be used."),
        why=say("It is too large, or of a kind the models here cannot read."),
        advice=say("Paste what matters into the message instead."),
    ),
    "stopped": Entry(what=say("Stopped."), advice=None, charge="untold"),
    "hold_expired": Entry(
        what=say("There was no room for your question while it was kept waiting."),
        again=say("Everyone starts afresh {again}."),
        advice=say("Please ask it again."),
    ),
    "internal": Entry(
        what=say("Something went wrong inside Potluck."),
        why=say("It was nothing you did."),
        advice=say("Try again; if it stays, tell whoever runs this Potluck."),
        charge="untold",
    ),
}

SHUT: Mapping[str, Reason] = {
    "bad_key": Reason(
        what=say("The pool is shut: OpenRouter does not accept its key."),
        advice=say("Whoever linked it has to replace it."),
    ),
    "out_of_credit": Reason(
        what=say("The pool is shut: the OpenRouter account owes money."),
        why=say("Until that is paid it answers nothing, free models included."),
        advice=say("It opens again by itself once credit has been added."),
    ),
    "no_free_models": Reason(
        what=say("The pool is shut: no free model is open to it right now."),
        advice=say("It opens again by itself as soon as one is."),
    ),
    "cost_seen": Reason(
        what=say("The pool is shut: a free answer was charged for."),
        why=say("Potluck spends no money without being told to."),
        advice=say("Whoever runs this Potluck has to look at it first."),
    ),
    "guard": Reason(
        what=say("The pool is shut: a question was about to leave that might have cost money."),
        why=say("Potluck spends no money without being told to."),
        advice=say("Whoever runs this Potluck has to look at it first."),
    ),
    "admin": Reason(
        what=say("The pool is shut: an admin has switched it off."),
        advice=say("Please ask an admin about it."),
    ),
}
SHUT_OTHERWISE = Reason(what=say("The pool is shut."), advice=say("Whoever runs this Potluck has to look at it first."))
