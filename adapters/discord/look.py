"""What an answer looks like at a moment: its messages, each with its text and its buttons. Pure.

While an answer is under way its messages are plain content: that is copied, searched, quoted and shown in notifications
everywhere, and can still become the middle of a longer answer. When it has ended, its last message turns into
Components V2, in the same edit that would be due anyway: the same text, a thin line, and below it what Potluck says of
it, with its buttons. Nothing a model writes can stand below that line. A message of its own for the footer would be one
more write for each answer, and would drift away from it in a busy channel. V2 cannot be taken back, so no message turns
before its text is final.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from adapters.rendering import chatting, words
from adapters.rendering.chatting import Action
from adapters.rendering.saying import ENGLISH, Tongue
from adapters.rendering.split import Limits, split
from bot.clock import Instant
from bot.errors import AttachmentRefused, Refused
from bot.messages import (
    Ending,
    Failed,
    Finished,
    Held,
    Lane,
    ModelId,
    Notice,
    Queued,
    ReplyEvent,
    Share,
    Started,
    TextDelta,
)

LONGEST, LONGEST_ENDED = 2000, 4000
"""Of one message, in code points: Discord counts as Python does. One that has ended may have more, its footer included.
"""
MOST_PIECES = 6
_FOOTER = 1000
"""What is kept free for the footer where a message is as long as can be."""
FILE = "answer.md"
_NAMED = 40
"""What is kept free where the one who asked may have to be named first."""
_LONGEST_NAME = 60
_MARKUP = re.compile(r"([\\`*_~|<>@#\[\]():-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One message as it should stand there."""

    content: str
    footer: tuple[str, ...] = ()
    """What Potluck says below it, in lines."""
    buttons: tuple[Action, ...] = ()
    tongue: Tongue = ENGLISH
    """What its buttons speak."""
    file: str | None = None
    """What is attached."""

    @property
    def ended(self) -> bool:
        """Its text is final: it is shown as Components V2."""
        return bool(self.footer) or any(action in ("again", "continue") for action in self.buttons)


@dataclass(kw_only=True)
class Scene:
    """An answer as it is known so far. `take` what comes; nothing here waits for anything."""

    tongue: Tongue = ENGLISH
    later: bool = False
    """It was held: nothing is shown before the answer itself."""
    may_attach: bool = True
    most: int = MOST_PIECES
    """Messages there may be."""
    queued: Queued | None = None
    started: Started | None = None
    notices: list[Notice] = field(default_factory=list)
    ending: Ending | None = None
    restarting: bool = False
    """Potluck is being stopped."""
    broken: bool = False
    """The reply broke off without an ending."""
    out_of_time: bool = False
    """Nothing more can be written where it stands."""
    withdrawn: bool = False
    """Its question was deleted before it was sent."""
    _parts: list[str] = field(default_factory=list)

    def take(self, event: ReplyEvent) -> None:
        match event:
            case Queued():
                self.queued = event
            case Started():
                self.started = event
            case TextDelta():
                self._parts.append(event.text)
            case Notice():
                self.notices.append(event)
            case Finished() | Failed() | Held():
                self.ending = event
            case _:
                assert_never(event)

    @property
    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def over(self) -> bool:
        return self.ending is not None or self.out_of_time or self.broken or self.withdrawn

    @property
    def joined(self) -> bool:
        """It is answered together with an earlier message, which shows the answer."""
        return not self._parts and any(notice.kind == "messages_gathered" for notice in self.notices)

    @property
    def kept_for_restart(self) -> bool:
        """It was never sent and ends only because Potluck does: it is asked again at the next start."""
        return self.restarting and self.started is None and isinstance(self.ending, Failed) and not self.later


def posts(scene: Scene, *, at: Callable[[Instant], str]) -> list[Post]:
    """The messages, in order. `at` writes a moment as Discord shows it."""
    if scene.joined or scene.withdrawn:
        return []
    if scene.kept_for_restart:
        return [Post(content=scene.tongue.say(chatting.RESTARTING_IN_LINE))]
    shown = _text(scene)
    if scene.out_of_time:
        return _closed(scene, shown, scene.tongue.say(chatting.CANNOT_WRITE_LATER))
    if scene.broken:
        return _closed(scene, shown, str(words.explain("internal", tongue=scene.tongue)), buttons=("again",))
    match scene.ending:
        case None:
            return _under_way(scene, shown)
        case Finished():
            return _finished(scene, scene.ending, shown)
        case Failed():
            return _failed(scene, scene.ending, shown, at)
        case Held(estimate_at=estimate):
            return [_post(scene, words.held(at(estimate) if estimate else None, tongue=scene.tongue), "drop")]
        case _:
            assert_never(scene.ending)


