"""A run of the service without its outside: the scheduler, its line and its sharing, over virtual time.

What decides here is what decides in service: `Scheduler` with the policy's `Days` and `Line`, the ledger in memory,
and `Holding` for what the share refuses. Only the people and OpenRouter are made up: each request of the traffic is
one question, each answer takes the same time, and some fail. All days are one run, so that each becomes the next
ones' history as it does in service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from random import Random
from typing import TypeAlias, assert_never

from bot.backlog import Backlog
from bot.clock import Clock, Instant, day_of, day_start
from bot.conversation.exchange import Exchange
from bot.conversation.held import Ended, HeldQuestion
from bot.conversation.holding import Holding, OneLine
from bot.errors import AnswerFailed, Refused
from bot.messages import (
    CommunityId,
    ConversationId,
    Ending,
    Failed,
    Finished,
    IncomingMessage,
    Member,
    MessageId,
    ModelId,
    TicketId,
)
from bot.ports import Turn
from bot.quota.board import Board
from bot.quota.day import PROMISE_SECONDS
from bot.quota.events import DayEvent, EventKind
from bot.quota.gate import MIDNIGHT
from bot.quota.ledger import Caps, Claim, Lease, Ledger, Outcome, PoolId, Question
from bot.quota.level import HOLDING, PLAIN
from bot.quota.line import FairLine, FirstCome
from bot.quota.memory import MemoryLedger
from bot.quota.ruled import RuledDays
from bot.quota.rules import FixedShare, Pacing
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import Days, FairDays, FirstComeDays
from bot.quota.simulated import Event, Fate, Happened, Looked, Promises, Setting
from bot.quota.traffic import Request
from bot.quota.virtual_time import VirtualLoop

LOOK_EVERY = 300.0

POOL = PoolId("simulated")
_MODEL = ModelId("simulated")
_PLATFORM = "trace"
_STRANGER = Member("nobody", "stranger")
Kept: TypeAlias = Callable[[Clock], AbstractAsyncContextManager[tuple[Ledger, Board | None]]]
"""Where leases are kept, and `POOL` is known; with a board, where other processes are told of tickets besides."""


@asynccontextmanager
async def in_memory(clock: Clock) -> AsyncIterator[tuple[Ledger, Board | None]]:
    """Nowhere else."""
    ledger = MemoryLedger(clock)
    await ledger.add_pool(POOL)
    yield ledger, None


def simulate(
    setting: Setting,
    requests: Sequence[Request],
    *,
    history: Sequence[Request] = (),
    tell: Callable[[Happened], None] = lambda _: None,
    day_over: Callable[[int], None] = lambda _: None,
    look: Callable[[Looked], None] | None = None,
    promises: Promises | None = None,
    days: Days | None = None,
    kept: Kept = in_memory,
    loop: Callable[[Instant], VirtualLoop] = VirtualLoop,
) -> list[Fate]:
    """Run requests, which are in order of time, and tell each event as it happens.

    `history` are the requests of earlier days, known only as having been asked. With `look` it is told every
    LOOK_EVERY seconds how things stand, which takes its time and changes nothing. Promises are counted into `promises`.
    `days`: how each day is shared, if not as the policy has it. `kept`: where leases and tickets are kept; what works
    in threads for that needs a `loop` that waits for them.
    """
    if not requests:
        return []
    clock = loop(day_start(requests[0].day))

    async def run() -> list[Fate]:
        async with kept(clock) as (ledger, board):
            told = Promises() if promises is None else promises
            here = _Run(setting, clock, tell, day_over, look, told, days or _days(setting), ledger, board)
            return await here.run(requests, history)

    with asyncio.Runner(loop_factory=lambda: clock) as runner:
        return runner.run(run())


class _Run:
    def __init__(
        self,
        setting: Setting,
        clock: VirtualLoop,
        tell: Callable[[Happened], None],
        day_over: Callable[[int], None],
        look: Callable[[Looked], None] | None,
        promises: Promises,
        days: Days,
        ledger: Ledger,
        board: Board | None,
    ) -> None:
        self._setting, self._clock, self._promises = setting, clock, promises
        self._tell, self._day_over, self._look = tell, day_over, look
        self._ledger = ledger
        self._scheduler = Scheduler(
            pool=POOL,
            caps=Caps(rpm=setting.rpm, rpd=setting.rpd),
            line=FirstCome() if setting.policy == "fcfs" else FairLine(),
            days=days,
            ledger=self._ledger,
            clock=clock,
            max_wait=setting.patience,
            board=board,
        )
        self._holding = Holding(
            backlog=Backlog(),
            lines=OneLine(self._scheduler),
            questions=_NotKept(),
            clock=clock,
            answer=self._answer_held,
        )
        self._held: dict[MessageId, Fate] = {}
        """Of today."""
        self._promised_until: dict[str, list[Instant]] = {}
        """By member, for each unit promised and not yet asked for."""

    async def run(self, requests: Sequence[Request], history: Sequence[Request]) -> list[Fate]:
        await self._ledger.note(
            POOL,
            [
                DayEvent(kind=EventKind.ASKED, at=past.at, member=_member(past), community=CommunityId(past.community))
                for past in history
            ],
        )
        await self._scheduler.open()
        await self._holding.open()
        for_room = asyncio.create_task(self._holding.watch())
        fates: list[Fate] = []
        day = requests[0].day
        looking = None if self._look is None else asyncio.create_task(self._look_around(self._look, fates))
        async with asyncio.TaskGroup() as asking:
            for request in requests:
                while day < request.day:
                    day = await self._to_the_end_of(day)
                await self._clock.until(request.at)
                fates.append(Fate(request))
                asking.create_task(self._ask(fates[-1]))
            await self._to_the_end_of(day)
        if looking is not None:
            looking.cancel()
        # The last answers to held questions: sent before midnight, they end this long after it at the latest.
        await asyncio.sleep(self._setting.service_seconds + 1)
        for_room.cancel()
        await self._holding.close()
        await self._scheduler.close()
        return fates

    async def _to_the_end_of(self, day: int) -> int:
        """What is still held then has had its day; `Holding` finds that out with its next look."""
        await self._clock.until(day_start(day + 1))
        for fate in self._held.values():
            if fate.sent_at is None:
                self._end(fate, "expired")
        self._held.clear()
        self._day_over(day)
        return day + 1

    async def _look_around(self, look: Callable[[Looked], None], fates: Sequence[Fate]) -> None:
        """Where communities share by themselves, as the first of the day sees it."""
        while True:
            now = self._clock.now()
            today = [fate for fate in fates if fate.request.day == day_of(now)]
            if today:
                community = CommunityId(today[0].request.community)
                served = next((fate for fate in today if fate.sent_at is not None and fate.ending != "failed"), None)
                look(
                    Looked(
                        at=now,
                        first=self._scheduler.share(_STRANGER, community).level,
                        more=self._level_of(served.request) if served is not None else None,
                        used=self._scheduler.used,
                    )
                )
            # Between the whole seconds at which things happen: the same moments whoever else is woken then.
            await asyncio.sleep(LOOK_EVERY - (now - 0.5) % LOOK_EVERY)

    def _level_of(self, request: Request) -> float:
        return self._scheduler.share(_member(request), CommunityId(request.community)).level

    # --- one request -------------------------------------------------------------------------------------

    async def _ask(self, fate: Fate) -> None:
        request = fate.request
        self._happens(fate, "asked")
        promised = self._redeem(request)
        refusal = await self._answer(fate, again=False)
        if refusal is None:
            return
        self._promises.broken += promised
        if self._may_hold(refusal, _member(request)):
            fate.held = True
            self._happens(fate, "held")
            message = _message(request)
            self._held[message.id] = fate
            await self._holding.wait(message)
        else:
            self._end_refused(fate, refusal)

    def _may_hold(self, refusal: Refused, member: Member) -> bool:
        return self._setting.hold and refusal.code == "daily_share_spent" and self._holding.may_hold(member)

    async def _answer_held(self, exchange: Exchange) -> Ending:
        fate = self._held[exchange.first.id]
        refusal = await self._answer(fate, again=True)
        share = self._scheduler.share(exchange.first.author, exchange.first.community)
        if refusal is not None:
            if refusal.code != "daily_share_spent":
                self._end_refused(fate, refusal)
            return Failed(error=refusal, share=share)
        if fate.ending == "failed":
            return Failed(error=AnswerFailed("upstream_failed"), share=share)
        return Finished(model=_MODEL, lane="free", attempts=1 + fate.retried, share=share)

    async def _answer(self, fate: Fate, *, again: bool) -> Refused | None:
        """Wait for a turn and answer, with a second attempt if the first fails. Returns why it never was sent."""
        try:
            lease = await self._lease(fate, again=again)
        except Refused as refusal:
            return refusal
        fate.sent_at = self._clock.now()
        self._happens(fate, "sent")
        if await self._attempt(fate, lease):
            return None
        second = await self._scheduler.retry(lease, Outcome(result="failed"), _claim(fate.request))
        if second is not None:
            fate.retried = True
            self._happens(fate, "retried")
            if await self._attempt(fate, second):
                return None
        await self._scheduler.settle(second or lease, Outcome(result="failed", give_back=True))
        self._end(fate, "failed")
        return None

    async def _lease(self, fate: Fate, *, again: bool) -> Lease:
        """The right to send it, today.

        Raises:
            Refused: there is none.
        """
        request, midnight = fate.request, day_start(fate.request.day + 1)
        if self._clock.now() >= midnight:
            raise Refused("hold_expired")
        member, community = _member(request), CommunityId(request.community)
        admitting = self._scheduler.admit(member, community, lambda: _claim(request), again=again)
        try:
            async with asyncio.timeout_at(midnight), aclosing(admitting) as steps:
                async for step in steps:
                    if isinstance(step, Lease):
                        return step
                    if not fate.queued:
                        fate.queued = True
                        self._happens(fate, "queued")
        except TimeoutError:
            raise Refused("hold_expired") from None
        raise AssertionError("the line let a ticket go without a lease")

    async def _attempt(self, fate: Fate, lease: Lease) -> bool:
        """Send, and settle if it is answered. False: it failed, and the lease is still open."""
        self._scheduler.sent(lease)
        await asyncio.sleep(self._setting.service_seconds)
        chance = Random(f"{self._setting.seed}/{fate.request.id}/{lease.attempt}").random()  # noqa: S311  # no secret
        if chance < self._setting.failures:
            return False
        before = self._promised(fate.request)
        await self._scheduler.settle(lease, Outcome(result="answered"))
        promised = self._promised(fate.request)
        self._promises.given += max(0, promised - before)
        # Kept here as the member was told it: whoever breaks a promise may have forgotten it.
        over = Instant(min(self._clock.now() + PROMISE_SECONDS, day_start(day_of(self._clock.now()) + 1) - MIDNIGHT))
        self._promised_until[fate.request.user] = [over] * promised
        self._end(fate, "answered")
        return True

    def _redeem(self, request: Request) -> bool:
        """A question is asked: a unit that its member was promised is for this one."""
        promised = self._promised_until.get(request.user, [])
        return bool(promised) and self._clock.now() < promised.pop()

    def _promised(self, request: Request) -> int:
        """Units set aside for the member now."""
        if not self._setting.promise_units:
            return 0
        return self._scheduler.share(_member(request), CommunityId(request.community)).left_sure

    def _end_refused(self, fate: Fate, refusal: Refused) -> None:
        """What the day's end cuts off has expired. What waited too long for the minute before that is refused."""
        self._end(fate, "expired" if refusal.code == "hold_expired" else "refused")

    def _end(self, fate: Fate, ending: Event) -> None:
        if fate.ending is None:
            fate.ending = ending
            self._happens(fate, ending)

    def _happens(self, fate: Fate, event: Event) -> None:
        self._tell(Happened(self._clock.now(), event, fate.request))


