"""What admins do, on every platform: each change is on the record, and is taken back by its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.office.house_rules import ALL_CHANNELS, MODELS
from bot.office.pool_rules import read_caps
from tests.contract.commands.bindings.binding import Everybody
from tests.contract.commands.cases_about_members import ABOUT_MEMBERS, OWNER, TWICE, no_terms
from tests.contract.commands.cases_of_members import it_leads_to_openrouter
from tests.contract.commands.stage import (
    Case,
    Here,
    Noted,
    Pairs,
    Someone,
    Stage,
    Step,
    asked,
    used,
)
from tests.fakes.linking import key_of

BEN, EVERYBODY = Someone("ben"), Everybody()
FREE, PAID = "sandbox/harbor-24b:free", "sandbox/lantern-70b"


# --- the pool --------------------------------------------------------------------------------------------


async def pool_stands(stage: Stage) -> Mapping[str, object]:
    scheduler = stage.potluck.running.scheduler
    assert scheduler.used > 0
    return {
        "State": "open",
        "Used today": f"{stage.shown(scheduler.used)} of {stage.shown(scheduler.caps.rpd)}",
        "In line": scheduler.waiting,
        "Being answered": scheduler.answering,
    }


def shut(why: str | None) -> Pairs:
    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        return {"shut": (stage.potluck.running.scheduler.shut_for, why)}

    return pairs


async def caps_hold(stage: Stage) -> Mapping[str, tuple[object, object]]:
    caps, kept = stage.potluck.running.scheduler.caps, stage.laid("caps", "default", everywhere=True)
    return {
        "caps": ((caps.rpm, caps.rpd), (15, 900)),
        "laid down": (read_caps(kept).named(), {"rpm": 15, "rpd": 900}),
    }


async def caps_shown(stage: Stage) -> Mapping[str, object]:
    caps = stage.potluck.running.scheduler.caps
    return {"A minute": caps.rpm, "A day": caps.rpd}


def held_back(*units: int) -> Pairs:
    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        reserves = stage.potluck.running.scheduler.terms.reserves
        return {"held back": ([one.units for one in reserves], list(units))}

    return pairs


# --- money -----------------------------------------------------------------------------------------------


def rules(*allows: bool) -> Pairs:
    """The rules of the community: whether each allows."""

    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        found = list(stage.office.of("paid_rule", stage.place.community))
        return {"rules": ([kept["allows"] for _, kept in found], list(allows))}

    return pairs


async def rule_noted(stage: Stage) -> None:
    (address,) = [address for address, _ in stage.office.of("paid_rule", stage.place.community)]
    stage.notes["rule"] = address.key.rpartition("/")[2]


async def rule_shown(stage: Stage) -> Sequence[object]:
    await rule_noted(stage)
    return [int(stage.notes["rule"]), "may use", (await stage.someone("ben")).member, PAID]


def budget(key: str, amount: str) -> Pairs:
    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        whose = key.replace("ben", (await stage.someone("ben")).member.key)
        return {"budget": (stage.laid("budget", f"default/{whose}"), amount)}

    return pairs


async def ben_pays(stage: Stage) -> Mapping[str, tuple[object, object]]:
    key = f"default/{(await stage.someone('ben')).member.key}"
    return {"pays": (stage.laid("pays", key, everywhere=True), True)}


COMMUNITY_MAY_SPEND: Step = used("admin paid budget", by="owner", usd="5")
BEN_MAY_SPEND: Step = used("admin paid allow", who=BEN, models=PAID)


# --- the community ---------------------------------------------------------------------------------------


def laid(kind: str, key: str, value: object) -> Pairs:
    """What stands in the community. `key`: `here` is the channel's id, `ben` a member's key."""

    async def pairs(stage: Stage) -> Mapping[str, tuple[object, object]]:
        at = {"here": stage.place.channel or ALL_CHANNELS, "ben": (await stage.someone("ben")).member.key}.get(key, key)
        return {f"{kind} {key}": (stage.laid(kind, at), value)}

    return pairs


async def models_here(stage: Stage) -> Mapping[str, object]:
    rules = stage.potluck.running.registry.desk.rules.models(stage.place.community)
    assert rules.default == FREE
    return {"Default": FREE, "Asked in this order": f"{FREE}, openrouter/free", "Hidden": "–"}


async def named(stage: Stage) -> Sequence[object]:
    return [(await stage.someone("ben")).member, stage.place.community]


async def persona_here(stage: Stage) -> Sequence[object]:
    return [f"channel {stage.place.channel}", "Be a heron."]


async def channel_here(stage: Stage) -> Sequence[object]:
    return [f"channel {stage.place.channel}", "not answered"]


# --- the record ------------------------------------------------------------------------------------------


async def change_noted(stage: Stage) -> None:
    newest = await stage.newest_change()
    assert newest is not None
    stage.notes["change"] = str(newest.number)


async def newest_change(stage: Stage) -> Sequence[object]:
    newest = await stage.newest_change()
    assert newest is not None
    return [newest.number]


# --- owners ----------------------------------------------------------------------------------------------


async def this_community(stage: Stage) -> Sequence[object]:
    found = await stage.potluck.running.registry.desk.communities()
    (here,) = [one for one in found if one.community == stage.place.community]
    assert here.today > 0
    return [stage.place.community, here.members, here.today]


async def community_counts(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"weight": (stage.laid("weight", stage.place.community, everywhere=True), 3.0)}


# --- the community's account -----------------------------------------------------------------------------


async def key_made(stage: Stage) -> None:
    """The caller has made a key of the account that belongs to the community."""
    key = await key_of(stage.potluck, str(stage.place.community))
    stage.notes["key"] = key.get_secret_value()


async def the_community_has_a_key(stage: Stage) -> Mapping[str, tuple[object, object]]:
    key = await stage.potluck.running.community_keys.community_key(stage.place.community)
    return {"linked and works": (key is not None and key.works, True)}


async def the_community_has_none(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"linked": (await stage.potluck.running.community_keys.community_key(stage.place.community), None)}


async def its_key(stage: Stage) -> Mapping[str, object]:
    key = await stage.potluck.running.community_keys.community_key(stage.place.community)
    assert key is not None
    return {"Community": stage.place.community, "Key": f"…{key.last_four}", "Works": "yes"}


LINKED: Step = used("admin key paste", pasted=Noted("key"))


OF_ADMINS: Sequence[Case] = (
    *ABOUT_MEMBERS,
    Case(words="admin pool status", first=[asked("ben")], facts=pool_stands),
    Case(words="admin pool pause", by=OWNER, does=shut("admin"), says="paused"),
    Case(words="admin pool resume", by=OWNER, first=[used("admin pool pause", by=OWNER)], does=shut(None)),
    Case(words="admin pool limits", given={"rpm": 15, "rpd": 900}, by=OWNER, does=caps_hold, facts=caps_shown),
    Case(words="admin pool reserve", given={"units": 5, "until": "6h"}, by=OWNER, does=held_back(5), says="held back"),
    Case(words="admin pool reserve", given={"units": 0}, by=OWNER,
         first=[used("admin pool reserve", by=OWNER, units=5, until="6h")], does=held_back()),
    Case(words="admin paid allow", given={"who": BEN, "models": PAID}, does=rules(True), says="may use"),
    Case(words="admin paid deny", given={"who": EVERYBODY, "prompt_price": "1", "answer_price": "5"},
         does=rules(False), says="may not use"),
    Case(words="admin paid list", first=[BEN_MAY_SPEND], row=rule_shown),
    Case(words="admin paid forget", given={"rule": Noted("rule")}, first=[BEN_MAY_SPEND, rule_noted], does=rules()),
    Case(words="admin paid budget", given={"usd": "0.10", "per": "day", "of": "each"}, first=[COMMUNITY_MAY_SPEND],
         does=budget("day/*", "0.1"), says="$0.10"),
    Case(words="admin paid budget", given={"usd": "2.50"}, by=OWNER, does=budget("month/", "2.5"), says="$2.50"),
    Case(words="admin paid spent", given={"member": BEN, "then": "pay"}, by=OWNER, does=ben_pays, says="for money"),
    Case(words="admin key add", check=it_leads_to_openrouter, not_in=("shell",)),
    Case(words="admin key paste", given={"pasted": Noted("key")}, first=[key_made], does=the_community_has_a_key,
         facts=its_key, says="is linked"),
    Case(words="admin key show", first=[key_made, LINKED], facts=its_key),
    Case(words="admin key remove", first=[key_made, LINKED], does=the_community_has_none, for_good=True,
         says="deleted"),
    Case(words="admin models list", first=[used("admin models default", model=FREE)], facts=models_here),
    Case(words="admin models default", given={"model": FREE}, does=laid("models", MODELS, {"default": FREE}),
         says=FREE),
    Case(words="admin models chain", given={"models": FREE}, does=laid("models", MODELS, {"chain": [FREE]}), says=FREE),
    Case(words="admin models chain", first=[used("admin models chain", models=FREE)],
         does=laid("models", MODELS, None)),
    Case(words="admin models hide", given={"model": FREE}, does=laid("models", MODELS, {"hidden": [FREE]}), says=FREE),
    Case(words="admin models hide", given={"model": FREE, "show": True}, first=[used("admin models hide", model=FREE)],
         does=laid("models", MODELS, None)),
    Case(words="admin persona set", given={"text": "Be a heron.", "channel": Here()},
         does=laid("persona", "here", "Be a heron.")),
    Case(words="admin persona clear", given={"channel": Here()},
         first=[used("admin persona set", text="Be a heron.", channel=Here())], does=laid("persona", "here", None)),
    Case(words="admin persona list", first=[used("admin persona set", text="Be a heron.", channel=Here())],
         row=persona_here),
    Case(words="admin channels allow", given={"channel": Here()}, does=laid("channel", "here", "allow")),
    Case(words="admin channels deny", given={"channel": Here()}, does=laid("channel", "here", "deny")),
    Case(words="admin channels list", first=[used("admin channels deny", channel=Here())], row=channel_here),
    Case(words="admin admins add", given={"member": BEN}, does=laid("admin", "ben", True), says="manages"),
    Case(words="admin admins remove", given={"member": BEN}, first=[used("admin admins add", member=BEN)],
         does=laid("admin", "ben", None), says="no longer"),
    Case(words="admin admins list", first=[used("admin admins add", member=BEN)], row=named),
    Case(words="admin audit list", first=[TWICE], row=newest_change),
    Case(words="admin audit undo", given={"number": Noted("change")}, first=[TWICE, change_noted], does=no_terms,
         says="taken back"),
    Case(words="admin owner communities", first=[asked("ben")], row=this_community),
    Case(words="admin owner weight", given={"times": 3}, does=community_counts, says="3 times"),
)  # fmt: skip
"""As the members' ones."""
