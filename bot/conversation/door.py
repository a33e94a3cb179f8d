"""Who looks at a message before it is a question."""

from __future__ import annotations

from typing import Protocol

from bot.messages import IncomingMessage


class Door(Protocol):
    """`bot.office.door.Door` is the one."""

    def admit(self, message: IncomingMessage) -> IncomingMessage:
        """The message as it goes on, with what this place adds to it.

        Raises:
            Refused: it may not be asked here.
        """
        ...

    def met(self, message: IncomingMessage) -> None:
        """Take note of a message that was admitted before the last restart, and waits still."""
        ...