def _text(scene: Scene) -> list[Post]:
    pieces = split(scene.text, _limits(scene))
    shown = [Post(content=piece) for piece in pieces.texts]
    if pieces.rest_as_file and scene.over:
        said, file = (chatting.WHOLE_IN_FILE, scene.text) if scene.may_attach else (chatting.NO_FILE_HERE, None)
        shown[-1] = replace(shown[-1], footer=(f"-# {scene.tongue.say(said)}",), file=file)
    return shown


def _limits(scene: Scene) -> Limits:
    """Where there is one message for all, its text may grow into what only an ended one can hold."""
    if scene.later:
        return Limits(length=LONGEST - _NAMED, most=scene.most)
    length = LONGEST_ENDED - _FOOTER if scene.most == 1 and scene.over else LONGEST
    return Limits(length=length, most=scene.most)


def _closed(scene: Scene, shown: list[Post], said: str, *, buttons: tuple[Action, ...] = ()) -> list[Post]:
    """The text with a last word below it, or that alone."""
    if not shown:
        return [_post(scene, said[:LONGEST], *buttons)]
    last = shown[-1]
    room = LONGEST_ENDED - len(last.content) - sum(len(line) + 1 for line in last.footer)
    return [*shown[:-1], replace(last, footer=(*last.footer, said[:room]), buttons=buttons, tongue=scene.tongue)]


def _post(scene: Scene, content: str, *buttons: Action) -> Post:
    return Post(content=content, buttons=buttons, tongue=scene.tongue)


def escape(text: str) -> str:
    """What a person wrote, so that nothing in it is markup."""
    return _MARKUP.sub(r"\\\1", text)


def _under_way(scene: Scene, shown: list[Post]) -> list[Post]:
    if shown:
        return [*shown[:-1], replace(shown[-1], buttons=("stop",), tongue=scene.tongue)]
    if scene.later:
        return []
    if scene.started is not None:
        return [_post(scene, scene.tongue.say(chatting.THINKING), "stop")]
    if scene.queued is not None:
        return [_post(scene, words.queued(scene.queued.place, scene.queued.estimate, tongue=scene.tongue), "stop")]
    return []


def _finished(scene: Scene, ending: Finished, shown: list[Post]) -> list[Post]:
    if not shown:
        return []
    cost = None if ending.lane == "free" else words.dollars(ending.usage.cost_usd, tongue=scene.tongue)
    footer = (*shown[-1].footer, *_notices(scene), _account(scene, ending.model, ending.lane, ending.share, cost))
    return [*shown[:-1], replace(shown[-1], footer=footer, buttons=("again",), tongue=scene.tongue)]


def _account(scene: Scene, model: ModelId, lane: Lane, share: Share, cost: str | None) -> str:
    """Who answered, how that was paid, and what it took."""
    if cost is None and lane == "free":
        cost = words.share(share.used, share.level, share.left_now, tongue=scene.tongue)
    name = f"`{model[:_LONGEST_NAME].replace('`', '')}`"
    return "-# " + " · ".join(filter(None, (name, words.lane(lane, tongue=scene.tongue), cost)))


def _notices(scene: Scene) -> list[str]:
    said = (words.notice(notice.kind, notice.count, tongue=scene.tongue) for notice in scene.notices)
    lines = [f"-# {line}" for line in dict.fromkeys(said)]
    while sum(map(len, lines)) > _FOOTER * 2 // 3:
        lines.pop()
    return lines


def _failed(scene: Scene, ending: Failed, shown: list[Post], at: Callable[[Instant], str]) -> list[Post]:
    error = ending.error
    if scene.later and error.code == "stopped" and not shown:
        return []  # who asked has dropped it
    told = words.explain(
        error.code,
        again=at(error.resets_at) if error.resets_at is not None else None,
        limit=error.limit,
        partial=ending.partial,
        reason=error.reason,
        shut_for=ending.shut_for,
        why_not=error.why if isinstance(error, Refused) else None,
        offer=error.offer if isinstance(error, Refused) else None,
        file_fault=error.fault if isinstance(error, AttachmentRefused) else None,
        file_name=escape(error.name) if isinstance(error, AttachmentRefused) else "",
        tongue=scene.tongue,
    )
    text = scene.tongue.say(chatting.CUT_OFF_BY_RESTART) if scene.restarting and error.code == "stopped" else str(told)
    buttons: tuple[Action, ...] = ("again",)
    if shown and error.code != "stopped":
        buttons = ("continue", "again")
    if shown and scene.started is not None:
        text += "\n" + _account(scene, scene.started.model, scene.started.lane, ending.share, None)
    if error.code in ("bad_key", "member_blocked", "attachment_refused"):
        buttons = ()  # the same would come of it
    return _closed(scene, shown, text, buttons=buttons)
