"""What is said in a chat beside answers: hints, labels of buttons, what a restart did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from bot.commands.saying import Say, say

Action: TypeAlias = Literal["stop", "again", "continue", "drop"]
"""What the buttons below an answer do."""

LABELS: Mapping[Action, Say] = {
    "stop": say("Stop"),
    "again": say("Again"),
    "continue": say("Continue"),
    "drop": say("Never mind"),
}

CONTINUE = say("Go on exactly where you stopped.")
"""What the Continue button asks."""

UNREADABLE = say(
    "I got your reply, but not its text: a reply with the ping off stays hidden from me. Turn the @ on, or mention me."
)
BY_ROLE = say("You mentioned my role, and that keeps your text hidden from me. Mention me myself, or use /ask.")
EMPTY = say("You called me, but there was no question. Write it after my name.")
ONLY_WHO_ASKED = say("Only who asked can use this button. Ask me yourself: mention me, or use /ask.")
NOTHING_TO_STOP = say("There is nothing left to stop here.")
COMMAND_CHANGED = say("This command has just changed. Reload Discord, and use it again.")
BEING_ASKED = say("That is being asked already.")
NO_LONGER_KNOWN = say("I no longer know the question of this answer. Please ask it again.")
THINKING = say("Sent. The model is thinking.")
CUT_OFF_BY_RESTART = say("I was restarted while I was writing this, so it ends here.")
LOST_IN_RESTART = say("I was restarted while I was answering this. Please ask again.")
RESTARTING_IN_LINE = say("I am being restarted. Your question is kept and asked again by itself.")
WHOLE_IN_FILE = say("The answer is longer than fits here: the file holds all of it.")
NO_FILE_HERE = say("The answer is longer than fits here, and I may not attach files in this channel.")
GIVEN_UP = say("Dropped. It will not be asked.")
ANSWERED_BELOW = say("There was room for your question: the answer is below.")
CANNOT_WRITE_LATER = say(
    "I cannot write here any longer than 15 minutes after a command. Please ask again in a direct message."
)
CANNOT_WRITE_HERE = say("I may not write in this channel. Ask me in another one, or in a direct message.")
NOT_TAKEN = say("Discord does not let me show this answer here. A rule of this server may stand against it.")
MUTED = say("I will be quiet in here until I am mentioned again.")
NOT_IN_THREAD = say("That works in a thread I have been called into.")
STARTED_WITHOUT_TEXT = say("That message has no text I could ask about.")


def not_fetched(name: str) -> Say:
    """A file that Discord did not hand over."""
    return say("I could not load the file {name}. Please attach it again.", name=name)


def about(text: str) -> Say:
    """The question that "Ask about this" puts."""
    return say("What do you say about this message?\n\n{text}", text=text)
