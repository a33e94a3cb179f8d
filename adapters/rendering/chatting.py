"""What is said in a chat beside answers: hints, labels of buttons, what a restart did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Action: TypeAlias = Literal["stop", "again", "continue", "drop"]
"""What the buttons below an answer do."""

LABELS: Mapping[Action, str] = {"stop": "Stop", "again": "Again", "continue": "Continue", "drop": "Never mind"}

CONTINUE = "Go on exactly where you stopped."
"""What the Continue button asks."""

UNREADABLE = (
    "I got your reply, but not its text: a reply with the ping off stays hidden from me. Turn the @ on, or mention me."
)
EMPTY = "You called me, but there was no question. Write it after my name."
ONLY_WHO_ASKED = "Only who asked can use this button. Ask me yourself: mention me, or use /ask."
NOTHING_TO_STOP = "There is nothing left to stop here."
BEING_ASKED = "That is being asked already."
NO_LONGER_KNOWN = "I no longer know the question of this answer. Please ask it again."
THINKING = "Sent. The model is thinking."
CUT_OFF_BY_RESTART = "I was restarted while I was writing this, so it ends here."
LOST_IN_RESTART = "I was restarted while I was answering this. Please ask again."
RESTARTING_IN_LINE = "I am being restarted. Your question is kept and asked again by itself."
WHOLE_IN_FILE = "The answer is longer than fits here: the file holds all of it."
NO_FILE_HERE = "The answer is longer than fits here, and I may not attach files in this channel."
GIVEN_UP = "Dropped. It will not be asked."
ANSWERED_BELOW = "There was room for your question: the answer is below."
CANNOT_WRITE_LATER = (
    "I cannot write here any longer than 15 minutes after a command. Please ask again in a direct message."
)
CANNOT_WRITE_HERE = "I may not write in this channel. Ask me in another one, or in a direct message."
MUTED = "I will be quiet in here until I am mentioned again."
NOT_IN_THREAD = "That works in a thread I have been called into."
STARTED_WITHOUT_TEXT = "That message has no text I could ask about."


def not_fetched(name: str) -> str:
    """A file that Discord did not hand over."""
    return f"I could not load the file {name}. Please attach it again."


def about(text: str) -> str:
    """The question that "Ask about this" puts."""
    return f"What do you say about this message?\n\n{text}"
