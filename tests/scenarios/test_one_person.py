"""Two accounts that are one person: one share over two platforms, until they part, and nothing won by it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.clock import DAY, day_of
from bot.commands.answer import Answer, Next
from bot.commands.command import Caller
from bot.joining import CODE_SECONDS, TRIES
from bot.messages import CommunityId, IncomingMessage, Member
from bot.quota.terms import Block, MemberTerms, Terms
from bot.storage.tables import day_events, link_codes, member_days, turns
from tests.fakes.calling import Calling, code_of, facts, on_the_page, said
from tests.fakes.deployment import Deployment, Heard, deployment
from tests.fakes.linking import key_of
from tests.fakes.office import lay_down
from tests.fakes.virtual import VirtualClock

pytestmark = pytest.mark.virtual

PAGE, CHAT = Member("web", "ann"), Member("discord", "17")
GUILD = CommunityId("discord:g")
FAIR = {"fair_policy": "fair", "pool_rpd": "12", "promise_units": "0"}
IN_CHAT = Caller(member=CHAT, name="Ann", community=GUILD, standing="full")


@asynccontextmanager
async def potluck_with_commands(
    folder: Path, clock: VirtualClock, **env: str
) -> AsyncIterator[tuple[Deployment, Calling]]:
    async with deployment(folder, clock, env=FAIR | env) as potluck:
        yield potluck, Calling(potluck)
        await potluck.quiet()


def in_chat(potluck: Deployment, text: str = "hello") -> IncomingMessage:
    return replace(potluck.message("ann", text), author=CHAT, community=GUILD)


async def in_chat_asked(potluck: Deployment) -> Heard:
    return await potluck.hear(in_chat(potluck))


async def linked(call: Calling) -> Answer:
    """The page's account and the chat's become one person; the page's is the first."""
    code = await code_of(call, on_the_page("ann"))
    answer = await call("link", IN_CHAT, code=code, sure=True)
    assert answer.ok, said(answer)
    return answer


async def used(potluck: Deployment, member: Member) -> int:
    return (await potluck.running.conversations.share(member, CommunityId("web"))).used


async def taken(potluck: Deployment, *members: Member) -> int:
    """Units charged to these today, by the database."""
    today = day_of(potluck.clock.now())
    wanted = select(member_days.c.member, member_days.c.taken).where(member_days.c.day == today)
    rows = await potluck.running.database.read(lambda connection: connection.execute(wanted).all())
    return sum(row.taken for row in rows if row.member in {member.key for member in members})


