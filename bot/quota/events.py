"""The events of a pool's day, as the ledger keeps them: who asked, who was sent, how it ended. Never what was said.

A day's sharing is a function of its events: the scheduler applies each as it happens and hands it to the ledger, and
a restart applies them again. The questions among them are the history the level learns from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.clock import DAY, Instant
from bot.messages import CommunityId, Member
from bot.quota.history import Ask


class EventKind(StrEnum):
    """What happened to a member's question."""

    ASKED = "asked"
    REFUSED = "refused"
    HELD = "held"
    """It waits for room in the day. Kept for other processes alone: the held questions themselves are anyway."""
    RELEASED = "released"
    """It was held and is no longer. Kept likewise."""
    LET_THROUGH = "let_through"
    """It may go: the member is charged."""
    WITHDRAWN = "withdrawn"
    """Let through, and then never sent: the member and the pool have their unit back."""
    SENT = "sent"
    """Reserved: the pool is charged."""
    RETRIED = "retried"
    """A second attempt was reserved: the pool is charged, the member is not."""
    UNRETRIED = "unretried"
    """A second attempt was reserved, and then not sent after all."""
    UNSENT = "unsent"
    """Reserved, and then not sent after all."""
    ANSWERED = "answered"
    FAILED = "failed"
    GIVEN_BACK = "given_back"
    """Nothing was shown and the cause was upstream: the member has the unit back, the pool has not."""
    UNCOUNTED = "uncounted"
    """A provider's own key answered, which OpenRouter does not count: the pool has its unit back."""
    PROMISED = "promised"
    """Units are set aside for the member, in place of those that were: `units`."""
    JOINED = "joined"
    """Two members turn out to be one person: what the `other` has of the day is the member's from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEvent:
    """One event."""

    kind: EventKind
    at: Instant
    member: Member
    community: CommunityId
    units: int = 0
    """How many, where the kind does not say it."""
    other: Member | None = None
    """Who has become one with the member, where that is what happened."""


def asked(events: Iterable[DayEvent]) -> list[Ask]:
    """The questions among a day's events, in order of time: the history the level learns from."""
    return sorted(
        Ask(event.at % DAY, event.community, event.member.key) for event in events if event.kind is EventKind.ASKED
    )


def cut_off(member: Member, community: CommunityId, at: Instant) -> list[DayEvent]:
    """What a crash between reserving and settling means: the pool's unit is spent, the member's comes back.

    Noted at the moment of the lease, so that it stands in the lease's own day.
    """
    return [
        DayEvent(kind=kind, at=at, member=member, community=community)
        for kind in (EventKind.FAILED, EventKind.GIVEN_BACK)
    ]
