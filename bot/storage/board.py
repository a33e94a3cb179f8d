"""Processes over one PostgreSQL tell each other what they do, and look after what a dead one has left.

Every second each gives a sign of life, by the database's clock, and looks what the others did; where they use a pool
at the same time they wake each other besides (NOTIFY). One that is alone has nothing to look at and gives its sign less
often; whoever joins wakes it. Who gives no sign for `DEAD` seconds is dead: its tickets are taken out of the line, and
its open leases count as spent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from sqlalchemy import BigInteger, Connection, Delete, Select, bindparam, delete, exists, func, insert, or_, select

from bot.clock import Clock, day_of
from bot.errors import DatabaseAway
from bot.messages import CommunityId, Member
from bot.quota.events import DayEvent, EventKind
from bot.quota.ledger import (
    AlreadyHandled,
    Caps,
    Claim,
    DaySpent,
    Lease,
    MinuteFull,
    Outcome,
    PoolId,
    Reserved,
)
from bot.quota.others import Behind, Change, Cursor, News, Opened
from bot.storage import words
from bot.storage.database import DEAD, Database
from bot.storage.day_events import CHANNEL, EVENT, TELL, event_of, keep
from bot.storage.dialects import Prepared, upsert
from bot.storage.ledger import SqlLedger, standing
from bot.storage.moments import instant, microseconds
from bot.storage.money import SqlMoney
from bot.storage.opening import HandledError, NotReserved, OutdatedError
from bot.storage.tables import claims, day_events, leases, line_changes, processes
from bot.telemetry.logs import logger

log = logger(__name__)

_BEAT, _BEAT_ALONE = 1.0, 3.0
"""Seconds between signs of life, and between looks at what the others did."""
_COMPANY = 60.0
"""Seconds for which others who used a pool are told at once what is done with it. Those who come later look."""
_RECALLED = 2_000
"""Turns of the newest tickets that started, which a process that begins takes into account."""
_PRUNE_EVERY = 60.0
_KEPT = 3600.0
"""Seconds for which it is kept what became of a ticket."""

_of_others = (
    day_events.c.pool == bindparam("pool"),
    day_events.c.day.in_([bindparam("before"), bindparam("today"), bindparam("after")]),
    day_events.c.id > bindparam("seen_event", type_=BigInteger),
    or_(day_events.c.process.is_(None), day_events.c.process != bindparam("own")),
)
_changes_of_others = (
    line_changes.c.pool == bindparam("pool"),
    line_changes.c.id > bindparam("seen_change", type_=BigInteger),
    line_changes.c.process != bindparam("own"),
)
EVENTS = Prepared(select(day_events.c.id, *EVENT).where(*_of_others).order_by(day_events.c.id))
CHANGES = Prepared(select(line_changes).where(*_changes_of_others).order_by(line_changes.c.id))
NEWS = Prepared(select(or_(exists().where(*_changes_of_others), exists().where(*_of_others))))
"""Whether there is any of either."""
_ADD_CHANGE = Prepared(
    insert(line_changes).values(
        {"pool": bindparam("pool"), "process": bindparam("ticket_process"), "member": bindparam("ticket_member")}
        | {"community": bindparam("ticket_community"), "number": bindparam("ticket_number")}
        | {"at": bindparam("changed_at")}
        | {name: bindparam(name) for name in ("state", "weight", "tag", "place")}
    )
)
_seen_at = bindparam("seen_at", type_=BigInteger)
_other = processes.alias("other")
_LIVES = Prepared(
    upsert(processes)
    .values(id=bindparam("process"), seen_at=_seen_at)
    .on_conflict_do_update(index_elements=["id"], set_={"seen_at": _seen_at})
    .returning(exists().where(_other.c.id != bindparam("process")))
)
_CLAIMED = Prepared(select(claims.c.key).where(claims.c.process == bindparam("process")))
_later = line_changes.alias("later")
_WAITS = (line_changes.c.state == "waiting") & ~exists().where(
    _later.c.process == line_changes.c.process,
    _later.c.number == line_changes.c.number,
    _later.c.state != "waiting",
)


class SqlBoard:
    """`bot.quota.others.Board`. `join` before use, then `run` in a task of its own; `part` after."""

    def __init__(self, database: Database, ledger: SqlLedger, money: SqlMoney, clock: Clock) -> None:
        assert database.process is not None
        self.process = database.process
        self._database, self._ledger, self._money, self._clock = database, ledger, money, clock
        ledger.shared = self._shared
        self._followed: dict[PoolId, tuple[Callable[[], Cursor], Callable[[News], None]]] = {}
        self._company: dict[PoolId, float] = {}
        """When others were last heard of, by pool."""
        self._news, self._claimed = asyncio.Event(), set[str]()
        self.lost = asyncio.Event()
        """Another process does what this one had claimed: it was not heard of for too long."""
        self._alive_since: float | None = None
        self._last_beat = 0.0
        self._others_at, self._prune_at = -inf, 0.0

    @property
    def alone(self) -> bool:
        """There are no other processes, and have not been lately."""
        return self._clock.monotonic() - self._others_at > DEAD

    @property
    def _can_tell_the_dead(self) -> bool:
        """This one has lived long enough without a break. While the database was away nobody could give a sign."""
        return self._alive_since is not None and self._clock.monotonic() - self._alive_since >= DEAD

    # --- what a pool does --------------------------------------------------------------------------------

    async def open(self, pool: PoolId, day: int) -> Opened:
        busy = (
            select(leases.c.member)
            .where(leases.c.pool == pool, leases.c.settled_at.is_(None), leases.c.process != self.process)
            .where(leases.c.lane == "free", leases.c.day == day)
        )

        def unit(connection: Connection) -> Opened:
            everybody = EVENTS.all(connection, **self._since(pool, Cursor(), own=""))
            events = [event for event in (event_of(row[1:]) for row in everybody) if day_of(event.at) == day]
            newest = connection.scalar(select(func.max(day_events.c.id)).where(day_events.c.pool == pool)) or 0
            change = connection.scalar(select(func.max(line_changes.c.id)).where(line_changes.c.pool == pool)) or 0
            ours = select(line_changes).where(line_changes.c.pool == pool)
            started = ours.where(line_changes.c.state == "started").order_by(line_changes.c.id.desc()).limit(_RECALLED)
            under_way: dict[Member, int] = {}
            for key in connection.scalars(busy):
                member = Member.parse(key)
                under_way[member] = under_way.get(member, 0) + 1
            stands = standing(connection, pool, day, self._clock.now())
            return Opened(
                events=sorted(events, key=lambda event: event.at),
                standing=stands,
                waiting=[_change(row) for row in connection.execute(ours.where(_WAITS).order_by(line_changes.c.id))],
                started=[_change(row) for row in connection.execute(started)],
                busy=under_way,
                cursor=Cursor(newest, change, stands.word.number),
            )

        return await self._database.read(unit)

    def follow(self, pool: PoolId, seen: Callable[[], Cursor], hear: Callable[[News], None]) -> None:
        self._followed[pool] = seen, hear

    def leave(self, pool: PoolId) -> None:
        self._followed.pop(pool, None)

    async def look(self, pool: PoolId, seen: Cursor) -> News | None:
        news = await self._database.read(lambda connection: self._all_after(connection, pool, seen))
        if news is not None:
            self._company[pool] = self._clock.monotonic()
        return news

    async def reserve(
        self,
        claim: Claim,
        caps: Caps,
        events: Sequence[DayEvent],
        *,
        seen: Cursor | None,
        word: int | None = None,
        started: Change | None,
    ) -> Reserved | Behind:
        def unit(connection: Connection) -> Lease | Behind:
            if seen is not None and (news := self._after(connection, claim.pool, seen)) is not None:
                return Behind(news)
            also = {} if started is None else _row(claim.pool, started)
            change = (_ADD_CHANGE,) if also else ()
            return self._ledger.take(connection, claim, caps, events, word=word, also=change, **also)

        try:
            reserved = await self._database.write(unit, of=claim.pool)
        except NotReserved as refusal:
            return refusal.reason
        except HandledError:
            return AlreadyHandled()
        except OutdatedError as news:
            reserved = Behind(News(word=news.word))
        if isinstance(reserved, Behind):
            self._company[claim.pool] = self._clock.monotonic()
        return reserved

    async def retry(
        self, lease: Lease, outcome: Outcome, claim: Claim, caps: Caps, events: Sequence[DayEvent], *, word: int
    ) -> Lease | MinuteFull | DaySpent | Behind:
        def unit(connection: Connection) -> Lease:
            return self._ledger.take_second(connection, lease, outcome, claim, caps, events, word=word)

        try:
            return await self._database.write(unit, of=lease.pool)
        except NotReserved as refusal:
            return refusal.reason
        except OutdatedError as news:
            return Behind(News(word=news.word))

    async def change(
        self, pool: PoolId, change: Change, events: Sequence[DayEvent], *, seen: Cursor | None = None
    ) -> Behind | None:
        def unit(connection: Connection) -> Behind | None:
            if seen is not None and (news := self._all_after(connection, pool, seen)) is not None:
                return Behind(news)
            _ADD_CHANGE(connection, **_row(pool, change))
            self._ledger.keep(connection, pool, events)
            return None

        return await self._database.write(unit, of=pool)

    # --- this process among the others -------------------------------------------------------------------

    async def join(self) -> None:
        """Be one of them."""
        await self._beat()
        await self._database.write(partial(TELL, pool=""))

    async def run(self) -> None:
        """Live among the others until cancelled."""
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                try:
                    await self._beat()
                    if not self.alone:
                        await self._look(self._followed)
                        await self._bury()
                    await self._prune()
                except Exception as error:  # the database is away: tried again, and nobody is taken for dead meanwhile
                    if self._alive_since is not None:
                        log.warning("other processes cannot be heard", extra={"action": "board", "error": repr(error)})
                    self._alive_since = None
                await self._until_next_beat()
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def part(self) -> None:
        """Be one of them no more. Nothing is under way. Where it cannot be said, the others take this one for dead."""
        self._claimed.clear()
        await self._forget(self.process)
        for gone in (
            delete(claims).where(claims.c.process == self.process),
            delete(processes).where(processes.c.id == self.process),
        ):
            try:
                await self._database.write(partial(_run, gone))
            except DatabaseAway as error:
                log.warning("others are not told of the end", extra={"action": "part", "error": str(error)})

    async def claim(self, key: str) -> bool:
        """Be the one process that does something, until this one ends or `lost` says otherwise. False: another is."""

        def unit(connection: Connection) -> bool:
            row = upsert(claims).values(key=key, process=self.process)
            known = self._database.living() if self._can_tell_the_dead else select(processes.c.id)
            of_nobody = or_(claims.c.process == self.process, claims.c.process.not_in(known))
            mine = row.on_conflict_do_update(
                index_elements=["key"], set_={"process": self.process}, where=of_nobody
            ).returning(claims.c.key)
            return connection.execute(mine).first() is not None

        claimed = await self._database.write(unit)
        if claimed:
            self._claimed.add(key)
        return claimed

    async def release(self, key: str) -> None:
        """Let another process do it."""
        self._claimed.discard(key)
        mine = (claims.c.key == key) & (claims.c.process == self.process)
        await self._database.write(partial(_run, delete(claims).where(mine)))

    async def _until_next_beat(self) -> None:
        """Look at pools that there is news of meanwhile."""
        began = self._clock.monotonic()
        while (left := began + (_BEAT_ALONE if self.alone else _BEAT) - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return
            self._news.clear()
            with suppress(Exception):  # the next beat says so
                await self._look([pool for pool in self._followed if pool in self._company])

    async def _beat(self) -> None:
        """A sign of life."""

        def unit(connection: Connection) -> tuple[set[str], bool]:
            alive = _LIVES(connection, process=self.process, seen_at=microseconds(self._database.now()))
            kept = {key for (key,) in _CLAIMED.all(connection, process=self.process)} if self._claimed else set[str]()
            assert alive is not None
            return kept, alive[0]

        kept, others = await self._database.write(unit)
        if not self._claimed <= kept:
            self.lost.set()
        now = self._clock.monotonic()
        if self._alive_since is None or now - self._last_beat > DEAD / 2:
            self._alive_since = now
        self._last_beat = now
        if others:
            self._others_at = now

    async def _look(self, pools: Iterable[PoolId]) -> None:
        """Hear what others did with these pools."""
        wanted = [(pool, self._followed[pool][0]()) for pool in pools]

        def unit(connection: Connection) -> list[tuple[PoolId, News]]:
            found = ((pool, self._all_after(connection, pool, seen)) for pool, seen in wanted)
            return [(pool, news) for pool, news in found if news is not None]

        for pool, news in await self._database.read(unit):
            self._company[pool] = self._clock.monotonic()
            if pool in self._followed:
                self._followed[pool][1](news)

    async def _listen(self) -> None:
        from bot.storage.postgres import notices

        assert isinstance(self._database.where, str)
        async with aclosing(notices(self._database.where, CHANNEL)) as told:
            async for pool in told:
                if not pool:
                    self._others_at = self._clock.monotonic()  # there may be others now
                elif PoolId(pool) in self._followed:
                    self._company.setdefault(PoolId(pool), self._clock.monotonic())
                else:
                    continue
                self._news.set()

    async def _bury(self) -> None:
        """Give up what the dead have left."""
        if not self._can_tell_the_dead:
            return
        dead = select(processes.c.id).where(processes.c.id.not_in(self._database.living()))
        for process in await self._database.read(partial(_scalars, dead)):
            left = select(line_changes.c.pool).where(line_changes.c.process == process, _WAITS).distinct()
            for pool in await self._database.read(partial(_scalars, left)):
                await self._database.write(partial(self._clear, PoolId(pool), process), of=pool)
            cut = await self._ledger.give_up()
            await self._money.recover()
            gone = delete(processes).where(processes.c.id == process, processes.c.id.not_in(self._database.living()))
            await self._forget(process)
            await self._database.write(partial(_run, gone))
            log.warning("a process has died", extra={"action": "buried", "buried": process, "leases": cut})

    async def _forget(self, process: str) -> None:
        """What a process had shut is open: it looks no more whether that is still right."""
        for pool in await self._database.read(partial(words.shut_by, process)):
            await self._database.write(partial(self._open_again, pool, process), of=pool)

    def _open_again(self, pool: PoolId, process: str, connection: Connection) -> None:
        words.open_again(connection, pool, process)
        TELL(connection, pool=pool)

    async def _prune(self) -> None:
        """What became of tickets is forgotten in time."""
        if self._clock.monotonic() < self._prune_at:
            return
        self._prune_at = self._clock.monotonic() + _PRUNE_EVERY
        old = microseconds(self._database.now()) - int(_KEPT * 1e6)
        await self._database.write(partial(_run, delete(line_changes).where(line_changes.c.at < old, ~_WAITS)))

    def _clear(self, pool: PoolId, process: str, connection: Connection) -> None:
        """A dead process's tickets leave the line, and their members have their units back."""
        now = self._database.now()
        mine = select(line_changes).where(line_changes.c.pool == pool, line_changes.c.process == process, _WAITS)
        withdrawn = []
        for row in connection.execute(mine).all():
            _ADD_CHANGE(connection, **_row(pool, replace(_change(row), state="left", at=now)))
            if day_of(instant(row.at)) == day_of(now):
                member, community = Member.parse(row.member), CommunityId(row.community)
                withdrawn.append(DayEvent(kind=EventKind.WITHDRAWN, at=now, member=member, community=community))
        keep(connection, pool, withdrawn, None)
        TELL(connection, pool=pool)

    # --- inside ------------------------------------------------------------------------------------------

    def _after(self, connection: Connection, pool: PoolId, seen: Cursor) -> News | None:
        """What others did; None: nothing."""
        values = self._since(pool, seen)
        found = NEWS(connection, **values)
        if found is None or not found[0]:
            return None
        return News(
            events=[(row[0], event_of(row[1:])) for row in EVENTS.all(connection, **values)],
            changes=[(row[0], _change(row)) for row in CHANGES.all(connection, **values)],
        )

    def _all_after(self, connection: Connection, pool: PoolId, seen: Cursor) -> News | None:
        """The same with what the account has said, which who reserves is told in any case."""
        news = self._after(connection, pool, seen)
        word = words.word_after(connection, pool, day_of(self._clock.now()), seen.word)
        return news if word is None else replace(news or News(), word=word)

    def _since(self, pool: PoolId, seen: Cursor, own: str | None = None) -> dict[str, Any]:
        day = day_of(self._clock.now())
        return {
            "pool": pool,
            "seen_event": seen.event,
            "seen_change": seen.change,
            "own": self.process if own is None else own,
            "before": day - 1,
            "today": day,
            "after": day + 1,
        }

    def _shared(self, pool: PoolId) -> bool:
        return self._clock.monotonic() - self._company.get(pool, -_COMPANY) < _COMPANY


def _scalars(wanted: Select[Any], connection: Connection) -> Sequence[Any]:
    return connection.scalars(wanted).all()


def _run(change: Delete, connection: Connection) -> None:
    connection.execute(change)


def _row(pool: PoolId, change: Change) -> dict[str, Any]:
    """What `_ADD_CHANGE` writes."""
    return {
        "pool": pool,
        "ticket_process": change.process,
        "ticket_number": change.number,
        "ticket_member": change.member.key,
        "ticket_community": change.community,
        "state": change.state,
        "weight": change.weight,
        "tag": change.tag,
        "place": change.place,
        "changed_at": microseconds(change.at),
    }


def _change(row: Sequence[Any]) -> Change:
    """A change of a ticket from its row."""
    _, _, process, number, state, member, community, weight, tag, place, at = row
    return Change(
        process=process,
        number=number,
        state=state,
        member=Member.parse(member),
        community=CommunityId(community),
        weight=weight,
        tag=tag,
        place=place,
        at=instant(at),
    )
