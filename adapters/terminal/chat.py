"""One run's conversation: who talks, in which conversation, and what a line that is a command does.

The commands are the registry's, as everywhere else. The terminal adds only what the page has buttons for: why a share
is what it is, a file to send along, and leaving.
"""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from adapters.rendering import words
from adapters.rendering.saying import Speech
from adapters.rendering.why import why
from adapters.terminal.answers import shown, write_files
from adapters.terminal.attaching import Attaching
from adapters.terminal.completion import candidates
from adapters.terminal.inert import inert
from adapters.terminal.screen import local_zone
from bot.clock import Clock, Instant
from bot.commands.command import Caller, Parameter
from bot.commands.registry import Registry
from bot.commands.saying import Say, say
from bot.commands.typed import Typed, typed
from bot.errors import AttachmentRefused
from bot.messages import CommunityId, ConversationId, IncomingMessage, Member, MessageId, ReplyEvent
from bot.ports import Conversations

PLATFORM = "terminal"
HERE = CommunityId(PLATFORM)
LOCAL: Mapping[str, Say] = {
    "why": say("why your share is what it is: what you took, what is kept for others, which days were looked at"),
    "attach": say("send a file along with your next question: /attach PATH; without a path, what is attached"),
    "detach": say("send no file along after all"),
    "quit": say("leave, as Ctrl-D does"),
}
"""What is the terminal's own."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a command."""

    shown: RenderableType | None = None
    ask: str | None = None
    """A question that is to be asked now."""
    leave: bool = False
    unseen: str | None = None
    """What is to be typed now without being shown: then the line is carried out with it."""


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
        self,
        *,
        conversations: Conversations,
        registry: Registry,
        clock: Clock,
        member: Member,
        speech: Speech,
        days: int,
        folder: Path,
    ) -> None:
        """`days` is how long messages are kept, `folder` where files are read from and written to."""
        self._conversations, self._registry, self._clock = conversations, registry, clock
        self._speech, self._days, self._folder = speech, days, folder
        self.member = member
        self._attaching = Attaching(folder)
        self._conversation = ConversationId(f"{PLATFORM}:{member.user}:{uuid4()}")

    @property
    def caller(self) -> Caller:
        """Who sits at the machine Potluck runs on looks after what belongs to its terminal."""
        return Caller(
            member=self.member,
            name=self.member.user,
            community=HERE,
            standing="full",
            manages=True,
            conversation=self._conversation,
            locale=self._speech.tag,
        )

    def ask(self, text: str) -> AsyncGenerator[ReplyEvent]:
        """Ask, with what was attached, and hear the reply."""
        return self._conversations.reply(
            IncomingMessage(
                id=MessageId(f"{PLATFORM}:{uuid4()}"),
                conversation=self._conversation,
                community=HERE,
                author=self.member,
                author_name=self.member.user,
                place="a terminal",
                text=_storable(text),
                received_at=self._clock.now(),
                attachments=self._attaching.take(),
                standing="full",
            )
        )

    def stop(self) -> bool:
        """Stop what is being answered. False: nothing is."""
        return self._conversations.stop(self._conversation, self.member)

    async def welcome(self) -> RenderableType:
        """What is said first."""
        share = await self._conversations.share(self.member, HERE)
        sandbox = (await self._conversations.pool()).sandbox
        mine = words.share(share.used, share.level, share.left_now, share.left_sure, tongue=self._speech)
        lines = [f"Potluck · {self.member.user} · {mine}"]
        if sandbox:
            lines.append(
                self._speech.say(say("The sandbox stands in for OpenRouter: set OPENROUTER_API_KEY for real models."))
            )
        lines.append(self._speech.say(say("/help for commands · Ctrl-C stops an answer · Ctrl-D leaves")))
        return Text("\n".join(lines), style="dim")

    async def do(self, line: str, *, unseen: str | None = None) -> Done | None:
        """Carry out a line that is a command. None: it is a question, as `/usr/bin/env does what?` is.

        `unseen` is the secret that the line lacks, where it was asked for.
        """
        line = _storable(line.strip())
        name, _, rest = line.removeprefix("/").partition(" ")
        if line.startswith("/") and name in LOCAL:
            return await self._local(name, rest.strip())
        order = typed(line, self._registry.commands)
        if order is None:
            return None
        given = dict(order.given)
        if (secret := self._lacks(order)) is not None:
            if unseen is None:
                return Done(unseen=self._speech.say(secret.about))
            given[secret.name] = unseen
        answer = await self._registry.run(order.path, given, self.caller)
        said = [shown(answer, self._speech)]
        if order.path == ("help",) and not order.given:
            said.append(self._own_help())
        said += [Text(inert(why)) for why in await asyncio.to_thread(write_files, answer, self._folder, self._speech)]
        return Done(shown=Group(*said) if answer.parts else None, ask=answer.ask)

    async def complete(self, line: str) -> Sequence[str]:
        """What the last word of an unfinished line may become."""
        return await candidates(_storable(line), self._registry, self.caller, local=LOCAL, folder=self._folder)

    def _lacks(self, order: Typed) -> Parameter | None:
        """The secret that a line needs besides, and is nobody's to read over a shoulder."""
        command = self._registry.find(order.path)
        secrets = [] if command is None else [one for one in command.parameters if one.kind == "secret"]
        return next((one for one in secrets if one.required and one.name not in order.given), None)

    async def _local(self, name: str, argument: str) -> Done:
        if name == "quit":
            return Done(leave=True)
        if name == "why":
            return Done(shown=await self._why())
        if name == "detach":
            taken = self._attaching.take()
            said = say("Nothing is attached any more.") if taken else say("Nothing was attached.")
            return Done(shown=self._speech.say(said))
        if argument:
            try:
                await asyncio.to_thread(self._attaching.add, argument)
            except AttachmentRefused as refused:
                explained = words.explain(
                    refused.code,
                    limit=refused.limit,
                    file_fault=refused.fault,
                    file_name=inert(refused.name),
                    tongue=self._speech,
                )
                return Done(shown=str(explained))
            except OSError as error:
                why = error.strerror or str(error)
                return Done(shown=self._speech.say(say("{file} cannot be read: {why}.", file=inert(argument), why=why)))
        names = ", ".join(self._attaching.names)
        if not names:
            return Done(
                shown=self._speech.say(
                    say("Nothing is attached. /attach PATH sends a file along with your next question.")
                )
            )
        return Done(
            shown=self._speech.say(
                say("Goes with your next question: {names}. /detach if it is not to.", names=inert(names))
            )
        )

    async def _why(self) -> str:
        share = await self._conversations.share(self.member, HERE)
        explanation = await self._conversations.explain(self.member, HERE)
        shut = words.pool_state((await self._conversations.pool(HERE)).shut_for, None, tongue=self._speech)
        reasons = why(explanation, resets_at=share.resets_at, at=self._at, shut=shut, tongue=self._speech)
        return "\n".join([reasons.headline, *(point.said for point in reasons.points)])

    def _at(self, moment: Instant) -> str:
        now = self._clock.now()
        return words.at(moment, now, local_zone(now), tongue=self._speech)

    def _own_help(self) -> RenderableType:
        table = Table.grid(padding=(0, 3))
        for name, what in LOCAL.items():
            table.add_row(f"/{name}", Text(self._speech.say(what), style="dim"))
        begun = say("ends what you have begun to write")
        before = say("what you wrote before, kept in memory only and gone when you leave")
        table.add_row(self._speech.say(say("Tab")), Text(self._speech.say(begun), style="dim"))
        table.add_row("↑ ↓", Text(self._speech.say(before), style="dim"))
        kept = say("Questions and answers are not kept.")
        if self._days:
            days = words.DAYS.counting(self._days)
            kept = say("Questions and answers are in the database for {days}.", days=days)
        heading, last = self._speech.say(say("In this terminal")), Text(self._speech.say(kept), style="dim")
        return Group("", heading, table, last)


def _storable(text: str) -> str:
    """Without what a database or UTF-8 cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
