"""Encrypts stored secrets with a KMS key, and decrypts each once per process.

The first decryption of a partner's token costs a call to KMS. Then the process keeps it in memory, because
every push to that partner needs it.
"""

from __future__ import annotations

import base64
from typing import Any

from chalicelib.storage.aws_clients import OnFirstUse, make_client


class Vault:
    """Encrypts and decrypts short secrets with one KMS key."""

    def __init__(self, kms: Any, key_id: str) -> None:
        self._kms = kms
        self._key_id = key_id
        self._opened: dict[str, str] = {}

    def seal(self, secret: str) -> str:
        """Encrypt a secret of at most 4 KB; returns text that can be stored."""
        sealed = self._kms.encrypt(KeyId=self._key_id, Plaintext=secret.encode())["CiphertextBlob"]
        return base64.b64encode(sealed).decode()

    def open(self, sealed: str) -> str:
        """Decrypt a text that `seal` returned."""
        secret = self._opened.get(sealed)
        if secret is None:
            blob = base64.b64decode(sealed)
            secret = self._kms.decrypt(KeyId=self._key_id, CiphertextBlob=blob)["Plaintext"].decode()
            self._opened[sealed] = secret
        return secret


def kms_client() -> Any:
    """The client, once per process; made when a secret is first opened or sealed."""
    return OnFirstUse(lambda: make_client("kms"))
