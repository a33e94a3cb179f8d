"""Whom a name means, where people have ids of their own and where they go by the name they write."""

from __future__ import annotations

import pytest

from bot.messages import CommunityId, Member
from bot.office.acquaintances import Acquaintances

ADA, OWNER, ON_DISCORD = Member("web", "ada"), Member("shell", "owner"), Member("discord", "7", "")
WEB, EVERYWHERE = CommunityId("web"), CommunityId("everywhere")


def test_on_the_page_a_name_means_who_has_yet_to_ask() -> None:
    known = Acquaintances([(Member("web", "Ben"), "Ben")])
    assert known.find("ben", ADA, WEB) == Member("web", "Ben"), "who has asked comes first, however it is written"
    assert known.find("cara", ADA, WEB) == Member("web", "cara")
    assert known.find("Cara", ADA, WEB) == Member("web", "cara"), "as the page writes it"
    assert known.find("cara", Member("terminal", "ann"), CommunityId("terminal")) == Member("terminal", "cara")
    assert known.find("@cara", ADA, WEB) is None
    assert known.find("no body", ADA, WEB) is None
    assert not known.knows(Member("web", "cara"))
    assert known.knows(Member("web", "Ben"))


def test_of_two_names_alike_the_one_as_written() -> None:
    known = Acquaintances([(Member("web", "Ben"), "Ben"), (Member("web", "ben"), "ben")])
    assert known.find("ben", ADA, WEB) == Member("web", "ben")
    assert known.find("BEN", ADA, WEB) is None


@pytest.mark.parametrize(
    ("community", "expected"),
    [
        ("everywhere", Member("web", "cara")),
        ("web:club", Member("web", "cara")),
        ("terminal", Member("terminal", "cara")),
        ("discord:9", None),
        ("slack:T1", None),
    ],
)
def test_in_the_shell_it_means_the_page_or_where_the_community_is(community: str, expected: Member | None) -> None:
    assert Acquaintances().find("cara", OWNER, CommunityId(community)) == expected


def test_where_people_have_ids_a_name_that_nobody_has_means_nobody() -> None:
    known = Acquaintances([(Member("discord", "17"), "Cara")])
    assert known.find("cara", ON_DISCORD, CommunityId("discord:9")) == Member("discord", "17")
    assert known.find("ben", ON_DISCORD, CommunityId("discord:9")) is None
    assert known.find("web:ben", ON_DISCORD, CommunityId("discord:9")) == Member("web", "ben")
