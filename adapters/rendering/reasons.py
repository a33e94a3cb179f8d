"""The sentences for what is known of a failure beyond its code: the reason, or why a model may not be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.commands.saying import Say, say
from bot.errors import FailureReason, NotAllowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Said instead of an error's own words."""

    what: Say
    advice: Say
    why: Say | None = None


REASONS: Mapping[FailureReason, Reason] = {
    "database": Reason(
        what=say("Potluck cannot write anything down right now, so it asks no model."),
        why=say("It never sends a question that it has not noted. Nothing was taken from your share."),
        advice=say("Try again in a few minutes."),
    ),
    "data_policy": Reason(
        what=say("No free model may take questions from this account yet."),
        why=say("Its privacy settings at OpenRouter shut them out."),
        advice=say("Whoever runs this Potluck has to change them."),
    ),
    "model_gone": Reason(
        what=say("That model is no longer offered."),
        why=say("Free models come and go."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "model_busy": Reason(
        what=say("That model has no room right now."),
        advice=say("Let Potluck choose another one, or try again in a few minutes."),
    ),
    "images": Reason(
        what=say("No model that is free now can look at images."),
        advice=say("Say in words what matters in the image, and ask again without it."),
    ),
    "tools": Reason(
        what=say("No model that is free now can do that."),
        why=say("It needs abilities only some models have."),
        advice=say("Choose another model, or let Potluck choose."),
    ),
    "context": Reason(
        what=say("This conversation has grown too long for the models that are free now."),
        advice=say("Start over, or ask a shorter question."),
    ),
    "region": Reason(
        what=say("That model is not offered in this part of the world."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "price": Reason(
        what=say("That model is not free at the moment."),
        why=say("Potluck sends nothing that could cost money."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "key_limit": Reason(
        what=say("The key in use has reached its spending limit."),
        why=say("Its owner has set one at OpenRouter."),
        advice=say("Whoever the key belongs to has to raise it."),
    ),
    "negative_balance": Reason(
        what=say("The OpenRouter account owes money."),
        why=say("Until that is paid it answers nothing, free models included."),
        advice=say("Whoever pays for the account has to add credit first."),
    ),
    "in_flight": Reason(
        what=say("Too much is being answered at once for the account's credit."),
        why=say("Each answer reserves some of it until it is finished."),
        advice=say("Try again in a minute."),
    ),
    "guardrail": Reason(
        what=say("A rule of the OpenRouter account does not allow this question."),
        advice=say("Put it another way, or ask whoever runs this Potluck about the rule."),
    ),
    "moderation": Reason(
        what=say("A safety check declined this question."),
        why=say("It had been sent by then, so it counts as one request."),
        advice=say("Put it another way, or ask something else."),
    ),
    "content_filter": Reason(
        what=say("The model's provider stopped this answer."),
        why=say("Its filter found something in it that it does not let through."),
        advice=say("Put it another way, or ask something else."),
    ),
    "timeout": Reason(
        what=say("The model took too long."),
        why=say("Free models are slow when many use them."),
        advice=say("Try again, perhaps with a shorter question."),
    ),
    "provider_down": Reason(
        what=say("The model is out of order right now."),
        why=say("Whoever runs it has a fault."),
        advice=say("Try again in a few minutes, or choose another model."),
    ),
    "platform": Reason(
        what=say("OpenRouter asks everyone to slow down."),
        advice=say("Try again in a minute."),
    ),
    "edge": Reason(
        what=say("OpenRouter could not be reached properly."),
        why=say("Something on the way there answered in its place."),
        advice=say("Try again in a minute; if it stays, tell whoever runs this Potluck."),
    ),
    "unreachable": Reason(
        what=say("OpenRouter cannot be reached from here."),
        why=say("The network is down, or OpenRouter is."),
        advice=say("Try again in a minute; if it stays, tell whoever runs this Potluck."),
    ),
    "cut_off": Reason(
        what=say("The answer broke off on its way here."),
        why=say("The connection to the model was lost."),
        advice=say("Ask again if you need the rest; Potluck does not start over by itself."),
    ),
    "error_in_stream": Reason(
        what=say("The model broke down while it was writing."),
        advice=say("Ask again if you need the rest; another model may do better."),
    ),
    "endless": Reason(
        what=say("The model would not stop writing, so Potluck stopped it."),
        advice=say("Ask for something shorter, or choose another model."),
    ),
    "classifier": Reason(
        what=say("The question reached a model that sorts questions and does not answer them."),
        why=say("OpenRouter chose it by chance."),
        advice=say("Try again: another one will be chosen."),
    ),
    "reasoning_only": Reason(
        what=say("The model thought until its time was up, and wrote nothing."),
        advice=say("Try again, perhaps with a simpler question."),
    ),
    "length": Reason(
        what=say("The answer grew as long as answers may be here."),
        advice=say("Ask it to go on, or to be brief."),
    ),
    "bad_request": Reason(
        what=say("OpenRouter could not make sense of what Potluck sent."),
        why=say("That is a fault of Potluck's, not yours."),
        advice=say("Try again in other words; if it stays, tell whoever runs this Potluck."),
    ),
    "bad_image": Reason(
        what=say("The model could not open the image."),
        why=say("It is damaged inside, too large or too small for it, or of a kind this model does not read."),
        advice=say("Save it anew as a PNG or JPEG of ordinary size, or ask again without it."),
    ),
    "pasted_key": Reason(
        what=say("That message holds an OpenRouter key, so it was neither kept nor sent on."),
        why=say("Others may have seen it here."),
        advice=say("Delete it in your key settings at OpenRouter now, then link your account in private instead."),
    ),
    "own_key_refused": Reason(
        what=say("OpenRouter no longer accepts the key of your own account."),
        why=say("It was deleted, has run out, or cannot be read here any more."),
        advice=say("Remove it to go back to the pool, or link your account again."),
    ),
    "own_key_day": Reason(
        what=say("Your own account has used up its free requests of the day."),
        advice=say("Wait until then, or remove your key to go back to the pool."),
    ),
    "own_key_minute": Reason(
        what=say("Your own account has used up its free requests of the minute."),
        advice=say("Try again in a minute."),
    ),
    "own_key_credit": Reason(
        what=say("Your own account has no credit left for this, or its key has reached its limit."),
        why=say("It is your account at OpenRouter that says so, not the pool."),
        advice=say("Add credit or raise the limit there, or remove your key to go back to the pool."),
    ),
    "own_key_privacy": Reason(
        what=say("The privacy settings of your own account shut out the models this needs."),
        advice=say("Change them at OpenRouter, or remove your key to go back to the pool."),
    ),
}

NOT_ALLOWED: Mapping[NotAllowed, Reason] = {
    "nobody": Reason(
        what=say("That model costs money, and nobody has opened it to you."),
        advice=say("Ask an admin for it, or choose a free one."),
    ),
    "denied": Reason(
        what=say("An admin has closed that model to you."),
        advice=say("Please ask them about it, or choose another one."),
    ),
    "wide": Reason(
        what=say("That model is open to full members here, not to guests."),
        advice=say("Ask an admin to open it to you by name, or choose a free one."),
    ),
    "ended": Reason(
        what=say("That model was open to you, but no longer is."),
        why=say("What an admin had allowed has run out."),
        advice=say("Ask them for more, or choose a free one."),
    ),
    "model": Reason(
        what=say("That model is not among those that are open to you."),
        advice=say("Choose another one, or ask an admin for it."),
    ),
    "price": Reason(
        what=say("That model costs more than is open to you."),
        advice=say("Choose a cheaper one, or ask an admin for it."),
    ),
    "needs_ceiling": Reason(
        what=say("That name stands for whatever model is picked for it, at any price."),
        why=say("It is open only to those for whom an admin has set a highest price."),
        advice=say("Choose one model by its name."),
    ),
    "unpriced": Reason(
        what=say("What that model costs cannot be told, so it is open to nobody."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "hidden": Reason(
        what=say("That model is not on this community's list."),
        why=say("Those who manage the community have taken it off."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
    "unknown": Reason(
        what=say("There is no model of that name to be had here."),
        advice=say("Choose another one, or let Potluck choose."),
    ),
}
