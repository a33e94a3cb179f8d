"""One process among the others: it gives signs of life, and claims what only one may do at a time.

Who gives no sign for `DEAD` seconds, by the database's clock, is dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from math import inf

from sqlalchemy import BigInteger, Connection, Delete, bindparam, delete, exists, or_, select

from bot.clock import Clock
from bot.errors import DatabaseAway
from bot.storage.database import DEAD, Database
from bot.storage.dialects import Prepared, upsert
from bot.storage.moments import microseconds
from bot.storage.tables import claims, processes
from bot.telemetry.logs import logger

log = logger(__name__)

_seen_at = bindparam("seen_at", type_=BigInteger)
_other = processes.alias("other")
_LIVES = Prepared(
    upsert(processes)
    .values(id=bindparam("process"), seen_at=_seen_at)
    .on_conflict_do_update(index_elements=["id"], set_={"seen_at": _seen_at})
    .returning(exists().where(_other.c.id != bindparam("process")))
)
_CLAIMED = Prepared(select(claims.c.key).where(claims.c.process == bindparam("process")))


class Living:
    """See the module. `give_sign` again and again, `end` at last."""

    def __init__(self, database: Database, clock: Clock) -> None:
        assert database.process is not None
        self.process = database.process
        self._database, self._clock = database, clock
        self.lost = asyncio.Event()
        """Another process does what this one had claimed: it was not heard of for too long."""
        self._claimed = set[str]()
        self._since: float | None = None
        self._last_sign = 0.0
        self._others_at = -inf

    @property
    def alone(self) -> bool:
        """There are no other processes, and have not been lately."""
        return self._clock.monotonic() - self._others_at > DEAD

    @property
    def can_tell_the_dead(self) -> bool:
        """This one has lived long enough without a break. While the database was away nobody could give a sign."""
        return self._since is not None and self._clock.monotonic() - self._since >= DEAD

    async def give_sign(self) -> None:
        """Say that this one lives, and look who else does and whether what was claimed still is."""

        claimed = set(self._claimed)  # what is claimed meanwhile may have come after the look

        def unit(connection: Connection) -> tuple[set[str], bool]:
            alive = _LIVES(connection, process=self.process, seen_at=microseconds(self._database.now()))
            kept = {key for (key,) in _CLAIMED.all(connection, process=self.process)} if claimed else set[str]()
            assert alive is not None
            return kept, alive[0]

        kept, others = await self._database.write(unit)
        if not claimed & self._claimed <= kept:
            self.lost.set()
        now = self._clock.monotonic()
        if self._since is None or now - self._last_sign > DEAD / 2:
            self._since = now
        self._last_sign = now
        if others:
            self.met_others()

    def met_others(self) -> None:
        """There are others now, or may be."""
        self._others_at = self._clock.monotonic()

    def interrupted(self) -> bool:
        """No sign could be given, so that nobody can be taken for dead for a while. True: until now there could."""
        lived, self._since = self._since is not None, None
        return lived

    async def dead(self) -> Sequence[str]:
        """The others of which nothing has been heard for too long; none while that tells nothing."""
        if not self.can_tell_the_dead:
            return []
        gone = select(processes.c.id).where(processes.c.id.not_in(self._database.living()))
        return await self._database.read(lambda connection: connection.scalars(gone).all())

    async def strike_off(self, process: str) -> None:
        """A dead one has left nothing more behind."""
        await self._run(
            delete(processes).where(processes.c.id == process, processes.c.id.not_in(self._database.living()))
        )

    async def end(self) -> None:
        """Be one of them no more. Where it cannot be said, the others take this one for dead."""
        self._claimed.clear()
        for gone in (
            delete(claims).where(claims.c.process == self.process),
            delete(processes).where(processes.c.id == self.process),
        ):
            try:
                await self._run(gone)
            except DatabaseAway as error:
                log.warning("others are not told of the end", extra={"action": "part", "error": str(error)})

    async def claim(self, key: str) -> bool:
        """Be the one process that does something, until this one ends or `lost` says otherwise. False: another is."""

        def unit(connection: Connection) -> bool:
            row = upsert(claims).values(key=key, process=self.process)
            known = self._database.living() if self.can_tell_the_dead else select(processes.c.id)
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
        await self._run(delete(claims).where(claims.c.key == key, claims.c.process == self.process))

    async def _run(self, change: Delete) -> None:
        await self._database.write(partial(_execute, change))


def _execute(change: Delete, connection: Connection) -> None:
    connection.execute(change)
