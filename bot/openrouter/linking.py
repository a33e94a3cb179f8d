"""Linking an OpenRouter account without a web server: a link to open, and a code to paste back. Pure.

PKCE (RFC 7636) as https://openrouter.ai/docs/guides/overview/auth/oauth has it, without a callback: the page shows a
code, good once and for ten minutes. Who has the code alone can do nothing with it: the verifier stays here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import urlencode

SITE = "https://openrouter.ai/auth"
LINK_SECONDS = 600.0
"""How long a link waits for its code, which itself is good for as long."""
_API = "/api/v1"
_CODE = re.compile(r"[A-Za-z0-9._~-]{6,256}")


def verifier(entropy: bytes) -> str:
    """What proves that who brings the code is who asked for the link.

    Raises:
        ValueError: fewer than 32 bytes, which could be guessed.
    """
    if len(entropy) < 32:
        raise ValueError("a verifier is made of 32 bytes or more")
    return _text(entropy)


def challenge(of: str) -> str:
    """What goes into the link in the verifier's place."""
    return _text(hashlib.sha256(of.encode()).digest())


def site(base_url: str) -> str:
    """The page's address, for an API at `base_url`: beside it, where it is laid out as OpenRouter's."""
    base = base_url.rstrip("/")
    return f"{base.removesuffix(_API)}/auth" if base.endswith(_API) else SITE


def link(of: str, *, page: str = SITE) -> str:
    """The page where the member says yes, for a verifier."""
    return f"{page}?{urlencode({'code_challenge': challenge(of), 'code_challenge_method': 'S256'})}"


def code(pasted: str) -> str | None:
    """The code in what a member pasted; None: there is none, or it is something else."""
    word = pasted.strip().strip("`")
    return word if _CODE.fullmatch(word) else None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
