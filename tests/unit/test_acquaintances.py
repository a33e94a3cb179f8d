"""Whom a name means: who has asked and is called so there, or an id in full."""

from __future__ import annotations

from bot.messages import Member
from bot.office.acquaintances import Acquaintances

ADA, OWNER, ON_DISCORD = Member("web", "ada"), Member("shell", "owner"), Member("discord", "7", "")


def test_of_two_names_alike_the_one_as_written() -> None:
    known = Acquaintances([(Member("web", "Ben"), "Ben"), (Member("web", "ben"), "ben")])
    assert known.find("ben", ADA) == Member("web", "ben")
    assert known.find("BEN", ADA) is None


def test_a_name_nobody_has_asked_under_means_nobody() -> None:
    known = Acquaintances([(Member("discord", "17"), "Cara"), (Member("web", "Ben"), "Ben")])
    assert known.find("cara", ON_DISCORD) == known.find("@Cara", ON_DISCORD) == Member("discord", "17")
    assert known.find("ben", ADA) == Member("web", "Ben"), "however it is written"
    assert known.find("ben", ON_DISCORD) is None, "of another platform"
    assert known.find("dora", ADA) is None
    assert known.find("cara", OWNER) == Member("discord", "17"), "the shell has nobody of its own"
    assert known.find("web:dora", ON_DISCORD) == Member("web", "dora")
