"""What went wrong, in words for whoever runs Potluck: what it means and what to do about it, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping

from bot.errors import FailureKind, NoRoute

_KINDS: Mapping[FailureKind, str] = {
    FailureKind.ACCOUNT_DAILY: "OpenRouter says the account's free requests for today are spent: the pool rests until "
    "they are back; buying ten credits once makes 50 a day into 1,000.",
    FailureKind.ACCOUNT_MINUTE: "The account started too many requests in a minute: the pool waits and the line keeps "
    "its order; if it comes often, another program uses the account, or POOL_RPM is too high.",
    FailureKind.UPSTREAM_MODEL: "The model's provider is overloaded: the model cools down by itself; if it stays so, "
    "choose other free models.",
    FailureKind.PLATFORM_UNKNOWN: "OpenRouter said to slow down without saying whose limit it was: nothing to do "
    "unless it stays.",
    FailureKind.NEGATIVE_BALANCE: "The account's balance is below zero, and then free models refuse as well: add "
    "credits on OpenRouter's credits page.",
    FailureKind.KEY_LIMIT: "The key has reached the spending limit set for it: raise or remove the limit in "
    "OpenRouter's key settings.",
    FailureKind.IN_FLIGHT_BUDGET: "Requests under way reserve more credit than the account has: add credits, or wait "
    "until they end.",
    FailureKind.BAD_KEY: "OpenRouter does not accept the key: make a new one in its key settings and set "
    "OPENROUTER_API_KEY.",
    FailureKind.MODERATION: "A safety check upstream stopped one question: nothing to do.",
    FailureKind.GUARDRAIL: "A guardrail of the account or its organisation stopped the request: look at the guardrails "
    "in OpenRouter's settings.",
    FailureKind.NO_ENDPOINTS: "No provider can take the request as it was sent: `potluck doctor` tells which free "
    "models are up.",
    FailureKind.TOO_LARGE: "A request was larger than OpenRouter takes: nothing to do unless it comes often.",
    FailureKind.BAD_IMAGE: "A model could not open an image that a member sent: nothing to do.",
    FailureKind.BAD_REQUEST: "OpenRouter did not understand a request of Potluck's: look for a newer version, and "
    "report it if there is none.",
    FailureKind.TIMEOUT: "A model took too long: nothing to do unless it comes often; other free models may be faster.",
    FailureKind.PROVIDER_DOWN: "A model's provider is down: nothing to do unless it stays; other free models may "
    "be up.",
    FailureKind.UNREACHABLE: "OpenRouter cannot be reached from here: check the network, the proxy and "
    "OPENROUTER_BASE_URL.",
    FailureKind.EDGE_HTML: "Something between here and OpenRouter answered in its place: check the proxy and "
    "OPENROUTER_BASE_URL; if they are right, it passes.",
    FailureKind.EMPTY_ANSWER: "A model answered with nothing of use: if it comes often, take that model out of the "
    "chain.",
    FailureKind.REASONING_ONLY: "A model spent its whole answer on thinking: if it comes often, take that model out of "
    "the chain.",
    FailureKind.CUT_OFF: "An answer broke off on its way here: nothing to do unless it comes often; then check the "
    "network.",
    FailureKind.ERROR_IN_STREAM: "A model's provider failed in the middle of an answer: nothing to do unless it comes "
    "often.",
    FailureKind.CONTENT_FILTER: "A provider's filter ended an answer: nothing to do.",
    FailureKind.LENGTH: "An answer reached the length set for answers: nothing to do unless members complain.",
    FailureKind.ENDLESS: "A model would not stop writing and was stopped: if it comes often, take that model out "
    "of the chain.",
}
_ROUTES: Mapping[NoRoute, str] = {
    "data_policy": "No free model is routable: turn on free model training and publication in OpenRouter's privacy "
    "settings.",
    "model_gone": "The model is no longer offered free: choose another one; `potluck doctor` lists those that are up.",
    "images": "No free model that is allowed here reads images: add one to the chain, or leave images out.",
    "tools": "No free model that is allowed here takes tools: add one to the chain, or leave tools off.",
    "context": "The conversation was longer than any free model allowed here can read: add one with a larger window.",
    "region": "No provider serves the model in the account's region: look at the regions in OpenRouter's settings.",
    "price": "No provider serves the model at the highest price allowed: for the free pool, check that the model is "
    "still free.",
    "other": _KINDS[FailureKind.NO_ENDPOINTS],
}
_SHUT: Mapping[str, str] = {
    "bad_key": "The pool is shut, as OpenRouter does not accept the key: set a good one as OPENROUTER_API_KEY and "
    "start again.",
    "out_of_credit": "The pool is shut, as the account's balance is below zero: add credits; it opens by itself then.",
    "no_free_models": "The pool is shut, as no free model is routable: turn on free model training and publication in "
    "OpenRouter's privacy settings; it opens by itself then.",
    "cost_seen": "The pool is shut, as a free request was charged for: look at the account's activity before an admin "
    "opens it again.",
    "guard": "The pool is shut, as a request that was not certainly free was about to leave: look at the models in the "
    "settings before an admin opens it again.",
    "admin": "The pool is shut by an admin, and stays so until an admin opens it.",
}


_OWN_SHUT: Mapping[str, str] = {
    "bad_key": "A community's pool is shut, as OpenRouter does not accept the key it has linked: its admins have to "
    "link another, or remove it.",
    "out_of_credit": "A community's pool is shut, as the balance of its account is below zero: whoever owns that has "
    "to add credits; it opens by itself then.",
    "no_free_models": "A community's pool is shut, as its account's privacy settings leave no free model: whoever owns "
    "it has to change them; it opens by itself then.",
}


def for_operator(kind: FailureKind, route: NoRoute | None = None) -> str:
    """A failure; `route` says more about one of `NO_ENDPOINTS`."""
    return _KINDS[kind] if route is None else _ROUTES[route]


def shut(reason: str, *, own: bool = False) -> str:
    """Why a pool is shut; `reason` as in `bot.ports.PoolView.shut_for`. `own`: its account is a community's."""
    if own and reason in _OWN_SHUT:
        return _OWN_SHUT[reason]
    return _SHUT.get(reason, "The pool is shut: the log has more.")
