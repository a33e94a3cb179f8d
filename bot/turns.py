"""Whose turn it is to let a platform in: one process's at a time by a token, and the next one's without a gap.

Two that hear the same platform would each know only half of what its people do. So the newer one waits, set up, until
the older one says that it hears no more, and then until that one has ended, before it takes up what it left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.errors import DatabaseAway
from bot.telemetry.logs import logger

if TYPE_CHECKING:
    from bot.storage.board import SqlBoard

log = logger(__name__)

_LOOK_EVERY = 0.5
"""Seconds between looks whether it is our turn."""
_HANDING_OVER = 1.0
"""Seconds for which a process that ends tries to say that it hears no more. Else the next one waits for its end."""


class Turns:
    """`bot.ports.Turns` among processes that share a database.

    Args:
        board: None: there are no others, and it is always our turn.
        name: of the platform and its token, as nobody can read them.
    """

    def __init__(self, board: SqlBoard | None, name: str) -> None:
        self._board, self._name = board, name

    async def to_hear(self) -> None:
        await self._claimed(f"{self._name} hears")

    async def to_go_on(self) -> None:
        await self._claimed(self._name)

    async def hand_over(self) -> None:
        if self._board is None:
            return
        try:
            async with asyncio.timeout(_HANDING_OVER):
                await self._board.living.release(f"{self._name} hears")
        except (DatabaseAway, TimeoutError) as error:
            log.warning("the next process hears nothing yet", extra={"action": "hand_over", "error": repr(error)})

    async def _claimed(self, key: str) -> None:
        while self._board is not None:
            try:
                if await self._board.living.claim(key):
                    return
            except DatabaseAway as error:
                log.warning("nobody can tell whose turn it is", extra={"action": "turn", "error": str(error)})
            await asyncio.sleep(_LOOK_EVERY)
