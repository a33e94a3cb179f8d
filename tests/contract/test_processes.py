"""Several processes over one pool: one line, one day, one minute, whoever of them a member asks."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sqlalchemy import func, select

from bot.choices import Choice
from bot.clock import Instant, day_of
from bot.conversation.held import HeldQuestion
from bot.messages import ConversationId, IncomingMessage, MessageId, ModelId, TicketId
from bot.quota.board import Behind, Change, Cursor
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import Caps, Lease, Outcome
from bot.quota.measure import max_min_ratio
from bot.routing.access import Reach, ToMember
from bot.storage import tables
from bot.storage.access import SqlAccess
from bot.storage.board import SqlBoard
from bot.storage.choices import SqlChoices
from bot.storage.database import DEAD
from bot.storage.fingerprint import fingerprint
from bot.storage.held import SqlHeldQuestions
from bot.storage.ledger import SqlLedger
from bot.storage.money import SqlMoney
from bot.storage.tables import line_changes
from tests.contract.ledger.claims import claim
from tests.contract.processes import POOL, WEB, Process, asked, member, process, processes
from tests.fakes.databases import PostgresServer, opened
from tests.fakes.deployment import most_in_any
from tests.fakes.virtual import VirtualClock, VirtualLoop

pytestmark = pytest.mark.virtual

QUESTIONS = [
    *((0.01 * number, number % 40) for number in range(60)),
    *((5.0 + 0.1 * number, 0) for number in range(40)),  # one floods
    *((30.0 + 0.3 * number, 40 + number % 20) for number in range(60)),
]
"""40 at once, a flood, and 20 who come late."""


async def test_four_share_a_minute_and_a_day_as_one_does(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps, ratios = Caps(rpm=60, rpd=120), []
    wanted = Counter(member(who).key for _, who in QUESTIONS)
    for number in (1, 4):
        async with processes(postgres, clock, loop, number=number, caps=caps) as found:
            given = await asked(found, QUESTIONS)
            moments = [at for process in found for at, _ in process.sent]
            assert most_in_any(60, moments) <= caps.rpm
            assert len(moments) <= caps.rpd
            standing = await found[0].ledger.standing(POOL, day_of(clock.now()))
            assert standing.used == len(moments) == sum(given.values())
            await asyncio.sleep(2.5)
            assert {process.scheduler.used_here for process in found} == {len(moments)}, "all know of everything"
            assert {process.scheduler.waiting for process in found} == {0}
            assert {process.scheduler.answering for process in found} == {0}
            ratios.append((max_min_ratio(wanted, given, caps.rpd), len(moments)))
    (alone, alone_used), (together, together_used) = ratios
    assert together >= alone - 0.01, ratios
    assert together_used >= alone_used - 1, ratios


async def test_who_waits_in_one_is_not_overtaken_by_a_flood_in_another(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps = Caps(rpm=4, rpd=100)
    async with processes(postgres, clock, loop, number=2, caps=caps) as (one, two):
        flood = [asyncio.create_task(one.ask(member(0))) for _ in range(10)]
        await asyncio.sleep(20)
        patient = [asyncio.create_task(two.ask(member(number))) for number in (1, 2, 3)]
        await asyncio.gather(*patient)
        started = [who.user for _, who in sorted(one.sent + two.sent, key=lambda sent: sent[0])]
        assert started[1:].index("m3") <= 5, started
        assert all(await asyncio.gather(*flood))


async def test_a_member_has_one_share_whichever_process_is_asked(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    totals = []
    for number in (1, 2):
        async with processes(postgres, clock, loop, number=number, caps=Caps(rpm=100, rpd=20)) as found:
            answered = await asyncio.gather(*(process.ask(member(0)) for process in found * (12 // number)))
            totals.append(sum(answered))
    assert totals[1] == totals[0] < 12, totals


async def test_a_message_that_two_processes_have_is_answered_by_one(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=Caps(rpm=100, rpd=100)) as found:
        answered = await asyncio.gather(*(process.ask(member(0), "the same") for process in found))
        assert sorted(answered) == [False, True]
        await asyncio.sleep(3)
        assert {process.scheduler.used_here for process in found} == {1}


def waiting(board: SqlBoard, number: int, clock: VirtualClock) -> Change:
    return Change(
        process=board.process,
        number=number,
        state="waiting",
        member=member(number),
        community=WEB,
        weight=1.0,
        tag=0.0,
        place=number,
        at=clock.now(),
    )


async def test_what_a_dead_process_left_is_given_up_within_seconds(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps = Caps(rpm=2, rpd=100)
    async with processes(postgres, clock, loop, number=1, caps=caps) as (living,):
        await asyncio.sleep(10)
        async with opened(living.address, clock, loop) as database:
            ledger = SqlLedger(database, clock)
            dying = SqlBoard(database, ledger, SqlMoney(database, clock), clock)
            await dying.join()

            def event(kind: EventKind, who: int) -> DayEvent:
                return DayEvent(kind=kind, at=Instant(clock.now()), member=member(who), community=WEB)

            kinds = (EventKind.ASKED, EventKind.LET_THROUGH)
            await dying.change(POOL, waiting(dying, 1, clock), [event(kind, 1) for kind in kinds])
            sent = [event(kind, 2) for kind in (*kinds, EventKind.SENT)]
            lease = await dying.reserve(claim(member(2)), caps, sent, seen=None, started=None)
            assert isinstance(lease, Lease)
            began = clock.now()
            asking = asyncio.create_task(living.ask(member(3)))
            await asyncio.sleep(2)
            assert (living.scheduler.waiting, living.scheduler.answering) == (2, 1), "the other's counts"
            assert await asking, "and is not waited for"
            assert living.sent[0][0] - began <= 3
            await asyncio.sleep(began + DEAD + 3 - clock.now())
            assert (living.scheduler.waiting, living.scheduler.answering) == (0, 0)
            assert living.scheduler.used_here == 2, "what may have been sent is spent"
            assert living.scheduler.share(member(2), WEB).used == 0, "and the member has it back"
            # It was not dead after all: it is told, and nothing is counted twice.
            await ledger.settle(lease, Outcome(result="answered", whole=True, answer="late"))
            standing = await living.ledger.standing(POOL, day_of(clock.now()))
            assert standing.used == 2


async def test_who_has_had_a_turn_has_had_it_in_a_process_that_begins_later(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps = Caps(rpm=1, rpd=100)
    async with processes(postgres, clock, loop, number=1, caps=caps) as (one,):
        first = [asyncio.create_task(one.ask(member(number))) for number in (0, 1, 2)]
        await asyncio.sleep(70)
        assert [who.user for _, who in one.sent] == ["m0", "m1"]
        async with process(one.address, clock, loop, caps) as later:
            # The second had waited for its turn, and has had it; whoever is new comes before.
            again = [asyncio.create_task(later.ask(member(number))) for number in (1, 3)]
            await asyncio.gather(*first, *again)
            sent = sorted(one.sent + later.sent, key=lambda sent: sent[0])
            assert [who.user for _, who in sent] == ["m0", "m1", "m2", "m3", "m1"]


async def test_who_is_alone_gives_a_sign_less_often_and_is_woken_by_who_joins(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps = Caps(rpm=20, rpd=100)

    async def signs(of: Process, seconds: int) -> int:
        seen = select(tables.processes.c.seen_at).where(tables.processes.c.id == of.board.process)
        moments = set[int]()
        for _ in range(seconds * 4):
            moments.add(await of.database.read(lambda core: int(core.scalar(seen) or 0)))
            await asyncio.sleep(0.25)
        return len(moments)

    async with processes(postgres, clock, loop, number=1, caps=caps) as (one,):
        await asyncio.sleep(DEAD + 2)
        found = [one.board.alone]
        assert await signs(one, 12) <= 5
        async with process(one.address, clock, loop, caps) as later:
            await asyncio.sleep(0.5)
            found.append(one.board.alone)
            assert await signs(one, 12) >= 12, "the control"
            assert await later.ask(member(0))
            await asyncio.sleep(1.5)
            assert one.scheduler.used_here == 1
        await asyncio.sleep(2 * DEAD + 4)  # taken for dead after the first, and nobody heard of for the second
        assert [*found, one.board.alone] == [True, False, True]


async def test_what_became_of_tickets_is_forgotten_in_time(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=1, caps=Caps(rpm=20, rpd=100)) as (one,):
        kept = select(func.count()).select_from(line_changes)
        await asyncio.sleep(2)
        assert await one.ask(member(0))
        assert await one.database.read(lambda core: core.scalar(kept)) == 1
        clock.skew = 3700.0  # an hour, without living through it
        await asyncio.sleep(70)
        assert await one.database.read(lambda core: core.scalar(kept)) == 0


async def test_nothing_is_reserved_by_who_has_not_heard_of_everything(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    caps = Caps(rpm=20, rpd=100)
    async with processes(postgres, clock, loop, number=2, caps=caps) as (one, two):
        await asyncio.sleep(1)
        await one.ask(member(0))
        found = await two.board.reserve(claim(member(1)), caps, [], seen=Cursor(), started=None)
        assert isinstance(found, Behind)
        assert [event.kind for _, event in found.news.events][:3] == ["asked", "let_through", "sent"]
        assert isinstance(await two.board.reserve(claim(member(1)), caps, [], seen=None, started=None), Lease), (
            "control"
        )


async def test_a_connection_is_one_processes_until_it_ends_or_is_not_heard_of(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    alive = processes(postgres, clock, loop, number=2, caps=Caps(rpm=20, rpd=100))
    async with alive as (one, two), opened(one.address, clock, loop) as database:
        ending = SqlBoard(database, SqlLedger(database, clock), SqlMoney(database, clock), clock)
        await ending.join()
        assert await ending.living.claim("discord")
        assert await ending.living.claim("discord"), "it has it already"
        assert not await one.board.living.claim("discord")
        await ending.part()
        assert await one.board.living.claim("discord")
        assert not await two.board.living.claim("discord")
        assert await two.board.living.claim("slack"), "another one is another's"
        # One that gives no sign of life for too long loses what it had, and is told when it is back.
        await ending.join()
        assert await ending.living.claim("web")
        assert not await one.board.living.claim("web")
        await asyncio.sleep(DEAD + 1)
        assert await one.board.living.claim("web")
        assert not ending.living.lost.is_set()
        await ending.join()
        assert ending.living.lost.is_set()
        assert not one.board.living.lost.is_set()


async def test_what_a_dead_process_held_is_anothers_and_of_one_alone(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with (
        processes(postgres, clock, loop, number=2, caps=Caps(rpm=20, rpd=100)) as (one, two),
        opened(one.address, clock, loop) as first,
        opened(one.address, clock, loop) as second,
    ):
        dying = SqlBoard(first, SqlLedger(first, clock), SqlMoney(first, clock), clock)
        await dying.join()
        await SqlHeldQuestions(first).add(held("t1", clock))
        heirs = [SqlHeldQuestions(process.database) for process in (one, two)]
        assert [await heir.left_behind() for heir in heirs] == [[], []]
        assert await SqlHeldQuestions(first).left_behind() == [], "its own is no news to it"
        await asyncio.sleep(DEAD + 1)
        found = [question.ticket for heir in heirs for question in await heir.left_behind()]
        assert found == ["t1"]
        assert await SqlHeldQuestions(second).left_behind() == []


async def test_what_another_process_has_changed_is_noticed(
    postgres: PostgresServer, clock: VirtualClock, loop: VirtualLoop
) -> None:
    async with processes(postgres, clock, loop, number=2, caps=Caps(rpm=20, rpd=100)) as (one, two):
        before = await fingerprint(one.database)
        assert await fingerprint(one.database) == before, "the control"
        await SqlChoices(two.database, clock).put(member(1), Choice(model=ModelId("acme/one"), by=member(1)))
        chosen = await fingerprint(one.database)
        assert chosen != before
        await SqlAccess(two.database, POOL).add(allows=True, to=ToMember(member(1)), reach=Reach())
        assert await fingerprint(one.database) != chosen


def held(ticket: str, clock: VirtualClock) -> HeldQuestion:
    message = IncomingMessage(
        id=MessageId(f"web:{ticket}"),
        conversation=ConversationId("web/m1/c"),
        community=WEB,
        author=member(1),
        author_name="m1",
        place="a test",
        text="why?",
        received_at=clock.now(),
    )
    return HeldQuestion(ticket=TicketId(ticket), message=message, held_at=clock.now())
