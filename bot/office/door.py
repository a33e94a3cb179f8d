"""What admins have to say of a message before anything is made of it: in force for its member, then let in or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.errors import Refused
from bot.messages import CommunityId, IncomingMessage
from bot.office.acquaintances import Acquaintances
from bot.office.house_rules import HouseRules
from bot.office.roster import Roster


class Door:
    """`bot.conversation.door.Door`.

    Args:
        roster: of the pool that a community's questions go to.
        known: hears of everyone who asks.
    """

    def __init__(self, *, rules: HouseRules, roster: Callable[[CommunityId], Roster], known: Acquaintances) -> None:
        self._rules, self._roster, self._known = rules, roster, known

    def admit(self, message: IncomingMessage) -> IncomingMessage:
        if not self._rules.open(message.community, message.channel):
            raise Refused("channel_closed")
        self.met(message)
        persona = self._rules.persona(message.community, message.channel)
        return message if persona == message.persona else replace(message, persona=persona)

    def met(self, message: IncomingMessage) -> None:
        self._known.meet(message.author, message.author_name)
        self._roster(message.community).came(message)
