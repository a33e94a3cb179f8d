"""Whom admins have named as admins beside them."""

from __future__ import annotations

from collections.abc import Collection

from bot.messages import CommunityId, Member
from bot.office.edits import EVERYWHERE
from bot.office.office import Office


class NamedAdmins:
    """`bot.commands.rights.Named`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def named(self, community: CommunityId) -> Collection[Member]:
        """Those of one community. Who was named in all of them runs them as if named in each."""
        return {
            Member.parse(address.key)
            for address, _ in self._office.of("admin")
            if address.community in (community, EVERYWHERE)
        }
