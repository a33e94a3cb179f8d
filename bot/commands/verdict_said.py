"""Whether a member's next question may go, in one sentence."""

from __future__ import annotations

from typing import assert_never

from bot.commands.saying import Say, say
from bot.messages import Verdict


def verdict_said(verdict: Verdict) -> Say:
    """A verdict, as its member is told it."""
    match verdict:
        case "within_level":
            return say("There is room for your next question.")
        case "promised":
            return say("Your next question is promised to you, whatever others do.")
        case "granted":
            return say("An admin has set requests aside for you, so your next question goes.")
        case "above_level":
            return say("Not now: what is left is kept for others who usually come later today.")
        case "pool_promised":
            return say("Not now: all that is left has been promised to others.")
        case "pool_spent":
            return say("Today's pool is empty.")
    assert_never(verdict)
