"""What members do, on every platform where they can."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from bot.messages import ConversationId, ModelId
from bot.storage.tables import link_codes, linked_accounts, turns
from tests.contract.commands.bindings.binding import Everybody, Reply
from tests.contract.commands.stage import Case, Noted, Someone, Stage, asked, scarce, used
from tests.fakes.linking import challenge_in

BEN = Someone("ben")
FREE, OTHER = "sandbox/harbor-24b:free", "sandbox/lantern-70b:free"
PAID = "sandbox/lantern-70b"
SLOW = "sandbox:stall"


# --- talking ---------------------------------------------------------------------------------------------


async def conversations(stage: Stage) -> list[ConversationId]:
    """Those the caller has asked in."""
    member = (await stage.caller()).member
    wanted = select(turns.c.conversation).where(turns.c.member == member.key).distinct()
    return await stage.potluck.running.database.read(
        lambda connection: [ConversationId(one) for one in connection.scalars(wanted)]
    )


async def one_unit_is_taken(stage: Stage) -> Mapping[str, tuple[object, object]]:
    share = await stage.potluck.running.conversations.share((await stage.caller()).member, stage.place.community)
    return {"used": (share.used, 1), "conversations": (len(await conversations(stage)), 1)}


async def nothing_is_sent_along(stage: Stage) -> Mapping[str, tuple[object, object]]:
    (conversation,) = await conversations(stage)
    return {"turns": (await stage.potluck.running.conversations.turns(conversation), [])}


async def under_way(stage: Stage) -> None:
    await stage.binding.begin(stage.place, await stage.caller(), SLOW)
    while not (await stage.potluck.counted())["leases"].get("open"):
        await asyncio.sleep(0.1)


async def it_has_ended(stage: Stage) -> Mapping[str, tuple[object, object]]:
    running, member = stage.potluck.running, (await stage.caller()).member
    async with asyncio.timeout(5):
        while not running.conversations.idle(running.people.of(member)):
            await asyncio.sleep(0.1)
    return {"under way": ((running.scheduler.answering, running.scheduler.waiting), (0, 0))}


# --- where one stands ------------------------------------------------------------------------------------


async def my_share(stage: Stage) -> Mapping[str, object]:
    share = await stage.potluck.running.conversations.share((await stage.caller()).member, stage.place.community)
    assert share.used == 2
    return {"Used today": share.used, "Left now": share.left_now, "Left for sure": share.left_sure}


async def the_pool(stage: Stage) -> Mapping[str, object]:
    pool = await stage.potluck.running.conversations.pool(stage.place.community)
    assert pool.used > 0
    return {
        "Used today": f"{stage.shown(pool.used)} of {stage.shown(pool.rpd)}",
        "Left": pool.rpd - pool.used,
        "In line": 0,
        "Being answered": 0,
    }


# --- models ----------------------------------------------------------------------------------------------


async def chosen_models(stage: Stage) -> Mapping[str, object]:
    choices, caller = stage.potluck.running.choices, await stage.caller()
    assert choices.chosen(caller.member) == FREE
    default = stage.potluck.running.registry.desk.rules.models(stage.place.community).default
    return {"For you": FREE, "For this community": default or "nothing"}


async def free_is_chosen(stage: Stage) -> Mapping[str, tuple[object, object]]:
    chosen = stage.potluck.running.choices.chosen((await stage.caller()).member)
    return {"chosen": (chosen, ModelId(FREE))}


async def none_is_chosen(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"chosen": (stage.potluck.running.choices.chosen((await stage.caller()).member), None)}


async def goes_on_for_money(stage: Stage) -> Mapping[str, tuple[object, object]]:
    member = (await stage.caller()).member
    return {"pays": (stage.laid("pays", f"default/{member.key}", everywhere=True), True)}


# --- own keys --------------------------------------------------------------------------------------------


async def link_opened(stage: Stage) -> None:
    """The caller has opened the link, said yes there, and has the code."""
    reply = await stage.use("key add")
    (link,) = re.findall(r"https?://\S+", reply.text)
    member = (await stage.caller()).member
    stage.notes["code"] = stage.potluck.sandbox.grant(challenge_in(link), account=member.key)


async def linked(stage: Stage) -> None:
    await link_opened(stage)
    await stage.potluck.running.keys.finish((await stage.caller()).member, stage.notes["code"])


async def there_is_a_key(stage: Stage) -> Mapping[str, tuple[object, object]]:
    shown = await stage.potluck.running.keys.shown((await stage.caller()).member)
    return {"linked and works": (shown is not None and shown.works, True)}


async def there_is_no_key(stage: Stage) -> Mapping[str, tuple[object, object]]:
    return {"linked": (await stage.potluck.running.keys.shown((await stage.caller()).member), None)}


async def my_key(stage: Stage) -> Mapping[str, object]:
    shown = await stage.potluck.running.keys.shown((await stage.caller()).member)
    assert shown is not None
    return {"Key": f"…{shown.last_four}", "Works": "yes"}


async def it_leads_to_openrouter(stage: Stage, reply: Reply) -> None:
    (link,) = re.findall(r"https?://\S+", reply.text)
    assert "code_challenge" in parse_qs(urlsplit(link).query), link


# --- one person ------------------------------------------------------------------------------------------


async def code_offered(stage: Stage) -> None:
    """Ben has asked for a code, and the caller has it."""
    reply = await stage.use("link", by=BEN)
    (stage.notes["code"],) = re.findall(r"the code \W*([A-Z0-9-]{4,})", reply.text)


async def joined(stage: Stage) -> None:
    await code_offered(stage)
    await stage.use("link", code=Noted("code"), sure=True)


async def a_code_is_kept(stage: Stage) -> Mapping[str, tuple[object, object]]:
    wanted = select(link_codes.c.digest).where(link_codes.c.member == (await stage.caller()).member.key)
    found = await stage.potluck.running.database.read(lambda connection: list(connection.scalars(wanted)))
    return {"codes": (len(found), 1)}


async def they_are_one(stage: Stage) -> Mapping[str, tuple[object, object]]:
    accounts = stage.potluck.running.people.accounts((await stage.caller()).member)
    both = [(await stage.someone("ben")).member, (await stage.caller()).member]
    return {"accounts": (list(accounts), both)}


async def they_part(stage: Stage) -> Mapping[str, tuple[object, object]]:
    wanted = select(linked_accounts.c.parts_on).where(linked_accounts.c.account == (await stage.caller()).member.key)
    found = await stage.potluck.running.database.read(lambda connection: list(connection.scalars(wanted)))
    return {"parts on a day": ([one is not None for one in found], [True])}


# --- what is kept ----------------------------------------------------------------------------------------


async def my_turns(stage: Stage) -> Sequence[object]:
    kept = await stage.potluck.running.belongings.counted((await stage.caller()).member)
    assert kept["turns"] == 1
    return ["Questions with their answers", kept["turns"]]


async def it_is_all_of_it(stage: Stage, reply: Reply) -> None:
    (content,) = reply.files.values()
    told, member = json.loads(content), (await stage.caller()).member
    kept = await stage.potluck.running.belongings.counted(member)
    assert told["accounts"] == [member.key]
    assert {table: len(rows) for table, rows in told["kept"].items()} == kept
    assert told["kept"]["turns"][0]["question"] == "hello"


async def nothing_is_kept(stage: Stage) -> Mapping[str, tuple[object, object]]:
    key = repr((await stage.caller()).member.key)
    named = {table for table, rows in (await stage.dump()).items() if any(key in row for row in rows)}
    return {"tables with the name": (named, set())}


OF_MEMBERS: Sequence[Case] = (
    Case(words="ask", given={"question": "What is bread?"}, does=one_unit_is_taken, says="sandbox"),
    Case(words="new", first=[asked()], does=nothing_is_sent_along, says="A new conversation"),
    Case(words="stop", first=[under_way], does=it_has_ended, says="Stopped"),
    Case(words="stop", says="nothing here"),
    Case(words="quota", first=[asked(times=2), scarce(9)], facts=my_share),
    Case(words="pool", first=[asked()], facts=the_pool),
    Case(words="model show", first=[used("model set", by="anyone", model=FREE)], facts=chosen_models),
    Case(words="model set", given={"model": FREE}, does=free_is_chosen, says=FREE),
    Case(words="model set", given={"model": "any"}, first=[used("model set", by="anyone", model=OTHER)],
         does=none_is_chosen, says="Potluck chooses"),
    Case(words="model spent", says="you are told what going on would cost"),
    Case(
        words="model spent",
        given={"then": "pay"},
        first=[
            used("admin paid budget", by="owner", usd="5"),
            used("admin paid allow", by="owner", who=Everybody(), models=PAID),
        ],
        does=goes_on_for_money,
        says="go on for money",
    ),
    Case(words="key add", check=it_leads_to_openrouter),
    Case(words="key paste", given={"pasted": Noted("code")}, first=[link_opened], does=there_is_a_key, says="linked"),
    Case(words="key show", first=[linked], facts=my_key),
    Case(words="key show", says="no OpenRouter account"),
    Case(words="key remove", first=[linked], does=there_is_no_key, says="deleted"),
    Case(words="link", does=a_code_is_kept, says="With your other account"),
    Case(words="link", given={"code": Noted("code")}, first=[code_offered], says="Go on only if that is you"),
    Case(words="link", given={"code": Noted("code"), "sure": True}, first=[code_offered], does=they_are_one,
         says="one person"),
    Case(words="unlink", first=[joined], does=they_part, says="part"),
    Case(words="privacy show", first=[asked()], row=my_turns),
    Case(words="privacy export", first=[asked()], check=it_is_all_of_it),
    Case(words="privacy delete", says="cannot be undone"),
    Case(words="privacy delete", given={"sure": True}, first=[asked()], does=nothing_is_kept, says="Deleted"),
    Case(words="help", says="/privacy export"),
    Case(words="help", given={"command": "model set"}, says="Only you see the answer"),
)  # fmt: skip
"""In the order of the registry; the first of a command stands for it where one is enough."""
