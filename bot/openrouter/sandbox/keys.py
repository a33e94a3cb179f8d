"""Whose a key is, and how a person links an account: the PKCE exchange of a code for a key.

A key is let in unless it contains `bad` or was revoked. All keys draw from one account, but for those with an `@`:
what follows it names another one (`sandbox@ann`). A key that was exchanged for a code is of the account that
approved, and looks like a real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from bot.clock import Instant
from bot.openrouter.sandbox import refusals
from bot.openrouter.sandbox.catalogue import Json
from bot.openrouter.sandbox.refusals import USER_ID, Refusal
from bot.openrouter.sandbox.settings import Beliefs

CODE_SECONDS = 600.0
"""How long a code can be exchanged."""
METHODS = ("S256", "plain")
SHOWN = 12
"""Digits of a key's SHA-256 by which the log names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    account: str
    key: str

    @property
    def digest(self) -> str:
        """The key as it may be written down."""
        return digest(self.key)

    @property
    def label(self) -> str:
        """The key as `/key` names it."""
        return f"{self.key[:12]}...{self.key[-3:]}" if len(self.key) > 2 * SHOWN else "sk-or-v1-sandbox"

    @property
    def user_id(self) -> str:
        """The account's id, which nobody should be shown."""
        return user_id(self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    account: str
    challenge: str
    method: str
    given_at: Instant


class Keys:
    """The keys and codes of one sandbox. They are forgotten with it."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._codes: dict[str, _Code] = {}
        self._given = 0
        self._minted: dict[str, str] = {}
        self._revoked: set[str] = set()

    def caller(self, authorization: str) -> Caller | Refusal:
        """Who sent a request with this `Authorization` header."""
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            return refusals.NO_CREDENTIALS
        if key in self._revoked:
            return refusals.UNKNOWN_KEY
        if key in self._minted:
            return Caller(account=self._minted[key], key=key)
        return refusals.UNKNOWN_KEY if "bad" in key else Caller(account=key.partition("@")[2], key=key)

    def revoke(self, key: str) -> None:
        """Refuse a key from now on, as when its owner deletes it."""
        self._revoked.add(key)

    def authorize(self, challenge: str, *, at: Instant, account: str, method: str = "S256") -> str:
        """The account's owner approves: the code that can be exchanged for a key, once and soon."""
        self._given += 1
        code = f"auth_code_{self._draw('code')}"
        self._codes[code] = _Code(account=account, challenge=challenge, method=method, given_at=at)
        return code

    def exchange(self, raw: bytes, *, at: Instant, beliefs: Beliefs) -> Json | Refusal:
        """The answer to `POST /auth/keys`. A code is used up by whoever names it, right verifier or wrong."""
        try:
            body: Any = json.loads(raw)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("code"), str):
            return refusals.zod("code")
        method = body.get("code_challenge_method", "S256")
        if method not in METHODS:
            return Refusal(code=400, message="Invalid code_challenge_method")
        code = self._codes.pop(body["code"], None)
        if code is None:
            return Refusal(code=400, message="Invalid code") if beliefs.wrong_code_is_400 else refusals.WRONG_CODE
        if at > code.given_at + CODE_SECONDS:
            return Refusal(code=403, message="Authorization code expired")
        if method != code.method or challenge_of(body.get("code_verifier"), method) != code.challenge:
            return refusals.WRONG_CODE
        key = f"sk-or-v1-{self._draw('key')}"
        self._minted[key] = code.account
        return {"key": key, "user_id": user_id(code.account)}

    def _draw(self, what: str) -> str:
        """64 hexadecimal digits that repeat with the seed: nothing here is secret."""
        draw = random.Random(f"{self._seed}/{what}/{self._given}/{len(self._minted)}")  # noqa: S311  ids that repeat
        return draw.randbytes(32).hex()


def digest(key: str) -> str:
    """What the log calls a key: the first digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:SHOWN]


def user_id(account: str) -> str:
    """The id of an account; the default one's is on every error."""
    return f"user_{account}" if account else USER_ID


def challenge_of(verifier: object, method: str) -> str | None:
    """The challenge that belongs to a verifier."""
    if not isinstance(verifier, str) or method == "plain":
        return verifier if isinstance(verifier, str) else None
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
