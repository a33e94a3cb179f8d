"""What admins see of members and lay down for them, on every platform."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from bot.clock import Instant, day_of
from bot.commands.command import Rank
from bot.office.own_terms import OwnTerms
from bot.people import ERASED
from bot.quota.terms import Block
from tests.contract.commands.bindings.binding import Everybody, Reply
from tests.contract.commands.stage import (
    Case,
    Elsewhere,
    Helpers,
    Pairs,
    Someone,
    Stage,
    Step,
    asked,
    scarce,
    used,
)

BEN, EVERYBODY = Someone("ben"), Everybody()
IN_2100 = Instant(4_102_444_800.0)


# --- who used what ---------------------------------------------------------------------------------------


async def most(stage: Stage) -> Sequence[object]:
    today = day_of(stage.potluck.clock.now())
    found = await stage.potluck.running.uses.top(stage.place.community, first=today, last=today)
    first = next(use for use in found if use.member.platform != ERASED)
    assert first.taken > 0
    return [first.member, first.asked, first.taken, first.refused]


async def it_is_a_table_of_use(stage: Stage, reply: Reply) -> None:
    (content,) = [one for name, one in reply.files.items() if name.endswith(".csv")]
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    today = day_of(stage.potluck.clock.now())
    used_by = await stage.potluck.running.uses.daily(stage.place.community, first=today, last=today)
    told = [(row["member"], row["asked"], row["taken"]) for row in rows]
    # Whoever has deleted their name, in another case of the same place, is told without one.
    named = [("" if use.member.platform == ERASED else use.member.key, use) for use in used_by]
    assert told == [(name, str(use.asked), str(use.taken)) for name, use in named]
    assert ((await stage.someone("ben")).member.key, "1", "1") in told


# --- members ---------------------------------------------------------------------------------------------


def terms(**wanted: object) -> Pairs:
    """What is laid down for Ben now. `today`: units of this day."""

    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        own, more = await stage.own("ben"), dict(wanted)
        if "today" in more:
            more["on_day"] = {day_of(stage.potluck.clock.now()): more.pop("today")}
        return {name: (getattr(own, name), value) for name, value in more.items()}

    return pairs


async def no_terms(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"terms": (await stage.own("ben"), OwnTerms())}


async def helpers_count_twice(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"helpers": (stage.laid("group", (await stage.helpers()).key), {"weight": 2.0})}


async def ben_counts_twice_elsewhere(stage: Stage) -> Mapping[str, tuple[object, object]]:
    ben, place = (await stage.someone("ben")).member, await stage.elsewhere()
    return {
        "here": (stage.laid("member", ben.key), None if place.community != stage.place.community else {"weight": 2.0}),
        "there": (stage.office.at("member", place.community, ben.key), {"weight": 2.0}),
    }


async def everybody_counts_twice(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"everybody": (stage.laid("group", "everyone"), {"weight": 2.0})}


async def ben_stands(stage: Stage) -> Mapping[str, object]:
    running, ben = stage.potluck.running, (await stage.someone("ben")).member
    share, holds = running.scheduler.share(ben, stage.place.community), await stage.own("ben")
    today = holds.on_day.get(day_of(stage.potluck.clock.now()), 0) + (holds.every_day or 0)
    return {
        "Used today": share.used,
        "Left now": share.left_now,
        "Left for sure": share.left_sure,
        "Counts": holds.weight or 1,
        "Besides the share today": today,
    }


async def bens_terms(stage: Stage) -> Sequence[object]:
    return [(await stage.someone("ben")).member, "counts 2 times", stage.place.community]


BLOCKED: Step = used("admin quota block", member=BEN)
TWICE: Step = used("admin quota weight", who=BEN, times=2)
OWNER: Rank = "owner"

ABOUT_MEMBERS: Sequence[Case] = (
    Case(words="admin top", first=[asked("ben")], row=most),
    Case(words="admin export", first=[asked("ben")], check=it_is_a_table_of_use),
    Case(words="admin quota show", first=[TWICE], row=bens_terms),
    Case(words="admin quota show", given={"who": BEN}, first=[TWICE, scarce(9)], facts=ben_stands),
    Case(words="admin quota grant", given={"who": BEN, "units": 3}, first=[asked("ben")],
         does=terms(today=3), facts=ben_stands),
    Case(words="admin quota grant", given={"who": BEN, "units": 1200, "when": "every day"},
         first=[used("admin pool limits", by=OWNER, rpd=5000)], does=terms(every_day=1200),
         says="1,200 units more every day"),
    Case(words="admin quota set", given={"who": BEN, "weight": 0.5, "every_day": 4}, first=[asked("ben")],
         does=terms(weight=0.5, every_day=4), facts=ben_stands, says="counts 0.5 times, 4 units more every day"),
    Case(words="admin quota reset", given={"who": BEN}, first=[TWICE], does=no_terms, says="as everyone else"),
    Case(words="admin quota weight", given={"who": BEN, "times": 2}, does=terms(weight=2.0),
         says="counts 2 times"),
    Case(words="admin quota weight", given={"who": EVERYBODY, "times": 2}, does=everybody_counts_twice),
    Case(words="admin quota weight", given={"who": Helpers(), "times": 2}, does=helpers_count_twice),
    Case(words="admin quota weight", given={"who": BEN, "times": 2, "community": Elsewhere()}, by=OWNER,
         does=ben_counts_twice_elsewhere),
    Case(words="admin quota block", given={"member": BEN}, does=terms(block=Block(until=None)), says="nothing more"),
    Case(words="admin quota block", given={"member": BEN, "until": "2100-01-01"},
         does=terms(block=Block(until=IN_2100))),
    Case(words="admin quota unblock", given={"member": BEN}, first=[BLOCKED], does=terms(block=None),
         says="may ask again"),
)  # fmt: skip
