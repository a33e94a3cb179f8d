"""Members take turns in the fair line, and in no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Instant
from bot.messages import Member
from bot.quota.line import FairLine, FirstCome, Ticket
from tests.unit.scheduler.world import WEB


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=80),
    st.integers(1, 5),
)
def test_members_take_turns(steps: list[tuple[int, bool]], behind: int) -> None:
    """However many tickets the others have, nobody's first one waits behind more than one of each of them."""
    line = FairLine()
    for member, goes in steps:
        line.join(_ticket(member))
        if goes:
            _goes(line)
    for _ in range(behind):
        line.join(_ticket(9))
        waiting = [ticket.member.user for ticket in line]
        before = waiting[: waiting.index("9")] if waiting.count("9") == 1 else []
        assert all(before.count(member) <= 1 for member in before)
        _goes(line)


def test_first_come_lets_a_flood_stand_in_front() -> None:
    """The control: the property is the fair line's, not every line's."""
    line = FirstCome()
    for member in (1, 1, 1, 9):
        line.join(_ticket(member))
    assert [ticket.member.user for ticket in line] == ["1", "1", "1", "9"]


def test_a_member_who_comes_back_has_saved_nothing_up() -> None:
    line = FairLine()
    for _ in range(20):
        line.join(_ticket(1))
        _goes(line)
    for member in (2, 1, 2, 1):
        line.join(_ticket(member))
    assert [ticket.member.user for ticket in line] == ["2", "1", "2", "1"]


def _ticket(member: int) -> Ticket:
    return Ticket(member=Member("test", str(member)), community=WEB, asked_at=Instant(0))


def _goes(line: FairLine) -> None:
    ticket = line.next(lambda _: True)
    assert ticket is not None
    ticket.started_at = Instant(0)
    line.leave(ticket)
