"""From Slack's events to what was written where. Pure: what is not for Potluck is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.slack import plain_text
from bot.messages import ConversationId, MessageId

Json = Mapping[str, Any]

_WRITTEN = frozenset({None, "", "file_share", "thread_broadcast"})
"""Subtypes of what a person wrote. Edits, joins and the rest are not questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A thread: where one conversation is."""

    team: str
    """Of the workspace whose token speaks there."""
    channel: str
    root: str
    """The `ts` of the message the thread hangs on."""

    @property
    def private(self) -> bool:
        """In direct messages with Potluck: every word there is for it, and nobody else reads it."""
        return self.channel.startswith("D")

    @property
    def conversation(self) -> ConversationId:
        return ConversationId(f"slack:{self.team}/{self.channel}/{self.root}")

    @classmethod
    def parse(cls, conversation: str) -> Spot | None:
        """The thread of a conversation; None: it is none of Slack's."""
        platform, _, rest = conversation.partition(":")
        parts = rest.split("/")
        if platform != "slack" or len(parts) != 3 or not all(parts):
            return None
        return cls(team=parts[0], channel=parts[1], root=parts[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Something a person wrote where Potluck can read it."""

    spot: Spot
    ts: str
    user: str
    user_team: str
    """The person's own workspace, as far as the event says it."""
    text: str
    """As Slack writes it."""
    called: bool
    """Potluck is called by name."""
    for_another: bool
    """It begins by calling somebody else."""
    files: Sequence[Json] = field(default=())

    @property
    def in_thread(self) -> bool:
        return self.ts != self.spot.root

    @property
    def id(self) -> MessageId:
        return MessageId(f"slack:{self.spot.team}/{self.spot.channel}/{self.ts}")

    def question(self, bot_user: str) -> str:
        """What is asked, in plain text."""
        return plain_text.read(self.text, bot_user=bot_user)


def written(event: Json, *, team: str, bot_user: str) -> Written | None:
    """What a `message` or `app_mention` event brings; None: nobody wrote it, or not to be answered.

    `team` is the workspace of the installation.
    """
    user, ts, channel = event.get("user"), event.get("ts"), event.get("channel")
    if not (isinstance(user, str) and isinstance(ts, str) and isinstance(channel, str)):
        return None
    by_a_machine = event.get("bot_id") or event.get("bot_profile") or event.get("app_id") or user == bot_user
    if by_a_machine or event.get("hidden") or event.get("subtype") not in _WRITTEN:
        return None
    if user in ("USLACKBOT", "USLACK"):
        return None
    text = str(event.get("text") or "")
    root = event.get("thread_ts")
    files = event.get("files")
    return Written(
        spot=Spot(team=team, channel=channel, root=root if isinstance(root, str) and root else ts),
        ts=ts,
        user=user,
        user_team=str(event.get("user_team") or event.get("source_team") or event.get("team") or ""),
        text=text,
        called=event.get("type") == "app_mention" or plain_text.mentions(text, bot_user),
        for_another=plain_text.for_another(text, bot_user),
        files=tuple(file for file in files if isinstance(file, Mapping)) if isinstance(files, list) else (),
    )
