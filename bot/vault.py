"""Keeps other people's keys: encrypted, bound to their owner, and never in clear but in the moment of use.

The encryption is cryptography's MultiFernet under the keys of `SECRET_KEY`: the first encrypts, any of them opens.
The owner stands inside what is encrypted, so that a row moved to another owner does not open.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from bot.errors import PotluckError


class VaultError(PotluckError):
    """What is kept cannot be opened. Holds nothing of it."""


class Vault:
    """Seals and opens.

    Args:
        keys: 32 bytes of URL-safe base64 each, the newest first; at least one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def __repr__(self) -> str:
        return "Vault()"

    def seal(self, owner: str, secret: SecretStr) -> str:
        """What may stand in the database."""
        document = json.dumps({"owner": owner, "secret": secret.get_secret_value()})
        return self._fernet.encrypt(document.encode()).decode()

    def open(self, owner: str, sealed: str) -> SecretStr:
        """The secret again.

        Raises:
            VaultError: it was sealed with a key that is not there, for another owner, or was changed.
        """
        try:
            document = json.loads(self._fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            raise VaultError(
                "SECRET_KEY does not open what is kept. Put back the key it was sealed with, after the newer ones."
            ) from None
        if document["owner"] != owner:
            raise VaultError("A key that is kept belongs to somebody else than its row says. It was not used.")
        return SecretStr(document["secret"])

    def test(self, sealed: str) -> None:
        """Raises: VaultError: none of the keys opens it, whoever owns it."""
        try:
            self._fernet.decrypt(sealed.encode())
        except InvalidToken:
            raise VaultError("SECRET_KEY does not open what is kept.") from None

    def reseal(self, owner: str, sealed: str) -> str:
        """The same under the newest key. Raises as `open`."""
        return self.seal(owner, self.open(owner, sealed))


def last_four(secret: SecretStr) -> str:
    """All that is ever shown of a key."""
    value = secret.get_secret_value()
    return value[-4:] if len(value) >= 24 else ""
