"""A small world around the real scheduler: members, an upstream that fails, an account that reports, processes that
crash. It writes down by itself what leaves and how every question ends, so that a test need not ask the scheduler.

Time is virtual. Several processes share one ledger; each reaches it over a `Wire`, which a crash cuts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar, assert_never

from bot.clock import Clock, Instant, day_of, day_start
from bot.errors import Refused
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.events import DayEvent, EventKind
from bot.quota.history import Ask
from bot.quota.ledger import AlreadyHandled, Caps, Claim, Lease, LeaseNotOpenError, Ledger, Outcome, PoolId, Question
from bot.quota.line import FairLine, Line
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import Days, FairDays
from bot.quota.terms import NO_TERMS, Terms
from bot.quota.virtual_time import VirtualLoop
from tests.properties.steps import MEMBERS, TODAY, Asks, Crashes, LaysDown, Limits, Reports, Step, community_of
from tests.properties.wire import Wire

POOL = PoolId("default")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the world is made of. A control puts a part without the rule in place of the real one."""

    rpm: int = 20
    rpd: int = 50
    begins: float = 36_000.0
    """Second of the day."""
    history: Mapping[int, Sequence[Ask]] = field(default_factory=dict)
    terms: Terms = NO_TERMS
    processes: int = 1
    latency: float = 0.004
    """Seconds to the ledger and back, half before the transaction and half after it."""
    max_wait: float = 900.0
    line: Callable[[], Line] = FairLine
    days: Callable[[], Days] = FairDays
    ledger: Callable[[Clock], MemoryLedger] = MemoryLedger
    scheduler: type[Scheduler] = Scheduler


