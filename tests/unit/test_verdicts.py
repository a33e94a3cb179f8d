"""A verdict is held back until it is known to be one, and nothing else is for longer than it could become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.verdicts import is_verdict, may_become_verdict

VERDICTS = ["safe", "unsafe", "Safe", "\n\nsafe", "unsafe\nS2", "unsafe\nS1,S10", "unsafe S1, S2.", "safe.", "UNSAFE\n"]


@pytest.mark.parametrize("text", VERDICTS)
def test_verdicts_from_their_first_letter_on(text: str) -> None:
    assert is_verdict(text)
    assert all(may_become_verdict(text[:end]) for end in range(len(text) + 1))


@pytest.mark.parametrize(
    "text",
    ["Safety first.", "It is safe.", "safe to eat", "Unsafe at any speed", "so", "safe harbour", "unsafe S2 as"],
)
def test_answers_are_told_as_soon_as_they_are_no_verdict(text: str) -> None:
    assert not is_verdict(text)
    assert not may_become_verdict(text)


@given(st.text(max_size=200))
def test_what_is_no_beginning_is_no_verdict(text: str) -> None:
    if is_verdict(text):
        assert may_become_verdict(text)
    assert not (len(text) > 80 and may_become_verdict(text))
