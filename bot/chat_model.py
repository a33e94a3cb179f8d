"""What a model is asked and what comes of it: the seam to OpenRouter, and the values that cross it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from bot.messages import ModelId, Usage


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text among the parts of a message."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image among the parts of a message."""

    media_type: str
    """`image/png`, `image/jpeg`, `image/gif` or `image/webp`."""
    content: bytes = field(repr=False)


ContentPart: TypeAlias = TextPart | ImagePart


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMessage:
    """One message of the context a model is sent."""

    role: Literal["system", "user", "assistant"]
    content: str | Sequence[ContentPart]
    """Plain text, or parts: the text first, then images."""

    @property
    def text(self) -> str:
        """All of its text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One upstream request: one unit of the pool, whatever its length."""

    model: ModelId
    messages: Sequence[ModelMessage]
    user: str
    """A keyed hash of the member: OpenRouter isolates abuse by it and never learns who it is."""
    session: str
    """A keyed hash of the conversation: OpenRouter keeps a conversation on one provider by it."""
    attempt: str
    """The lease's id, sent as metadata so that an attempt can be matched with the account's own log."""
    fallbacks: Sequence[ModelId] = ()
    """Models OpenRouter tries in turn, within this one request, where `model` cannot answer."""
    max_completion_tokens: int | None = None
    """Tokens the answer may have, reasoning included. None: as many as the model writes."""
    max_price: Mapping[str, str] | None = None
    """Prices no provider may be above, as OpenRouter writes them. None: not on the paid lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelText:
    """Visible text, in the order it came. Never empty."""

    text: str
    model: ModelId
    """The concrete model that writes, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelThinking:
    """The model reasons or OpenRouter says it is still working; nothing to show but life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEnd:
    """The answer is whole. Always last, and never after an empty answer (that is a failure)."""

    model: ModelId
    generation: str
    """OpenRouter's id of the generation, for `/generation`. Empty where it gave none."""
    usage: Usage = field(default_factory=Usage)


ModelEvent: TypeAlias = ModelText | ModelThinking | ModelEnd


class ChatModel(Protocol):
    """Something that answers. `bot.openrouter.client.OpenRouter` is the one; tests script others."""

    def stream(
        self,
        request: ChatRequest,
        *,
        on_sent: Callable[[], None],
        check: Callable[[Mapping[str, object]], None] | None = None,
        on_generation: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ModelEvent]:
        """Send one request and yield its answer as it comes. Never retries.

        `check` is shown the very document that is about to be sent, and raises what then is raised here if it must not
        be: nothing has left by then.

        `on_sent` is called once, at the last moment before bytes may leave: while it has not been called,
        nothing was sent and nothing can have been counted. Closing the generator or cancelling its task
        closes the connection at once. `on_generation` is told OpenRouter's id of the answer as soon as it names one.

        Raises:
            UpstreamFailure: no whole answer; the kind says why. Text may have been yielded before.
        """
        ...