async def test_two_accounts_have_one_share_and_one_history(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        for _ in range(2):
            await potluck.ask("ann")
        await in_chat_asked(potluck)
        assert (await used(potluck, PAGE), await used(potluck, CHAT)) == (2, 1), "the control: two persons"
        answer = await linked(call)
        assert await used(potluck, PAGE) == await used(potluck, CHAT) == 3 == await taken(potluck, PAGE)
        assert facts(answer)["First account"] == PAGE.key
        share = potluck.running.conversations.share
        assert await share(PAGE, CommunityId("web")) == await share(CHAT, CommunityId("web"))
        await in_chat_asked(potluck)
        assert await used(potluck, PAGE) == 4 == await taken(potluck, PAGE)
        assert facts(await call("quota", IN_CHAT))["Used today"] == 4
        before = await share(PAGE, CommunityId("web"))
        rows = await potluck.running.database.read(
            lambda connection: connection.scalars(select(turns.c.member).distinct()).all()
        )
        assert rows == [PAGE.key]
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        assert await potluck.running.conversations.share(CHAT, CommunityId("web")) == before, (
            "a restart changes nothing"
        )


async def test_they_part_at_midnight_and_until_then_share_one_share(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        assert not (await call("unlink", "ann")).ok, "there is nothing to part"
        await potluck.ask("ann")
        await in_chat_asked(potluck)
        await linked(call)
        parting = await call("unlink", IN_CHAT)
        assert parting.ok, said(parting)
        await in_chat_asked(potluck)
        assert await used(potluck, PAGE) == await used(potluck, CHAT) == 3
        await asyncio.sleep(DAY - clock.now() % DAY + 200)
        await in_chat_asked(potluck)
        assert (await used(potluck, PAGE), await used(potluck, CHAT)) == (0, 1)
        names = await potluck.running.database.read(
            lambda connection: connection.scalars(
                select(day_events.c.member).distinct().where(day_events.c.day < day_of(clock.now()))
            ).all()
        )
        assert names == [PAGE.key], "the days before stay the person's"


async def test_a_day_that_ended_while_nothing_ran_parts_them_too(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        await linked(call)
        await call("unlink", "ann", account=CHAT.key)
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        assert potluck.running.people.of(CHAT) == PAGE
    clock.start += DAY
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        assert potluck.running.people.of(CHAT) == CHAT


async def test_who_links_again_before_midnight_stays_together(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        await linked(call)
        assert not (await call("link", IN_CHAT, code=await code_of(call, on_the_page("ann")), sure=True)).ok
        await call("unlink", "ann")
        await linked(call)
        await asyncio.sleep(DAY)
        assert potluck.running.people.of(CHAT) == PAGE


async def test_a_code_is_good_once_for_a_while_and_asks_first(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        code = await code_of(call, on_the_page("ann"))
        kept = await potluck.running.database.read(lambda connection: connection.execute(select(link_codes)).all())
        assert len(kept) == 1
        assert code.replace("-", "") not in str(kept)
        asked = await call("link", IN_CHAT, code=code.lower().replace("-", " "))
        assert asked.ok
        assert any(PAGE.key in sentence for sentence in said(asked)), "it says whose it is"
        step = next(part for part in asked.parts if isinstance(part, Next))
        assert potluck.running.people.of(CHAT) == CHAT, "and joins nothing yet"
        assert not (await call("link", "ann", code=code, sure=True)).ok, "not with oneself"
        assert (await call.registry.run(step.path, step.values, IN_CHAT)).ok
        assert not (await call("link", "ben", code=code, sure=True)).ok, "good once"
        late = await code_of(call, on_the_page("cy"))
        await asyncio.sleep(CODE_SECONDS)
        assert not (await call("link", "ben", code=late, sure=True)).ok
        first, second = await code_of(call, on_the_page("cy")), await code_of(call, on_the_page("cy"))
        assert not (await call("link", "ben", code=first)).ok, "a new one takes the place of the old"
        assert (await call("link", "ben", code=second)).ok


async def test_guessing_is_stopped_and_stops_nobody_else(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (_, call):
        code = await code_of(call, on_the_page("ann"))
        for guess in range(TRIES):
            wrong = await call("link", "eve", code=f"22222-2222{guess + 3}")
            assert not wrong.ok
            assert "wrong" in said(wrong)[0]
        right = await call("link", "eve", code=code, sure=True)
        assert "Too many" in said(right)[0], "even the right one is not looked at"
        assert (await call("link", IN_CHAT, code=code)).ok
        await asyncio.sleep(CODE_SECONDS + 1)
        assert "wrong" in said(await call("link", "eve", code=code))[0]


async def test_many_guessers_together_are_stopped(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (_, call):
        answers = [said(await call("link", f"bot{number % 50}", code="zzzzz-zzzzz"))[0] for number in range(100)]
        assert sum("is wrong" in answer for answer in answers) == 60
        assert all("Too many" in answer for answer in answers[60:])


async def test_they_are_not_joined_while_a_question_is_under_way(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        code = await code_of(call, on_the_page("ann"))
        for asking in (in_chat(potluck), potluck.message("ann")):
            under_way = asyncio.create_task(potluck.hear(asking))
            await asyncio.sleep(0.5)
            assert not (await call("link", IN_CHAT, code=code, sure=True)).ok
            assert (await under_way).error is None
        assert (await call("link", IN_CHAT, code=code, sure=True)).ok, "the code has stayed good"
        assert await used(potluck, PAGE) == 2


async def test_what_is_asked_while_they_are_joined_is_the_persons(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        await potluck.ask("ann")
        code = await code_of(call, on_the_page("ann"))
        joining = asyncio.create_task(call("link", IN_CHAT, code=code, sure=True))
        asking: list[asyncio.Task[Heard]] = []
        while not joining.done():
            if len(asking) < 3:
                asking.append(asyncio.create_task(potluck.hear(in_chat(potluck))))
            await asyncio.sleep(0)
        heard = await asyncio.gather(*asking)
        assert {one.error for one in heard} == {None}
        done = joining.result().ok
        counted = 1 + len(heard)
        assert (await used(potluck, PAGE), await taken(potluck, PAGE)) == ((counted, counted) if done else (1, 1))
        assert await taken(potluck, PAGE, CHAT) == counted


async def test_terms_of_both_hold_for_the_person_and_parting_undoes_no_admins_word(
    tmp_path: Path, clock: VirtualClock
) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        terms = Terms(members={CHAT.key: MemberTerms(every_day=2), PAGE.key: MemberTerms(every_day=1, weight=0.5)})
        await lay_down(potluck.running, terms)
        await linked(call)
        held = potluck.running.pools.default.scheduler.terms.member(PAGE.key)
        assert (held.every_day, held.weight) == (2, 0.5), "grants do not add up, and what holds back goes on to"
        assert not (await call("unlink", "ann")).ok
        await lay_down(potluck.running, Terms(members={CHAT.key: MemberTerms(block=Block())}))
        assert (await potluck.ask("ann")).error == "member_blocked"
        assert (await in_chat_asked(potluck)).error == "member_blocked"
        await lay_down(potluck.running, Terms())
        assert (await call("unlink", "ann")).ok, "the control"


async def test_a_key_goes_along(tmp_path: Path, clock: VirtualClock) -> None:
    async with potluck_with_commands(tmp_path, clock) as (potluck, call):
        await potluck.running.keys.paste(CHAT, await key_of(potluck, "anns"))
        assert (await call("key show", "ann")).parts[0] != (await call("key show", IN_CHAT)).parts[0]
        await linked(call)
        assert (await call("key show", "ann")).parts[0] == (await call("key show", IN_CHAT)).parts[0]
        await potluck.ask("ann")
        assert [attempt.account for attempt in potluck.sandbox.log] == ["anns"]
        assert await used(potluck, PAGE) == 0


async def many_days(folder: Path, clock: VirtualClock, *, link: bool, seed: int) -> tuple[int, int]:
    """Days of asking with both accounts, linking and parting at random. Returns how many questions of a person whose
    accounts were one were let through, and how often the two accounts together had taken more than one may have."""
    chance, admitted, over = random.Random(seed), 0, 0
    async with potluck_with_commands(folder, clock, pool_rpd="8", pool_rpm="1000") as (potluck, call):
        for _ in range(10):
            for _ in range(14):
                clock.skew += chance.uniform(60, 3600)
                step = chance.choice(("page", "chat", "page", "chat", "page", "chat", "other", "link", "unlink"))
                if step == "other":
                    await potluck.ask(chance.choice(("ben", "cy", "di")))
                elif step == "link" and link:
                    code = await code_of(call, on_the_page("ann"))
                    await call("link", IN_CHAT, code=code, sure=True)
                elif step == "unlink" and link:
                    await call("unlink", chance.choice((on_the_page("ann"), IN_CHAT)))
                elif step in ("page", "chat"):
                    message = potluck.message("ann") if step == "page" else in_chat(potluck)
                    person = potluck.running.people.of(message.author)
                    reasons = potluck.running.pools.default.scheduler.decision(person, message.community)
                    before = await taken(potluck, PAGE, CHAT)
                    assert reasons is not None
                    heard = await potluck.hear(message)
                    if heard.error is None and (not link or potluck.running.people.of(CHAT) == PAGE):
                        admitted += 1
                        over += before + 1 > -(-reasons.level // 1)
                        assert not link or reasons.taken == before
            await potluck.running.pools.default.scheduler.close()
            clock.skew += DAY - clock.now() % DAY + 300
            await potluck.running.joining.turn()
    return admitted, over


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))])
async def test_no_linking_and_parting_lets_a_person_take_more_than_one_could(
    tmp_path: Path, clock: VirtualClock, seed: int
) -> None:
    for name in ("linked", "apart"):
        (tmp_path / name).mkdir()
    admitted, over = await many_days(tmp_path / "linked", clock, link=True, seed=seed)
    assert admitted > 5
    assert over == 0
    _, over = await many_days(tmp_path / "apart", clock, link=False, seed=seed)
    assert over > 0, "the control: two persons do take more than one"
