"""Where a member and the pool stand: `quota` and `pool`. They cost nothing, whatever state the pool is in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.clock import Instant
from bot.commands.answer import Answer, DayPicture, Facts, Line, Meter, Part
from bot.commands.command import Call, Command
from bot.commands.saying import At, Percent, Say, Span, Value, say, says
from bot.commands.verdict_said import verdict_said
from bot.messages import Explanation, Queued, Share
from bot.ports import DayCourse, PoolView


async def quota(call: Call) -> Answer:
    caller, talk = call.caller, call.desk.conversations
    course = await call.desk.day.course(caller.member, caller.community)
    key = await call.desk.keys.shown(caller.member)
    # The pool is open by now, so that nothing below waits: all of it is of one moment.
    share, pool = await talk.share(caller.member, caller.community), await talk.pool(caller.community)
    explanation = await talk.explain(caller.member, caller.community)
    place = call.desk.day.place(caller.member, caller.community)
    parts: list[Part] = [_meter(share), Line(_verdict(call, explanation, share, pool))]
    if key is not None:
        parts.append(Line(say("Your questions go by your own OpenRouter account, so they take nothing of this share.")))
    parts.append(Facts([*_share(share, explanation), *_line(place), (say("Starts afresh"), At(share.resets_at))]))
    parts.append(_picture(call, pool, course, share))
    return Answer(parts)


async def pool(call: Call) -> Answer:
    caller = call.caller
    course = await call.desk.day.course(caller.member, caller.community)
    fairness = await call.desk.fairness.yesterday(caller.community)
    now = await call.desk.conversations.pool(caller.community)
    left = max(0, now.rpd - now.used)
    facts: list[tuple[Say, Value]] = [
        (say("Used today"), say("{used} of {of}", used=now.used, of=now.rpd)),
        (say("Left"), left),
        (say("Started in the last minute"), say("{used} of {of}", used=now.minute_used, of=now.rpm)),
        (say("In line"), now.waiting),
        (say("Being answered"), now.answering),
        (say("Starts afresh"), At(now.resets_at)),
        (say("Fairness yesterday"), say("no figure yet") if fairness is None else Percent(fairness.ratio)),
    ]
    parts: list[Part] = [_pool_meter(now), Line(_state(now)), Facts(facts)]
    if fairness is not None:
        parts.append(
            Line(
                says(
                    "Of what somebody who knew every question in advance would have given the one who asked, "
                    "{part} was given.",
                    "Of what somebody who knew every question in advance would have given the {count} who asked, "
                    "{part} was given.",
                    fairness.members,
                    part=Percent(fairness.ratio),
                )
            )
        )
    parts.append(_picture(call, now, course, None))
    return Answer(parts)


# --- sentences -----------------------------------------------------------------------------------------------


def _meter(share: Share) -> Meter:
    return Meter(
        used=share.used,
        of=share.used + share.left_now,
        kept=share.left_sure,
        alt=say(
            "Used {used}, left {left}, of which {sure} for sure.",
            used=share.used,
            left=share.left_now,
            sure=share.left_sure,
        ),
    )


def _pool_meter(pool: PoolView) -> Meter:
    return Meter(
        used=pool.used,
        of=pool.rpd,
        alt=say("{used} of the {of} requests of today's pool are used.", used=pool.used, of=pool.rpd),
    )


def _share(share: Share, explanation: Explanation | None) -> list[tuple[Say, Value]]:
    facts: list[tuple[Say, Value]] = [
        (say("Used today"), share.used),
        (say("Left now"), share.left_now),
        (say("Left for sure"), share.left_sure),
    ]
    if explanation is None:
        return facts
    more = max(0, explanation.probably - share.left_now)
    if explanation.verdict != "pool_spent":
        facts.append((say("May still come"), _to_come(more, explanation)))
    return facts


def _to_come(more: int, explanation: Explanation) -> Say:
    """What may come beyond what is left now, and when. A likelihood, said apart from what is sure."""
    if explanation.room_at is not None:
        return say("one more {at}, if nobody takes anything meanwhile", at=At(explanation.room_at))
    if not more:
        if explanation.admitted:
            return say("nothing that could be foretold")
        return say("nothing, unless others leave theirs unused")
    return says("probably {count} more by the end of the day", "probably {count} more by the end of the day", more)


def _line(place: Queued | None) -> list[tuple[Say, Value]]:
    if place is None:
        return []
    if place.estimate is None:
        return [(say("Place in line"), place.place)]
    return [
        (say("Place in line"), say("{place}, about {wait} to go", place=place.place, wait=Span(round(place.estimate))))
    ]


def _verdict(call: Call, explanation: Explanation | None, share: Share, pool: PoolView) -> Say:
    """Whether the next question may go, in one sentence."""
    if call.desk.rights.blocked(call.caller):
        return say("Who manages this community has blocked you from asking here.")
    if pool.shut_for is not None or pool.paused_until is not None:
        return _state(pool)
    if explanation is None:
        if share.left_now:
            return say("Here it is first come, first served: whoever asks may take what is left.")
        return verdict_said("pool_spent")
    return verdict_said(explanation.verdict)


def _state(pool: PoolView) -> Say:
    """Whether the pool answers."""
    if pool.shut_for == "admin":
        return say("The pool is paused by an admin, until it is resumed.")
    if pool.shut_for is not None:
        return say("The pool is shut until who runs Potluck has seen to it.")
    if pool.paused_until is not None:
        return say("OpenRouter has asked for a break. It goes on {at}.", at=At(pool.paused_until))
    if pool.used >= pool.rpd:
        return say("Today's pool is empty. It is full again {at}.", at=At(pool.resets_at))
    if pool.waiting:
        return says(
            "The pool answers; {count} question is in line.",
            "The pool answers; {count} questions are in line.",
            pool.waiting,
        )
    return say("The pool answers.")


def _picture(call: Call, pool: PoolView, course: DayCourse, share: Share | None) -> DayPicture:
    """The day of the pool, and of the member whose share is given. The words beside it say the same."""
    alt = say(
        "The day so far: {used} of {of} requests of the pool are used. It starts afresh {at}.",
        used=pool.used,
        of=pool.rpd,
        at=At(pool.resets_at),
    )
    mine: tuple[tuple[Instant, int], ...] = ()
    if share is not None:
        mine = _until(course.mine, share.used)
        alt = say(
            "The day so far: {used} of {of} requests of the pool are used, {mine} of them by you. "
            "It starts afresh {at}.",
            used=pool.used,
            of=pool.rpd,
            mine=share.used,
            at=At(pool.resets_at),
        )
    return DayPicture(
        begins=course.begins,
        now=call.desk.now(),
        resets_at=pool.resets_at,
        cap=pool.rpd,
        pool=_until(course.pool, pool.used),
        mine=mine,
        level=min(share.level, pool.rpd) if share is not None and math.isfinite(share.level) else pool.rpd,
        alt=alt,
    )


def _until(course: Sequence[tuple[Instant, int]], last: int) -> tuple[tuple[Instant, int], ...]:
    """Units may have gone since the course was read: it ends where the words do."""
    return (*course[:-1], (course[-1][0], last)) if course else ()


COMMANDS = (
    Command(
        path=("quota",),
        about=say("What you have used today, what is left for you, and when there is more"),
        handler=quota,
    ),
    Command(
        path=("pool",),
        about=say("How much of today's pool is used, and how fairly yesterday's was shared"),
        handler=pool,
        private=False,
    ),
)