class _NotKept:
    """`bot.conversation.held.HeldQuestions` for a run that no restart cuts."""

    async def add(self, held: HeldQuestion) -> None: ...

    async def end(self, ticket: TicketId, ended: Ended) -> None: ...

    async def left_behind(self) -> Sequence[HeldQuestion]:
        return ()

    async def waiting(self) -> Sequence[HeldQuestion]:
        return ()

    async def find(self, ticket: TicketId) -> tuple[HeldQuestion, Turn | None] | None:
        return None


def _days(setting: Setting) -> Days:
    match setting.policy:
        case "fair":
            return FairDays(
                between_communities=setting.between_communities,
                promise_units=setting.promise_units,
                caution=HOLDING if setting.hold else PLAIN,
            )
        case "fcfs":
            return FirstComeDays()
        case "fixed":
            return RuledDays(FixedShare)
        case "pacing":
            return RuledDays(Pacing)
        case _:
            assert_never(setting.policy)


def _member(request: Request) -> Member:
    return Member(_PLATFORM, request.user)


def _message(request: Request) -> IncomingMessage:
    return IncomingMessage(
        id=MessageId(str(request.id)),
        conversation=ConversationId(request.user),
        community=CommunityId(request.community),
        author=_member(request),
        author_name=request.user,
        place="",
        text="",
        received_at=request.at,
        hold=True,
    )


def _claim(request: Request) -> Claim:
    question = Question(
        messages=[MessageId(str(request.id))],
        conversation=ConversationId(request.user),
        community=CommunityId(request.community),
        author_name=request.user,
        text="",
        asked_at=request.at,
    )
    return Claim(pool=POOL, member=_member(request), lane="free", model=_MODEL, question=question)
