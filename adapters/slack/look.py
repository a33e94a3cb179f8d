"""What Potluck's messages look like: blocks from data. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from adapters.rendering import words
from adapters.rendering.saying import Tongue
from adapters.slack.plain_text import at, escape
from bot.commands.saying import Say, say
from bot.errors import AttachmentRefused, Refused
from bot.messages import Failed, Finished, Held, Notice, Queued, Share, Started, TicketId

Block: TypeAlias = dict[str, Any]

FEEDBACK, HOLD, DROP, MUTE = "feedback", "hold", "drop", "mute"
"""Action ids of what can be pressed."""
CONTEXT_MOST = 10
SECTION_MAX = 3000
LINE = "line"
"""The id of the task that shows the place in line."""
TITLE_MAX = 250
BUTTON_MAX = 75


def markdown(text: str) -> Block:
    return {"type": "markdown", "text": text}


def mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def section(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text[:SECTION_MAX])}


def context(*texts: str) -> Block:
    return {"type": "context", "elements": [mrkdwn(text[:SECTION_MAX]) for text in texts[:CONTEXT_MOST]]}


def button(text: str, action: str, value: str, *, style: str = "") -> Block:
    made: Block = {"type": "button", "action_id": action, "text": plain(text[:BUTTON_MAX]), "value": value}
    return made | ({"style": style} if style else {})


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


# --- beside an answer ------------------------------------------------------------------------------------


def footer(finished: Finished, notices: Sequence[Notice], tongue: Tongue) -> list[Block]:
    """Which model answered and how, what it took, and what else there is to know."""
    told = [f"`{escape(finished.model)}`", words.lane(finished.lane, tongue=tongue), share(finished.share, tongue)]
    if finished.usage.cost_usd:
        told.insert(2, words.dollars(finished.usage.cost_usd, tongue=tongue))
    noted = [escape(words.notice(one.kind, one.count, tongue=tongue)) for one in notices]
    return [context(" · ".join(told), *noted), feedback(tongue)]


def share(share: Share, tongue: Tongue) -> str:
    return escape(words.share(share.used, share.level, share.left_now, share.left_sure, tongue=tongue))


def feedback(tongue: Tongue) -> Block:
    """Two buttons that keep no state: the last press counts."""

    def one(said: Say, value: str) -> Block:
        text = tongue.say(said)
        return {"text": plain(text), "value": value, "accessibility_label": text}

    pair = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": one(say("Good answer"), "good"),
        "negative_button": one(say("Bad answer"), "bad"),
    }
    return {"type": "context_actions", "elements": [pair]}


def mute_button(tongue: Tongue) -> Block:
    return actions(button(tongue.say(say("Only answer when mentioned here")), MUTE, "on"))


# --- instead of an answer --------------------------------------------------------------------------------


def failed(failed: Failed, tongue: Tongue, *, hold: str = "") -> list[Block]:
    """Why there is no answer, when it works again, what can be done now. `hold` is the value of the button to wait."""
    told = explained(failed, tongue)
    level = "warning" if isinstance(failed.error, Refused) else "error"
    if failed.error.code == "stopped":
        return [context(escape(told.headline))]
    blocks: list[Block] = [{"type": "alert", "level": level, "text": mrkdwn(escape(told.headline))}]
    if told.detail:
        blocks.append(context(told.detail))
    if hold and failed.may_hold:
        blocks.append(actions(button(tongue.say(say("Let it wait")), HOLD, hold, style="primary")))
    return blocks


def broken_off(failed: Failed, tongue: Tongue) -> list[Block]:
    """Beside an answer that did not come to its end."""
    told = explained(failed, tongue)
    return [context(" ".join(part for part in (f"*{escape(told.headline)}*", told.detail) if part))]


def explained(failed: Failed, tongue: Tongue) -> words.Explained:
    """The failure in words, as markup: moments are shown by the reader's clock."""
    error = failed.error
    told = words.explain(
        error.code,
        again="AGAIN" if error.resets_at is not None else None,
        limit=error.limit,
        partial=failed.partial,
        may_hold=failed.may_hold,
        reason=error.reason,
        shut_for=failed.shut_for,
        why_not=error.why if isinstance(error, Refused) and not isinstance(error, AttachmentRefused) else None,
        offer=error.offer if isinstance(error, Refused) and not isinstance(error, AttachmentRefused) else None,
        file_fault=error.fault if isinstance(error, AttachmentRefused) else None,
        file_name=error.name if isinstance(error, AttachmentRefused) else "",
        tongue=tongue,
    )
    detail = escape(told.detail)
    if error.resets_at is not None:
        detail = detail.replace("AGAIN", at(error.resets_at, tongue))
    return words.Explained(headline=told.headline, detail=detail)


def held(held: Held, tongue: Tongue) -> list[Block]:
    """A question that waits for room."""
    estimate = held.estimate_at
    text = escape(words.held("AGAIN" if estimate is not None else None, tongue=tongue))
    if estimate is not None:
        text = text.replace("AGAIN", at(estimate, tongue))
    return [section(text), actions(button(tongue.say(say("Drop it")), DROP, held.ticket))]


def dropped(found: bool, tongue: Tongue) -> list[Block]:
    return [context(tongue.say(say("Dropped.") if found else say("It does not wait any more.")))]


# --- while it comes --------------------------------------------------------------------------------------


def waiting(queued: Queued, tongue: Tongue) -> dict[str, Any]:
    """The place in line, as a task."""
    return task(words.queued(queued.place, queued.estimate, tongue=tongue), "in_progress")


def answering(started: Started | None, tongue: Tongue) -> dict[str, Any]:
    """The line is behind it."""
    said = say("Your turn") if started is None else say("Answered by {model}", model=started.model)
    return task(tongue.say(said), "complete")


def task(title: str, status: str) -> dict[str, Any]:
    return {"type": "task_update", "id": LINE, "title": title[:TITLE_MAX], "status": status}


def notification(text: str) -> str:
    """What a notification says of a message with blocks."""
    return escape(" ".join(text.split())[:200]) or "Potluck"


def pressed(value: str) -> Mapping[str, Any]:
    """What a button carries; nothing where it is not ours."""
    try:
        read = json.loads(value)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def carried(**values: Any) -> str:
    """The value of a button."""
    return json.dumps(values, separators=(",", ":"))


def ticket(value: str) -> TicketId:
    return TicketId(value)


def words_in(blocks: Sequence[Block]) -> str:
    """What blocks say, in one line."""
    said: list[str] = []
    for block in blocks:
        texts = [block.get("text"), *(block.get("elements") or ())]
        said += [one["text"] for one in texts if isinstance(one, dict) and isinstance(one.get("text"), str)]
    return " ".join(said)
