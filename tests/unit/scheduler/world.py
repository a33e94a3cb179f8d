"""Members who ask through one scheduler over a ledger in memory, and what happened to each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from hypothesis import strategies as st

from bot.clock import Instant
from bot.errors import Refused
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.events import DayEvent
from bot.quota.ledger import Caps, Claim, DaySpent, Lease, MinuteFull, Outcome, PoolId, Question
from bot.quota.line import FirstCome, Line
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Place, Scheduler
from bot.quota.sharing import Days, FirstComeDays
from tests.fakes.virtual import VirtualClock, VirtualLoop

POOL = PoolId("default")
WEB = CommunityId("test")
ANN = Member("test", "ann")
FAILED = Outcome(result="failed")


@dataclass(frozen=True)
class Ask:
    """One question: by whom, when, how long its answer takes, and whether its member goes away first."""

    member: int
    at: float
    answer: float
    gone_after: float | None


asks = st.lists(
    st.builds(
        Ask,
        member=st.integers(0, 5),
        at=st.floats(0, 300),
        answer=st.floats(0, 40),
        gone_after=st.none() | st.floats(0, 120),
    ),
    max_size=40,
)


class World:
    """Asks through one scheduler, and writes down what happened."""

    def __init__(
        self,
        loop: VirtualLoop,
        caps: Caps,
        max_wait: float = 900,
        line: Line | None = None,
        *,
        watched: bool = False,
        ledger: type[MemoryLedger] = MemoryLedger,
        days: Days | None = None,
    ) -> None:
        self.clock = VirtualClock(loop)
        self.ledger = ledger(self.clock)
        self._line, self._days = FirstCome() if line is None else line, days or FirstComeDays()
        self._caps, self._max_wait, self._watched = caps, max_wait, watched
        self.scheduler = self.another()
        self.started: list[tuple[float, int]] = []
        self.under_way: dict[int, int] = {}
        self.most_under_way = 0
        self.ends: list[str] = []

    def another(self) -> Scheduler:
        """One more over the same ledger, as a restart makes it."""
        return Scheduler(
            pool=POOL,
            caps=self._caps,
            line=self._line,
            days=self._days,
            ledger=self.ledger,
            clock=self.clock,
            max_wait=self._max_wait,
            watched=self._watched,
        )

    async def run(self, asks: list[Ask]) -> None:
        await self.ledger.add_pool(POOL)
        await self.scheduler.open()
        await asyncio.gather(*(self.ask(number, ask) for number, ask in enumerate(asks)))
        await self.scheduler.close()

    async def ask(self, number: int, ask: Ask) -> None:
        await asyncio.sleep(ask.at)
        try:
            async with asyncio.timeout(ask.gone_after):
                await self.reply(number, ask)
            self.ends.append("answered")
        except TimeoutError:
            self.ends.append("gone")
        except Refused as refusal:
            self.ends.append(refusal.code)

    async def reply(self, number: int, ask: Ask) -> None:
        member = Member("test", str(ask.member))
        claim = claim_of(member, number)
        lease: Lease | None = None
        async with aclosing(self.scheduler.admit(member, WEB, lambda: claim)) as steps:
            async for step in steps:
                if isinstance(step, Place):
                    assert step.place >= 1
                elif isinstance(step, Lease):
                    lease = step
        assert lease is not None
        self.scheduler.sent(lease)
        self.started.append((self.clock.now(), number))
        self.under_way[ask.member] = self.under_way.get(ask.member, 0) + 1
        self.most_under_way = max(self.most_under_way, *self.under_way.values())
        try:
            await asyncio.sleep(ask.answer)
        finally:
            self.under_way[ask.member] -= 1
            await self.scheduler.settle(lease, Outcome(result="answered"))


def simulate(asks: list[Ask], caps: Caps, max_wait: float = 900, line: Line | None = None) -> World:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world = World(loop, caps, max_wait, line)
        loop.run_until_complete(world.run(asks))
        return world
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def claim_of(member: Member, number: int) -> Claim:
    return Claim(
        pool=POOL,
        member=member,
        lane="free",
        model=ModelId("m"),
        question=Question(
            messages=[MessageId(f"{number}")],
            conversation=ConversationId("c"),
            community=CommunityId("test"),
            author_name="",
            text="",
            asked_at=Instant(0),
        ),
    )


async def lease_for(world: World, number: int, member: Member) -> Lease:
    async with aclosing(world.scheduler.admit(member, WEB, lambda: claim_of(member, number))) as steps:
        async for step in steps:
            if isinstance(step, Lease):
                world.scheduler.sent(step)
                return step
    raise AssertionError("no lease")


class SlowLedger(MemoryLedger):
    """Takes its time over second attempts."""

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent] = ()
    ) -> Lease | MinuteFull | DaySpent:
        await asyncio.sleep(0.05)
        return await super().retry(lease, outcome, claim, caps, events)
