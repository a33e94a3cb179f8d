"""Whom a name means: the members who have asked, by what their platform calls them.

On the page and in a terminal people go by the name they write, so that there a name means somebody who has yet to ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.messages import CommunityId, Member

_PLATFORMS = frozenset({"discord", "slack", "web", "terminal"})
_FREE = frozenset({"web", "terminal"})
_FREE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Acquaintances:
    """See the module."""

    def __init__(self, known: Iterable[tuple[Member, str]] = ()) -> None:
        self._called: dict[tuple[str, str, str], set[Member]] = {}
        for member, name in known:
            self.meet(member, name)

    def meet(self, member: Member, name: str) -> None:
        """A member goes by this name."""
        for called in (name, member.user):
            if called.strip():
                self._called.setdefault(_key(member, called), set()).add(member)

    def knows(self, member: Member) -> bool:
        """They have asked."""
        return member in self._called.get(_key(member, member.user), ())

    def find(self, text: str, beside: Member, community: CommunityId) -> Member | None:
        """Whom a text means, where `beside` is: a key such as `discord:123`, or the one who is called so there.

        None: nobody, or more than one.
        """
        text = text.strip()
        if ":" in text:
            try:
                member = Member.parse(text)
            except ValueError:
                return None
            return member if member.platform in _PLATFORMS and text.isprintable() and " " not in text else None
        found = self._called.get(_key(beside, text.removeprefix("@")), set())
        if not found and beside.platform == "shell":
            found = {one for (_, _, name), members in self._called.items() if name == _plain(text) for one in members}
        if len(found) > 1:  # Ann and ann: the name exactly as it was written
            found = {one for one in found if one.user == text} or found
        if not found and (platform := _where_names_are_free(beside, community)) and _FREE_NAME.fullmatch(text):
            # The page writes the names of its members small.
            return Member(platform, text.lower() if platform == "web" else text)
        return next(iter(found)) if len(found) == 1 else None


def _where_names_are_free(beside: Member, community: CommunityId) -> str:
    """The platform on which whoever writes a name is its member. Empty: there each is known by an id of its own."""
    platform = beside.platform
    if platform == "shell":  # it has nobody of its own: the page, or where the community is
        platform = community.partition(":")[0]
        return platform if platform in _FREE else "" if platform in _PLATFORMS else "web"
    return platform if platform in _FREE else ""


def _key(member: Member, name: str) -> tuple[str, str, str]:
    return member.platform, member.tenant, _plain(name)


def _plain(name: str) -> str:
    return name.strip().removeprefix("@").casefold()
