"""The seams: what the core needs from the outside, as small Protocols, and the values that cross them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from bot.messages import ModelId, Usage

# --- the model -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMessage:
    """One message of the context a model is sent."""

    role: Literal["system", "user", "assistant"]
    content: str


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

    def stream(self, request: ChatRequest, *, on_sent: Callable[[], None]) -> AsyncGenerator[ModelEvent]:
        """Send one request and yield its answer as it comes. Never retries.

        `on_sent` is called once, at the last moment before bytes may leave: while it has not been called,
        nothing was sent and nothing can have been counted. Closing the generator or cancelling its task
        closes the connection at once.

        Raises:
            UpstreamFailure: no whole answer; the kind says why. Text may have been yielded before.
        """
        ...
