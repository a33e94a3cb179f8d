"""Whom a name means: the members who have asked, by what their platform calls them."""

from __future__ import annotations

from collections.abc import Iterable

from bot.messages import Member

_PLATFORMS = frozenset({"discord", "slack", "web", "terminal"})


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

    def find(self, text: str, beside: Member) -> Member | None:
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
        return next(iter(found)) if len(found) == 1 else None


def _key(member: Member, name: str) -> tuple[str, str, str]:
    return member.platform, member.tenant, _plain(name)


def _plain(name: str) -> str:
    return name.strip().removeprefix("@").casefold()
