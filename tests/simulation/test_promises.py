"""A promised unit is there when its member asks, whatever others take, whatever fails, and whoever restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from time import perf_counter

import pytest

from bot.clock import Instant, day_start
from bot.errors import RefusalCode, Refused
from bot.messages import CommunityId, ConversationId, Member, MessageId, ModelId
from bot.quota.history import DAYS, Ask
from bot.quota.ledger import Caps, Claim, Lease, Outcome, PoolId, Question
from bot.quota.line import FairLine
from bot.quota.memory import MemoryLedger
from bot.quota.scheduler import Scheduler
from bot.quota.sharing import Days, FairDays, FairSharing
from bot.quota.simulated import Promises, Setting
from bot.quota.simulation import simulate
from bot.quota.traffic import Request, of_days
from bot.quota.virtual_time import VirtualLoop
from bot.quota.workloads import FIRST_DAY, Kind, make

MADE_FOR, RPD = 50, 80
"""Demand is twice the one and a little more than the other: something is left to be promised, and it runs short."""
FAILURES = 0.1


def promised_in(requests: Sequence[Request], *, warm_up: int, units: int, sharing: Days | None = None) -> Promises:
    """The promises of the days after the warm-up, in which one attempt in ten fails."""
    first = requests[0].day + warm_up
    promises = Promises()
    simulate(
        Setting(rpd=RPD, failures=FAILURES, promise_units=units),
        [request for request in requests if request.day >= first],
        history=[request for request in requests if request.day < first],
        promises=promises,
        days=sharing,
    )
    return promises


def made(kind: Kind, *, days: int, seed: int = 0) -> Sequence[Request]:
    return of_days(make(kind, rpd=MADE_FOR, days=days, seed=seed))


def a_crowd_between_two_questions() -> Sequence[Request]:
    """Twelve regulars ask at noon and again forty minutes later; on the last day a hundred guests come in between."""
    regulars = [
        Ask(43_200.0 + 2400 * again + 30 * number, "c", f"m{number}") for again in (0, 1) for number in range(12)
    ]
    guests = [Ask(44_000.0 + 5 * number, "c", f"guest{number}") for number in range(100)]
    days = dict.fromkeys(range(FIRST_DAY, FIRST_DAY + 10), regulars)
    return of_days({**days, FIRST_DAY + 10: [*regulars, *guests]})


@pytest.mark.parametrize(("kind", "units"), [("heavytail", 1), ("volatile", 2), ("poisson", 2)])
def test_every_promise_is_kept_though_one_attempt_in_ten_fails(kind: Kind, units: int) -> None:
    promises = promised_in(made(kind, days=DAYS + 3), warm_up=DAYS, units=units)
    assert promises.given > 20
    assert promises.broken == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_promise_is_kept_over_a_thousand_days() -> None:
    kinds: Sequence[Kind] = ("poisson", "heavytail", "volatile", "flat", "latewave_new")
    given, broken = 0, 0
    for kind in kinds:
        for units in (1, 2):
            began = perf_counter()
            promises = promised_in(made(kind, days=DAYS + 100, seed=units), warm_up=DAYS, units=units)
            given, broken = given + promises.given, broken + promises.broken
            print(  # noqa: T201  # what was counted
                f"\n{kind}, {units} promised, 100 days: {promises.given} units issued, {promises.broken} broken"
                f" ({perf_counter() - began:.0f} s)",
                end="",
            )
    print(f"\n1000 days: {given} units issued, {broken} broken")  # noqa: T201
    assert given > 10_000
    assert broken == 0


def test_a_crowd_cannot_take_what_was_promised_control_where_it_may() -> None:
    requests = a_crowd_between_two_questions()
    kept = promised_in(requests, warm_up=10, units=1)
    assert kept.given > 5
    assert kept.broken == 0
    assert promised_in(requests, warm_up=10, units=1, sharing=GivingAway(promise_units=1)).broken > 5


class GivesAway(FairSharing):
    """Promises, and lets whoever asks go while the pool has a unit."""

    def refusal(self, member: Member, community: CommunityId, moment: Instant) -> RefusalCode | None:
        return None if self._fair.left_in_all() else "pool_spent"


class GivingAway(FairDays):
    def begin(self, day: int, rpd: int) -> FairSharing:
        return GivesAway(super().begin(day, rpd)._fair)


# --- restarts --------------------------------------------------------------------------------------------


def test_a_promise_outlives_the_scheduler_that_gave_it() -> None:
    days = restarted("heavytail", days=4, every=7)
    assert days.restarts > 20
    assert days.outlived > 20, "there were promises to be kept over a restart"
    assert days.changed == 0, "the new scheduler has promised what the old one had"
    assert days.promises.given > 20
    assert days.promises.broken == 0


def restarted(kind: Kind, *, days: int, every: int) -> RestartedDays:
    requests = made(kind, days=days)
    loop = VirtualLoop(day_start(requests[0].day))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        run = RestartedDays(loop)
        runner.run(run.run(requests, every))
    return run


class RestartedDays:
    """Questions one after the other, each to its end, and in between again and again a new scheduler."""

    def __init__(self, clock: VirtualLoop) -> None:
        self.clock, self.ledger = clock, MemoryLedger(clock)
        self.promises = Promises()
        self.restarts, self.outlived, self.changed = 0, 0, 0

    async def run(self, requests: Sequence[Request], every: int) -> None:
        await self.ledger.add_pool(PoolId("tried"))
        scheduler = await self.opened()
        members: dict[Member, CommunityId] = {}
        for number, request in enumerate(requests, start=1):
            await self.clock.until(request.at)
            members[Member("trace", request.user)] = CommunityId(request.community)
            await self.ask(scheduler, request)
            if number % every == 0:
                before = {member: scheduler.share(member, community) for member, community in members.items()}
                await scheduler.close()
                scheduler = await self.opened()
                after = {member: scheduler.share(member, community) for member, community in members.items()}
                self.restarts += 1
                self.outlived += sum(share.left_sure for share in before.values())
                self.changed += before != after
        await scheduler.close()

    async def opened(self) -> Scheduler:
        scheduler = Scheduler(
            pool=PoolId("tried"),
            caps=Caps(rpm=20, rpd=RPD),
            line=FairLine(),
            days=FairDays(promise_units=1),
            ledger=self.ledger,
            clock=self.clock,
            max_wait=120,
        )
        await scheduler.open()
        return scheduler

    async def ask(self, scheduler: Scheduler, request: Request) -> None:
        member, community = Member("trace", request.user), CommunityId(request.community)
        promised = scheduler.share(member, community).left_sure
        admitting = scheduler.admit(member, community, lambda: claim(request, member, community))
        try:
            async with aclosing(admitting) as steps:
                lease = [step async for step in steps][-1]
        except Refused:
            self.promises.broken += promised > 0
            return
        assert isinstance(lease, Lease)
        scheduler.sent(lease)
        before = scheduler.share(member, community).left_sure
        failed = request.id % 10 == 0
        await scheduler.settle(lease, Outcome(result="failed" if failed else "answered", give_back=failed))
        self.promises.given += max(0, scheduler.share(member, community).left_sure - before)


def claim(request: Request, member: Member, community: CommunityId) -> Claim:
    question = Question(
        messages=[MessageId(str(request.id))],
        conversation=ConversationId(request.user),
        community=community,
        author_name=request.user,
        text="",
        asked_at=request.at,
    )
    return Claim(pool=PoolId("tried"), member=member, lane="free", model=ModelId("tried"), question=question)
