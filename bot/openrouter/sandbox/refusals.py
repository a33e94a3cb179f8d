"""OpenRouter's error bodies, one function or constant each; `limited`, `unpaid`, `unroutable` hold the rest.

Messages, `limit_source` and the like are the protocol: clients tell one failure from another by them, so they
are as OpenRouter writes them. Seen on the wire or in its documentation between mid-2025 and October 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.wire import Reply, json_reply

USER_ID = "user_sandbox"
"""The account's id, which OpenRouter adds to errors and nobody should be shown."""
DOCS = "https://openrouter.ai/docs/api/reference/errors-and-debugging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error in OpenRouter's envelope."""

    code: int
    message: str
    metadata: Json | None = None
    availability: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    """HTTP status where it is not the code: 200 for an error in place of an answer."""
    word: str | None = None
    """What stands in place of the numeric code: some proxies write words, or the number as a string."""
    name: str | None = None
    """The error's name, in the envelope of the routes that check their input with Zod."""

    def error(self) -> Json:
        """The object under `error`."""
        if self.name is not None:
            return {"name": self.name, "message": self.message}
        error: Json = {"message": self.message, "code": self.word or self.code}
        if self.metadata is not None:
            error["metadata"] = self.metadata
        if self.availability is not None:
            error["availability"] = self.availability
        return error

    def as_body(self) -> Refusal:
        """The same error with HTTP status 200."""
        return replace(self, status=200, headers={})

    def reply(self) -> Reply:
        body: Json = {"error": self.error(), "user_id": USER_ID}
        if self.name is not None:
            body = {"success": False, "error": self.error()}
        return replace(json_reply(body, status=self.status or self.code, headers=self.headers), broken=True)


def invalid_model(model: str) -> Refusal:
    return Refusal(code=400, message=f"{model} is not a valid model ID")


def zod(field: str) -> Refusal:
    """A body that lacks a field, as the newer routes say it."""
    problem = [{"code": "invalid_type", "expected": "string", "received": "undefined", "path": [field]}]
    return Refusal(code=400, message=json.dumps(problem), name="ZodError")


def unknown_fault(name: str) -> Refusal:
    """The sandbox's own: a header names a fault that does not exist."""
    return Refusal(code=400, message=f"X-Sandbox-Fault: there is no fault {name!r}")


def context_length(limit: int, asked: int) -> Refusal:
    return Refusal(
        code=400,
        message=f"This endpoint's maximum context length is {limit} tokens. However, you requested about {asked} "
        "tokens. Please reduce the length of either one, or use the context-compression plugin.",
        metadata={"provider_name": None, "error_type": "context_length_exceeded"},
    )


def moderated(model: str, text: str) -> Refusal:
    """The provider's moderation refused the input; the body repeats some of it."""
    return Refusal(
        code=403,
        message="Your chosen model requires moderation and your input was flagged",
        metadata={
            "reasons": ["violence"],
            "flagged_input": text if len(text) <= 100 else f"{text[:48]}...{text[-49:]}",
            "provider_name": "Sandbox",
            "model_slug": model,
        },
    )


def availability(code: str, model: str) -> Json:
    """The object that says why no endpoint would take a request; documented in August 2026."""
    return {"code": code, "retryable": False, "requested_models": [model], "docs_url": DOCS}


NO_CREDENTIALS = Refusal(code=401, message="No cookie auth credentials found")
UNKNOWN_KEY = Refusal(code=401, message="User not found.")
NOT_JSON = Refusal(code=400, message="Input must have at least 1 token.")
NO_MESSAGES = Refusal(code=400, message='Input required: specify "prompt" or "messages"')
NO_MODEL = Refusal(code=400, message="No models provided")
TOO_MANY_MODELS = Refusal(code=400, message="'models' array must have 3 items or fewer.")
REASONING_MANDATORY = Refusal(
    code=400,
    message="Reasoning is mandatory for this endpoint and cannot be disabled.",
    metadata={"provider_name": None},
)
TOO_LARGE = Refusal(code=413, message="Request payload too large")
NO_GENERATION = Refusal(code=404, message="Generation not found")
WRONG_CODE = Refusal(code=403, message="Invalid code or code_verifier")
NO_METHOD = Refusal(code=405, message="Method not allowed")
NO_HEADER = Refusal(code=401, message="Missing Authentication header")
NO_CREDENTIALS_2025 = Refusal(code=401, message="No auth credentials found")
MANAGEMENT_ONLY = Refusal(code=403, message="Only management keys can perform this operation")
GUARDRAIL = Refusal(
    code=403,
    message="Request blocked: prompt injection patterns detected",
    metadata={"patterns": ["ignore all previous instructions"]},
)
POLICY_VIOLATION = Refusal(
    code=403, message="The request was refused", metadata={"error_type": "content_policy_violation"}
)
CONTEXT_LENGTH_2025 = Refusal(
    code=400,
    message="This endpoint's maximum context length is 8192 tokens. However, you requested about 9001 tokens.",
    metadata={"provider_name": "Sandbox"},
)
IMAGE_TOO_LARGE = Refusal(code=400, message="Image is too large", metadata={"error_type": "image_too_large"})
BAD_IMAGE = Refusal(code=400, message="Image could not be read", metadata={"error_type": "invalid_image"})
UNPROCESSABLE = Refusal(code=422, message="Invalid argument")
TIMEOUT = Refusal(code=408, message="Operation timed out. Please try again later.")
TIMEOUT_TYPED = Refusal(
    code=504, message="Provider did not answer in time", metadata={"provider_name": "Sandbox", "error_type": "timeout"}
)
GATEWAY_TIMEOUT = Refusal(code=504, message="Gateway timeout")
EDGE_TIMEOUT = Refusal(code=524, message="Request timed out. Please try again later.")
INTERNAL_ERROR = Refusal(code=500, message="Internal Server Error", metadata={"error_type": "server"})
INTERNAL_ERROR_2025 = Refusal(code=500, message="Internal Server Error")
PROVIDER_DOWN = Refusal(
    code=502,
    message="Provider returned error",
    metadata={"provider_name": "Sandbox", "error_type": "provider_unavailable"},
)
PROVIDER_DOWN_2025 = Refusal(
    code=502,
    message="Provider returned error",
    metadata={"provider_name": "Sandbox", "raw": '{"error":{"message":"upstream connect error"}}'},
)
PROVIDER_KEY = Refusal(
    code=401, message="Provider returned error", metadata={"provider_name": "Sandbox", "raw": "Invalid API key"}
)
"""The provider refuses OpenRouter's own key: nothing is wrong with the sender's."""
OVERLOADED = Refusal(code=529, message="Provider returned error")
OVERLOADED_TYPED = Refusal(
    code=503,
    message="Provider is overloaded",
    metadata={"provider_name": "Sandbox", "error_type": "provider_overloaded"},
)
UNAVAILABLE = Refusal(code=503, message="Service temporarily unavailable", headers={"Retry-After": "5"})
DISCONNECTED = Refusal(
    code=502, message="Provider disconnected mid-stream", metadata={"error_type": "provider_unavailable"}
)
TOKEN_LIMIT = Refusal(
    code=400, message="The answer's limit was reached", metadata={"error_type": "max_tokens_exceeded"}
)
TOKEN_LIMIT_2025 = Refusal(code=400, message="Token limit reached")
