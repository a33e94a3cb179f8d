"""Whether the database takes and gives, for whoever asks often and must be answered soon.

What the service writes anyway tells most of it. Where nothing was written lately, or the last thing could not be, a row
is written and deleted again, and something is read: on a disk that is full everything reads as it should. However many
ask, there is one such look at a time, and not more than one a second.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex

from sqlalchemy import Connection, delete, insert, text

from bot.clock import Clock
from bot.errors import DatabaseAway
from bot.storage.database import Database
from bot.storage.tables import adapter_notes
from bot.telemetry.logs import logger

log = logger(__name__)

PATIENCE = 1.5
"""Seconds after which a database that has not answered is not there, for whoever asks."""
_LATELY = 2.0
"""Seconds for which something that was written shows that it can be."""
_APART = 1.0
"""Seconds between looks."""
_ROOM = 8_192
"""Bytes that are written: about what a question and its answer take. In hexadecimal digits, twice as many."""
_KEY = {"platform": "potluck", "key": "room"}


class Probing:
    """See the module."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._look: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._found: str | None = None

    async def trouble(self) -> str | None:
        """What is wrong with the database, for whoever runs it. None: nothing. Told within `PATIENCE`."""
        if self._look is None and self._due():
            self._look = asyncio.create_task(self._look_once(), name="probe")
        if self._look is not None:
            await asyncio.wait([self._look], timeout=PATIENCE)
            if self._look is not None:  # it is behind others that wait
                return str(self._database.trouble or "the database does not answer")
        return str(self._database.trouble) if self._database.trouble is not None else self._found

    async def close(self) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])

    def _due(self) -> bool:
        now = self._clock.monotonic()
        if now - self._looked_at < _APART:
            return False
        wrote_lately = now - self._database.wrote_at < _LATELY
        return self._found is not None or self._database.trouble is not None or not wrote_lately

    async def _look_once(self) -> None:
        try:
            await self._database.write(_write)
            await self._database.read(lambda core: core.execute(text("SELECT 1")).all())
            self._found = None
        except DatabaseAway as error:
            self._found = str(error)
        except Exception as error:  # whatever it is, nothing works
            self._found = f"the database fails ({type(error).__name__})"
            log.error("the database fails", extra={"action": "probe", "error": repr(error)})
        finally:
            self._look, self._looked_at = None, self._clock.monotonic()


def _write(connection: Connection) -> None:
    connection.execute(insert(adapter_notes).values(**_KEY, value=token_hex(_ROOM), noted_at=0))
    connection.execute(delete(adapter_notes).where(*(adapter_notes.c[name] == value for name, value in _KEY.items())))
