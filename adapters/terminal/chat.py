"""One run's conversation: who talks, in which conversation, with which model, and what the commands do."""

from __future__ import annotations

import getpass
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from adapters.rendering import words
from adapters.rendering.why import why
from adapters.terminal.inert import inert
from bot.clock import Clock
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, ModelId, ReplyEvent
from bot.ports import Conversations, PoolView

PLATFORM = "terminal"
COMMANDS: Mapping[str, str] = {
    "help": "this list",
    "new": "start over: what was said so far is no longer sent along",
    "stop": "stop the answer; Ctrl-C does it while one is written",
    "quota": "what you have used today and may still use, and why",
    "pool": "how the pool stands that everyone shares",
    "model": "the model that answers; /model NAME asks for another, /model auto leaves it to Potluck",
    "quit": "leave, as Ctrl-D does",
}
_COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line that is one: `/model acme/small` is `model` with `acme/small`."""

    name: str
    argument: str


def command(line: str) -> Command | None:
    """The command a line is. `/usr/bin/env does what?` is a question."""
    found = _COMMAND.fullmatch(line.strip())
    return Command(name=found[1], argument=(found[2] or "").strip()) if found else None


def member(name: str) -> Member:
    """The member of that name.

    Raises:
        ValueError: a name has 1 to 64 letters, digits, dots, hyphens or underscores.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: use 1 to 64 letters, digits, dots, hyphens or underscores")
    return Member(PLATFORM, name)


def own_name() -> str:
    """The name this machine knows its user by, with what a member's name cannot hold replaced."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as containers have
        name = ""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64].strip("-") or "me"


class Chat:
    """See the module. All of it belongs to the service's loop."""

    def __init__(
        self, *, conversations: Conversations, clock: Clock, member: Member, at: Callable[[float], str], days: int
    ) -> None:
        """`at` names a moment as the person's clock shows it; `days` is how long messages are kept."""
        self._conversations, self._clock, self._at, self._days = conversations, clock, at, days
        self.member = member
        self.model: ModelId | None = None
        self._conversation = ConversationId(f"{PLATFORM}:{member.user}:{uuid4()}")

    def ask(self, text: str) -> AsyncGenerator[ReplyEvent]:
        """Ask, and hear the reply."""
        return self._conversations.reply(
            IncomingMessage(
                id=MessageId(f"{PLATFORM}:{uuid4()}"),
                conversation=self._conversation,
                community=CommunityId(PLATFORM),
                author=self.member,
                author_name=self.member.user,
                place="a terminal",
                text=_storable(text),
                received_at=self._clock.now(),
                model=self.model,
            )
        )

    def stop(self) -> bool:
        """Stop what is being answered. False: nothing is."""
        return self._conversations.stop(self._conversation, self.member)

    async def welcome(self) -> RenderableType:
        """What is said first."""
        share = await self._conversations.share(self.member, CommunityId(PLATFORM))
        sandbox = (await self._conversations.pool()).sandbox
        lines = [
            f"Potluck · {self.member.user} · {words.share(share.used, share.level, share.left_now, share.left_sure)}",
            "The sandbox stands in for OpenRouter: set OPENROUTER_API_KEY for real models." if sandbox else "",
            "/help for commands · Ctrl-C stops an answer · Ctrl-D leaves",
        ]
        return Text("\n".join(line for line in lines if line), style="dim")

    async def do(self, command: Command) -> RenderableType | None:
        """Carry a command out; what it says to that. None: leave."""
        match command.name:
            case "help":
                return self._help()
            case "new":
                await self._conversations.forget(self._conversation)
                return "A new conversation. What was said so far is no longer sent along."
            case "stop":
                return "Stopped." if self.stop() else "There is nothing to stop. Ctrl-C stops an answer being written."
            case "quota":
                share = await self._conversations.share(self.member, CommunityId(PLATFORM))
                said = words.share(share.used, share.level, share.left_now, share.left_sure)
                explanation = await self._conversations.explain(self.member, CommunityId(PLATFORM))
                pool = await self._conversations.pool(CommunityId(PLATFORM))
                shut = words.pool_state(pool.shut_for, None)
                reasons = why(explanation, resets_at=share.resets_at, at=self._at, shut=shut)
                return "\n".join([f"{said}.", reasons.headline, *(point.said for point in reasons.points)])
            case "pool":
                return self._pool(await self._conversations.pool(CommunityId(PLATFORM)))
            case "model":
                return self._choose(command.argument)
            case "quit":
                return None
            case name:
                return f"There is no /{name}. /help lists what there is."

    def _help(self) -> RenderableType:
        table = Table.grid(padding=(0, 3))
        for name, what in COMMANDS.items():
            table.add_row(f"/{name}", Text(what, style="dim"))
        table.add_row("↑ ↓", Text("what you wrote before, kept in memory only and gone when you leave", style="dim"))
        kept = f"Questions and answers are in the database for {words.plural(self._days, 'day')}."
        if not self._days:
            kept = "Questions and answers are not kept."
        table.add_row("", Text(kept, style="dim"))
        return table

    def _pool(self, pool: PoolView) -> RenderableType:
        lines = [
            f"{words.number(pool.used)} of today's {words.plural(pool.rpd, 'request')} used, "
            f"{words.number(pool.minute_used)} of {words.number(pool.rpm)} in this minute.",
            f"{words.number(pool.waiting)} waiting, {words.number(pool.answering)} being answered.",
            f"It is full again {self._at(pool.resets_at)}.",
        ]
        again = None if pool.paused_until is None else self._at(pool.paused_until)
        lines.append(words.pool_state(pool.shut_for, again))
        return " ".join(line for line in lines if line)

    def _choose(self, wish: str) -> str:
        if wish:
            self.model = None if wish == "auto" else ModelId(inert(wish).replace("\n", " "))
        return f"Model: {self.model or 'auto, which leaves it to Potluck'}."


def _storable(text: str) -> str:
    """Without what a database or UTF-8 cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
