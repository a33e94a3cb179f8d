"""The secret this Potluck hashes names with: from `SECRET_KEY`, else made once and kept beside the database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.errors import SettingsError
from bot.settings import Settings, secret_keys
from bot.vault import Vault


@dataclass(frozen=True, slots=True)
class Secret:
    """Key material. Its `repr` shows none of it."""

    _key: bytes
    made_at: Path | None
    """The file it was made in just now, for a notice; None: it was there."""
    _newer: tuple[bytes, ...] = ()
    """Keys in front of it, the newest first, as `SECRET_KEY` has them."""

    def __repr__(self) -> str:
        return "Secret()"

    def pseudonym(self) -> Callable[[str], str]:
        """Names into hashes that say nothing of them and stay the same: 128 bits, 32 hex digits."""
        key = self._key
        return lambda name: hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:32]

    def vault(self) -> Vault:
        """What keys are kept in: the newest key seals, any opens."""
        return Vault([*self._newer, base64.urlsafe_b64encode(self._key)])


def load_secret(settings: Settings) -> Secret:
    """The oldest key of `SECRET_KEY`, so that putting a new one in front changes no pseudonym; or the kept file.

    Raises:
        SettingsError: the file beside the database cannot be used.
    """
    if given := secret_keys(settings.secret_key):
        return Secret(base64.urlsafe_b64decode(given[-1]), None, tuple(given[:-1]))
    if settings.server:
        fix = "Set it, the same for every process, to what `openssl rand -base64 32 | tr +/ -_` prints."
        raise SettingsError("SECRET_KEY", "is unset, and beside a server there is no file to keep one in", fix)
    file = settings.database_file.with_suffix(".key")
    try:
        if file.exists():
            key = base64.urlsafe_b64decode(file.read_bytes().strip())
            if len(key) != 32:
                raise ValueError
            return Secret(key, None)
        key = secrets.token_bytes(32)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(base64.urlsafe_b64encode(key) + b"\n")
        return Secret(key, file)
    except (OSError, ValueError):
        raise SettingsError(
            "SECRET_KEY", f"is unset and {file} cannot be used in its place", "Set SECRET_KEY, or mend that file."
        ) from None
