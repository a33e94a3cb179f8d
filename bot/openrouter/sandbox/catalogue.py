"""The models the sandbox offers, as `/models` lists them.

All but OpenRouter's own two routers live under `sandbox/`, so that nobody takes one for a real model. A few
are traps a careful client avoids: a safety classifier, an expired id, a price of zero without `:free`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Reasoning: TypeAlias = Literal["none", "optional", "mandatory"]

FREE_ROUTER = "openrouter/free"
CLASSIFIER = "sandbox/gatekeeper-4b:free"
TOOLS = ("tool_choice", "tools")
CREATED = 1_767_225_600
"""2026-01-01: when the sandbox says its models appeared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the catalogue. Prices are USD per token, as strings, as OpenRouter writes them."""

    id: str
    name: str
    description: str
    context: int
    prompt: str = "0"
    completion: str = "0"
    images: bool = False
    tools: bool = True
    reasoning: Reasoning = "none"
    expires: str | None = None
    max_completion: int | None = None

    @property
    def router(self) -> bool:
        return self.id.startswith("openrouter/")

    @property
    def free(self) -> bool:
        """Counts towards the account's free allowance."""
        return self.id.endswith(":free") or self.id == FREE_ROUTER

    @property
    def costs(self) -> bool:
        """Has a price."""
        return self.completion != "0"

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """USD for one request."""
        return prompt_tokens * Decimal(self.prompt) + completion_tokens * Decimal(self.completion)

    def within(self, prices: Mapping[str, object]) -> bool:
        """Whether it costs no more than `provider.max_price`: USD per million tokens, numbers or strings.

        A router is within any: it looks for a model that is.
        """
        for name, price in (("prompt", self.prompt), ("completion", self.completion)):
            most = prices.get(name)
            if self.router or most is None:
                continue
            try:
                if Decimal(price) * 1_000_000 > Decimal(str(most)):
                    return False
            except InvalidOperation:  # no number: OpenRouter's own answer to that is not known
                continue
        return True

    def entry(self) -> Json:
        """The object in `data` of `GET /models`."""
        inputs = ["text", "image"] if self.images else ["text"]
        supported = ["max_tokens", "seed", "stop", "temperature", *TOOLS[: 2 * self.tools], "top_p"]
        entry: Json = {
            "id": self.id,
            "canonical_slug": self.id.removesuffix(":free"),
            "hugging_face_id": "",
            "name": self.name,
            "created": CREATED,
            "description": self.description,
            "context_length": self.context,
            "architecture": {
                "modality": f"{'+'.join(inputs)}->text",
                "input_modalities": inputs,
                "output_modalities": ["text"],
                "tokenizer": "Router" if self.router else "Other",
                "instruct_type": None,
            },
            "pricing": {"prompt": self.prompt, "completion": self.completion},
            "top_provider": {
                "context_length": None if self.router else self.context,
                "max_completion_tokens": self.max_completion,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": supported,
            "default_parameters": {"temperature": None, "top_p": None, "frequency_penalty": None},
            "supported_voices": None,
            "knowledge_cutoff": None,
            "expiration_date": self.expires,
            "links": {"details": f"/api/v1/models/{self.id.removesuffix(':free')}/endpoints"},
        }
        if self.reasoning != "none":
            entry["supported_parameters"] = sorted([*supported, "include_reasoning", "reasoning"])
            entry["reasoning"] = {"mandatory": self.reasoning == "mandatory"}
        return entry


MODELS: Sequence[Model] = (
    Model(id=FREE_ROUTER, name="Free Models Router", description="Picks a free model at random.", context=200_000),
    Model(
        id="openrouter/auto",
        name="Auto Router",
        description="Picks a paid model for each prompt.",
        context=2_000_000,
        prompt="-1",
        completion="-1",
    ),
    Model(
        id="sandbox/meadow-8b:free",
        name="Sandbox: Meadow 8B (free)",
        description="Small and quick. Its window is short, so long conversations have to be trimmed.",
        tools=False,
        context=8_192,
        max_completion=2_048,
    ),
    Model(
        id="sandbox/harbor-24b:free",
        name="Sandbox: Harbor 24B (free)",
        description="An everyday model.",
        context=32_768,
    ),
    Model(
        id="sandbox/lantern-70b:free",
        name="Sandbox: Lantern 70B (free)",
        description="Thinks before it answers, if it is let.",
        context=131_072,
        reasoning="optional",
    ),
    Model(
        id="sandbox/prism-12b:free",
        name="Sandbox: Prism 12B (free)",
        description="Takes images.",
        context=65_536,
        images=True,
    ),
    Model(
        id="sandbox/summit-120b:free",
        name="Sandbox: Summit 120B (free)",
        description="Always thinks before it answers.",
        context=262_144,
        reasoning="mandatory",
        max_completion=32_768,
    ),
    Model(
        id=CLASSIFIER,
        name="Sandbox: Gatekeeper 4B (free)",
        description="A content safety classifier: whatever it is told, it says whether that is safe or unsafe.",
        tools=False,
        context=131_072,
    ),
    Model(
        id="sandbox/ember-3b:free",
        name="Sandbox: Ember 3B (free)",
        description="No longer free; the entry has not been taken down yet.",
        context=16_384,
        expires="2026-01-31",
    ),
    Model(
        id="sandbox/cloak-preview",
        name="Sandbox: Cloak (preview)",
        description="Costs nothing while it is tested, but is not one of the free models.",
        context=131_072,
    ),
    Model(
        id="sandbox/meadow-8b",
        name="Sandbox: Meadow 8B",
        description="Small and quick.",
        context=32_768,
        prompt="0.00000002",
        completion="0.00000005",
    ),
    Model(
        id="sandbox/prism-12b",
        name="Sandbox: Prism 12B",
        description="Takes images.",
        context=131_072,
        prompt="0.0000001",
        completion="0.0000004",
        images=True,
    ),
    Model(
        id="sandbox/lantern-70b",
        name="Sandbox: Lantern 70B",
        description="Thinks before it answers, if it is let.",
        context=131_072,
        prompt="0.0000006",
        completion="0.0000024",
        reasoning="optional",
    ),
    Model(
        id="sandbox/summit-120b",
        name="Sandbox: Summit 120B",
        description="Always thinks before it answers.",
        context=1_000_000,
        prompt="0.000003",
        completion="0.000015",
        reasoning="mandatory",
        max_completion=64_000,
    ),
)


def find(model: str) -> Model | None:
    """The model with exactly this id."""
    return next((entry for entry in MODELS if entry.id == model), None)


def routed(able: Callable[[Model], bool]) -> Sequence[Model]:
    """What `openrouter/free` may pick from: free, of use in a chat, and `able` to read what it is sent."""
    useful = [model for model in MODELS if model.free and not (model.router or model.id == CLASSIFIER or model.expires)]
    return [model for model in useful if able(model)]


def listing(*, without: Collection[str] = (), free_models: bool = True) -> Json:
    """The body of `GET /models` and `/models/user`; the latter leaves out what the account's settings forbid.

    Routers stay: nothing is known of what becomes of them.
    """
    shown = [model for model in MODELS if model.id not in without and (free_models or model.router or not model.free)]
    return {"data": [model.entry() for model in shown], "total_count": len(shown), "links": {"next": None}}
