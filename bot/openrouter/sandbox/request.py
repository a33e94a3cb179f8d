"""Reads the body of a chat completion and refuses what OpenRouter would."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from bot.images import NoImageError, image_size, image_type
from bot.openrouter.sandbox import refusals, unroutable
from bot.openrouter.sandbox.catalogue import Json, Model
from bot.openrouter.sandbox.refusals import Refusal
from bot.openrouter.sandbox.settings import Beliefs

ROLES = ("system", "developer", "user", "assistant", "tool")
CHARACTERS_PER_TOKEN = 4
IMAGE_TOKENS = 256
UNREADABLE = "an image that cannot be read"
_DATA_URL = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A body, read leniently: what is missing or of a wrong type is None, and `fault` says so later."""

    body: Json

    @classmethod
    def read(cls, raw: bytes) -> Ask | None:
        """The body; None if it is not a JSON object."""
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            return None
        return cls(body=body) if isinstance(body, dict) else None

    def _text(self, name: str) -> str | None:
        value = self.body.get(name)
        return value if isinstance(value, str) else None

    @property
    def models(self) -> list[str]:
        """`model` and the fallbacks in `models`, in order of preference."""
        fallbacks = self.body.get("models")
        wanted = [self.body.get("model"), *(fallbacks if isinstance(fallbacks, list) else [])]
        return [model for model in wanted if isinstance(model, str)]

    @property
    def user(self) -> str | None:
        return self._text("user")

    @property
    def session(self) -> str | None:
        return self._text("session_id")

    @property
    def attempt(self) -> str | None:
        """Whose attempt this is in the sender's own books: `metadata.attempt`."""
        metadata = self.body.get("metadata")
        value = metadata.get("attempt") if isinstance(metadata, dict) else None
        return value if isinstance(value, str) else None

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def reasons(self) -> bool:
        """A model that can is to show its reasoning."""
        reasoning = self.body.get("reasoning")
        if not isinstance(reasoning, dict):
            return True
        return reasoning.get("effort") != "none" and reasoning.get("exclude") is not True

    @property
    def max_tokens(self) -> int | None:
        value = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        return value if isinstance(value, int) and value > 0 else None

    @property
    def messages(self) -> list[Json]:
        messages = self.body.get("messages")
        return [entry for entry in messages if isinstance(entry, dict)] if isinstance(messages, list) else []

    @property
    def turns(self) -> int:
        """Messages of the user in the context: which question of the conversation this is."""
        return sum(message.get("role") == "user" for message in self.messages)

    @property
    def question(self) -> str:
        """The text of the last user message."""
        asked = [message for message in self.messages if message.get("role") == "user"]
        return text_of(asked[-1]) if asked else ""

    @property
    def images(self) -> int:
        return sum(part.get("type") == "image_url" for message in self.messages for part in _parts(message))

    @property
    def seen(self) -> list[str]:
        """What images it shows, each in a few words; those that cannot be read say so."""
        return [seen(part) for message in self.messages for part in _parts(message) if part.get("type") == "image_url"]

    @property
    def prompt_tokens(self) -> int:
        """A guess at the length of the context."""
        characters = sum(len(text_of(message)) for message in self.messages)
        return -(-characters // CHARACTERS_PER_TOKEN) + 4 * len(self.messages) + IMAGE_TOKENS * self.images

    @property
    def tools(self) -> bool:
        return bool(self.body.get("tools"))

    def malformed(self) -> Refusal | None:
        """Why the body is none that could be sent to any model."""
        messages = self.body.get("messages")
        if not isinstance(messages, list) or not messages:
            return refusals.NO_MESSAGES
        for place, message in enumerate(messages):
            if not isinstance(message, dict) or message.get("role") not in ROLES:
                return Refusal(code=400, message=f"Invalid input: messages.{place}.role")
            if not isinstance(message.get("content"), str | list):
                return Refusal(code=400, message=f"Invalid input: messages.{place}.content")
        return refusals.BAD_IMAGE if UNREADABLE in self.seen else None

    def unroutable(self, model: Model, *, free_models: bool, beliefs: Beliefs) -> Refusal | None:
        """Why nobody would take this to the model; None if somebody would.

        `free_models`: see `AccountSettings`.
        """
        provider, reasoning = _object(self.body.get("provider")), self.body.get("reasoning")
        if model.expires is not None:
            return unroutable.free_variant_ended(model.id)
        private = provider.get("data_collection") == "deny" or provider.get("zdr") is True or not free_models
        if model.free and private:  # free endpoints may keep what they are sent: there is nowhere to go
            return unroutable.DATA_POLICY
        if self.images and not model.images and not model.router:
            return unroutable.NO_IMAGES
        if self.tools and not model.tools and not model.router:
            return unroutable.NO_TOOLS
        prices = _object(provider.get("max_price"))
        nothing = bool(prices) and not any(_number(price) for price in prices.values())
        if not model.within(prices) or (nothing and not beliefs.zero_price_is_free):
            return unroutable.over_price(model.id)
        if model.reasoning == "mandatory" and isinstance(reasoning, dict) and reasoning.get("effort") == "none":
            return refusals.REASONING_MANDATORY
        asked = self.prompt_tokens + (self.max_tokens or 0)
        return refusals.context_length(model.context, asked) if asked > model.context else None


def text_of(message: Json) -> str:
    """The text of a message, whatever form its content has."""
    content = message.get("content")
    parts = [content, *(part.get("text") for part in _parts(message))]
    text = "\n".join(part for part in parts if isinstance(part, str))
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON can hold half a character


def seen(part: Json) -> str:
    """An image of a message, as one who looks at it would name it: `a PNG of 640 × 480 pixels`."""
    url = _object(part.get("image_url")).get("url")
    if not isinstance(url, str):
        return UNREADABLE
    if url.startswith("https://"):
        return "an image on the web"  # nothing is fetched
    match = _DATA_URL.match(url)
    if match is None:
        return UNREADABLE
    try:
        content = b64decode(url[match.end() :], validate=True)
        kind = image_type(content) or ""
        width, height = image_size(kind, content)
    except (ValueError, KeyError, NoImageError):
        return UNREADABLE
    return f"a {kind.removeprefix('image/').upper()} of {width} × {height} pixels"


def _number(value: object) -> float:
    """A price as a number; what is none is more than nothing."""
    try:
        return float(str(value))
    except ValueError:
        return 1.0


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _parts(message: Json) -> list[dict[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
