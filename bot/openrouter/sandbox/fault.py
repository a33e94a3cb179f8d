"""What a fault is: an error in place of the answer, another answer, or other bytes; and where an error may stand.

An error that refuses a request can come as the HTTP status it has (`NAME`), inside a body with status 200
(`NAME_body`), as the first and only event of a stream (`NAME_first`) and after half of an answer
(`NAME_in_stream`). All of these are made here of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from bot.clock import Instant
from bot.errors import FailureKind
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.wire import Answer, Reply

BODY, FIRST, IN_STREAM = "_body", "_first", "_in_stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an error body may tell of the request it answers."""

    at: Instant
    rpm: int
    rpd: int
    model: str
    question: str = ""


@dataclass(frozen=True, slots=True)
class Refuses:
    """An error in place of the answer."""

    make: Callable[[Scene], Refusal]


@dataclass(frozen=True, slots=True)
class Alters:
    """The model says something else, or its provider fails."""

    change: Callable[[Answer, Scene], Answer]


@dataclass(frozen=True, slots=True)
class Breaks:
    """The bytes on the wire are not what they should be."""

    change: Callable[[Reply], Reply]


Act: TypeAlias = Refuses | Alters | Breaks
Place: TypeAlias = Literal["status", "body", "first", "in_stream", "answer", "wire"]
"""Where a fault shows: as the HTTP status, in the body of a 200, as the first event of a stream, after half of an
answer, in an answer that has the shape of a whole one, or in the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One named fault."""

    name: str
    means: FailureKind | None
    """What a client should make of it; None where the answer is whole all the same."""
    act: Act
    of: str | None = None
    """The fault it is another place of; None: it is one of its own."""

    @property
    def place(self) -> Place:
        """Where it shows, in a stream."""
        match self.act:
            case Refuses():
                return "body" if self.of is not None else "status"
            case Alters():
                shown: Place = "in_stream" if IN_STREAM in self.name else "answer"
                return "first" if self.name.endswith(FIRST) else shown
            case Breaks():
                return "wire"
            case other:
                assert_never(other)


def refuse(name: str, means: FailureKind, refusal: Refusal | Callable[[Scene], Refusal]) -> Fault:
    """An error in place of the answer."""
    make = (lambda _: refusal) if isinstance(refusal, Refusal) else refusal
    return Fault(name=name, means=means, act=Refuses(make))


def alter(name: str, means: FailureKind | None, change: Callable[[Answer], Answer]) -> Fault:
    """Another answer."""
    return Fault(name=name, means=means, act=Alters(lambda answer, _: change(answer)))


def break_(name: str, means: FailureKind | None, change: Callable[[Reply], Reply]) -> Fault:
    """Other bytes."""
    return Fault(name=name, means=means, act=Breaks(change))


def half_then(error: Refusal, *, shapes: int = 2026) -> Callable[[Answer], Answer]:
    """Half the text, then an error."""
    return lambda answer: replace(answer, text=answer.text[: len(answer.text) // 2], error=error.error(), shapes=shapes)


def only(error: Refusal) -> Callable[[Answer], Answer]:
    """An error as the first and only thing of a 200."""
    return lambda answer: replace(answer, reasoning=(), text=(), error=error.error())


def places(fault: Fault) -> Iterator[Fault]:
    """The same error in the other places it may stand in."""
    if not isinstance(fault.act, Refuses):
        return
    make, means = fault.act.make, _once_accepted(fault)
    year = 2025 if "2025" in fault.name else 2026

    def first(answer: Answer, scene: Scene) -> Answer:
        return replace(_unprovided(answer, fault), reasoning=(), text=(), error=make(scene).error(), shapes=year)

    def in_stream(answer: Answer, scene: Scene) -> Answer:
        return half_then(make(scene), shapes=year)(_unprovided(answer, fault))

    yield Fault(name=fault.name + BODY, means=means, act=Refuses(lambda scene: make(scene).as_body()), of=fault.name)
    yield Fault(name=fault.name + FIRST, means=means, act=Alters(first), of=fault.name)
    yield Fault(name=fault.name + IN_STREAM, means=means, act=Alters(in_stream), of=fault.name)


_PROVIDERS = frozenset(
    {FailureKind.UPSTREAM_MODEL, FailureKind.PROVIDER_DOWN, FailureKind.TIMEOUT, FailureKind.MODERATION}
)
"""Kinds a provider is at the bottom of. In a stream, the chunk with the error of any other names none."""


def _unprovided(answer: Answer, fault: Fault) -> Answer:
    return answer if fault.means in _PROVIDERS else replace(answer, provider=None)


def _once_accepted(fault: Fault) -> FailureKind | None:
    """What the same error means under status 200.

    OpenRouter checks key, money and limits before it accepts a request. So an error that comes later and does
    not say itself that one of them is at fault speaks of the provider's key, money and limits.
    """
    unsourced = {"negative_balance_2025", "prompt_limit"}
    match fault.means:
        case FailureKind.BAD_KEY:
            return FailureKind.PROVIDER_DOWN
        case FailureKind.NEGATIVE_BALANCE if fault.name in unsourced:
            return FailureKind.PROVIDER_DOWN
        case FailureKind.PLATFORM_UNKNOWN:
            return FailureKind.UPSTREAM_MODEL
        case means:
            return means