class World:
    """See the module. `run` takes its steps and waits until all of it is over."""

    def __init__(self, loop: VirtualLoop, setting: Setting) -> None:
        self.setting, self.clock = setting, loop
        self.began = loop.now()
        self.ledger = setting.ledger(loop)
        self.wires: list[Wire] = []
        self.schedulers: list[Scheduler] = []
        self.sends: list[tuple[Instant, Member]] = []
        """Every request that left, second attempts too."""
        self.ends: dict[int, list[str]] = {}
        """How each question ended, by its number: the code of a refusal, or what came of the request."""
        self.broken: list[str] = []
        """Promises: a unit that was sure at the moment of a question, and was refused."""
        self.lowered = False
        """The account or an admin took something away: promises are excused from here on."""
        self.rpd, self.elsewhere, self.terms = setting.rpd, 0, setting.terms
        self.watch: Callable[[World], None] = lambda _: None
        """Called whenever something has happened."""
        self._asking: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []

    @property
    def scheduler(self) -> Scheduler:
        return self.schedulers[0]

    def days_sends(self) -> Counter[int]:
        return Counter(day_of(at) for at, _ in self.sends)

    async def open(self) -> None:
        await self.ledger.add_pool(POOL)
        for day, asks in self.setting.history.items():
            await self.ledger.note(
                POOL,
                [
                    DayEvent(
                        kind=EventKind.ASKED,
                        at=Instant(day_start(day) + ask.second),
                        member=Member("past", ask.member),
                        community=CommunityId(ask.community),
                    )
                    for ask in asks
                ],
            )
        await self._begin()

    async def run(self, steps: Sequence[Step]) -> None:
        """Take every step at its time, let all questions end, and leave the schedulers open."""
        for number, step in enumerate(sorted(steps, key=lambda step: step.at)):
            await self.clock.until(Instant(self.began + step.at))
            await self._take(number, step)
            self.watch(self)
        while self._asking:
            await asyncio.wait(self._asking)
        await asyncio.sleep(1)
        self.watch(self)
        for error in self._errors:
            raise error

    async def close(self) -> None:
        for scheduler in self.schedulers:
            await scheduler.close()

    async def restart(self) -> None:
        """Every process is gone, and begins again from what the ledger has."""
        for wire in self.wires:
            wire.cut = True
        gone, before = list(self._asking), self.schedulers
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        for scheduler in before:
            await scheduler.close()
        await self._begin()

    async def _begin(self) -> None:
        await self.ledger.recover()
        setting = self.setting
        self.wires = [Wire(self.ledger, setting.latency) for _ in range(setting.processes)]
        self.schedulers = [self._process(wire) for wire in self.wires]
        for scheduler in self.schedulers:
            await scheduler.open(self.terms)
            if self.elsewhere:
                scheduler.reported(await self._count())

    def _process(self, ledger: Ledger) -> Scheduler:
        setting = self.setting
        return setting.scheduler(
            pool=POOL,
            caps=Caps(rpm=setting.rpm, rpd=self.rpd),
            line=setting.line(),
            days=setting.days(),
            ledger=ledger,
            clock=self.clock,
            max_wait=setting.max_wait,
        )

    async def _count(self) -> int:
        today = day_of(self.clock.now())
        return self.days_sends()[today] + self.elsewhere

    # --- its steps ---------------------------------------------------------------------------------------

    async def _take(self, number: int, step: Step) -> None:
        match step:
            case Asks():
                task = asyncio.create_task(self._ask(number, step))
                self._asking.add(task)
                task.add_done_callback(self._over)
                await asyncio.sleep(0)
            case Reports(more=more):
                self.elsewhere, self.lowered = more, True
                count = await self._count()
                for scheduler in self.schedulers:
                    scheduler.reported(count)
            case Limits(rpd=rpd):
                self.lowered = self.lowered or rpd < self.rpd
                self.rpd = rpd
                for scheduler in self.schedulers:
                    scheduler.limit(rpd)
            case LaysDown(terms=terms):
                self.terms, self.lowered = terms, True
                for scheduler in self.schedulers:
                    scheduler.lay_down(terms)
            case Crashes():
                await self.restart()
            case _:
                assert_never(step)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._errors.append(error)

    async def _ask(self, number: int, asks: Asks) -> None:
        self.ends[number] = ends = []
        process = asks.process % len(self.schedulers)
        scheduler, wire = self.schedulers[process], self.wires[process]
        member, community = MEMBERS[asks.member], community_of(asks.member)
        sure = scheduler.share(member, community).left_sure
        try:
            async with asyncio.timeout(asks.gone_after):
                ends.append(await self._reply(number, asks, scheduler))
        except TimeoutError:
            ends.append("gone")
        except Refused as refusal:
            ends.append(refusal.code)
            if sure and refusal.code in ("daily_share_spent", "pool_spent") and not self.lowered:
                self.broken.append(f"{member.user} had {sure} for sure and was told {refusal.code}")
        except LeaseNotOpenError:
            ends += ["over", "over again"]
        except asyncio.CancelledError:
            if not wire.cut:
                raise
            ends.append("crashed")
        self.watch(self)

    async def _reply(self, number: int, asks: Asks, scheduler: Scheduler) -> str:
        member, community = MEMBERS[asks.member], community_of(asks.member)
        lease = None
        admitting = scheduler.admit(member, community, lambda: claim(member, community, number))
        async with aclosing(admitting) as steps:
            async for step in steps:
                if isinstance(step, Place):
                    assert step.place >= 1
                elif isinstance(step, AlreadyHandled):
                    return "handled"
                else:
                    lease = step
        assert lease is not None
        if asks.course == "unsent":
            await scheduler.release(lease)
            return "unsent"
        sent = lease
        outcome = Outcome(result="stopped")
        try:
            if await self._attempt(scheduler, sent, asks, fails=asks.course in ("failed", "twice failed")):
                outcome = Outcome(result="stopped" if asks.course == "stopped" else "answered")
                return outcome.result
            again = claim(member, community, number)
            second = await scheduler.retry(lease, Outcome(result="failed"), again)
            if second is not None:
                sent = second
                if await self._attempt(scheduler, sent, asks, fails=asks.course == "twice failed"):
                    outcome = Outcome(result="answered")
                    return "answered"
            outcome = Outcome(result="failed", give_back=True)
            return "failed"
        finally:
            await scheduler.settle(sent, outcome)

    async def _attempt(self, scheduler: Scheduler, lease: Lease, asks: Asks, *, fails: bool) -> bool:
        scheduler.sent(lease)
        self.sends.append((self.clock.now(), lease.member))
        await asyncio.sleep(asks.answer)
        return not fails


def play(setting: Setting, steps: Sequence[Step], watch: Callable[[World], None] = lambda _: None) -> World:
    """A world after its steps. Its schedulers are closed, and answer questions about what is."""
    return played(setting, steps, lambda world: _nothing(), watch)[0]


def played(
    setting: Setting,
    steps: Sequence[Step],
    then: Callable[[World], Coroutine[Any, Any, T]],
    watch: Callable[[World], None] = lambda _: None,
) -> tuple[World, T]:
    """A world after its steps, and what came of `then` in it."""
    loop = VirtualLoop(Instant(day_start(TODAY) + setting.begins))

    async def run() -> tuple[World, T]:
        world = World(loop, setting)
        world.watch = watch
        await world.open()
        await world.run(steps)
        result = await then(world)
        await world.close()
        return world, result

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(run())


async def _nothing() -> None:
    """Nothing more."""


def claim(member: Member, community: CommunityId, name: int | str) -> Claim:
    return Claim(
        pool=POOL,
        member=member,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(str(name))],
            conversation=ConversationId("c"),
            community=community,
            author_name="",
            text="",
            asked_at=Instant(0),
        ),
    )
