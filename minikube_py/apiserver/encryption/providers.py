"""How a value is kept: as it is, or sealed with AES-GCM under a named key.

The form is Kubernetes' own: `k8s:enc:aesgcm:v1:<key name>:` before nonce, ciphertext and tag, with the store's key as
additional data, so that a value cannot be moved to another object.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

MARK = b"k8s:enc:"
"""What every sealed value begins with; no JSON object does."""
NONCE_BYTES = 12


class Unreadable(Exception):
    """A stored value that no configured key opens."""


class Provider(Protocol):
    """One way of keeping values; `prefix` tells which values it wrote."""

    prefix: bytes

    def seal(self, key: str, value: bytes) -> bytes: ...

    def open(self, key: str, sealed: bytes) -> bytes:
        """Raises Unreadable for a value that was changed or moved."""
        ...


class Identity:
    """Values as they are."""

    prefix = b""

    def seal(self, key: str, value: bytes) -> bytes:
        return value

    def open(self, key: str, sealed: bytes) -> bytes:
        return sealed


class AESGCM:
    """One named key of 16, 24 or 32 bytes. Raises ValueError for another length."""

    def __init__(self, name: str, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM as Cipher

        self.prefix = MARK + b"aesgcm:v1:" + name.encode() + b":"
        self._cipher = Cipher(secret)

    def seal(self, key: str, value: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self.prefix + nonce + self._cipher.encrypt(nonce, value, key.encode())

    def open(self, key: str, sealed: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        start = len(self.prefix)
        nonce, body = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, key.encode())
        except (InvalidTag, ValueError):
            raise Unreadable(f"the value of {key} does not open with its key: it was changed or moved") from None


class Keeper:
    """The providers of one resource: the first writes, all of them read."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)

    def seal(self, key: str, value: bytes) -> bytes:
        return self._providers[0].seal(key, value)

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bool]:
        """(the value, whether it is kept otherwise than it would be written today). Raises Unreadable."""
        marked = sealed.startswith(MARK)
        for number, provider in enumerate(self._providers):
            if sealed.startswith(provider.prefix) if provider.prefix else not marked:
                return provider.open(key, sealed), number > 0
        what = "is encrypted with a key that" if marked else "is not encrypted, and the provider identity"
        raise Unreadable(f"the value of {key} {what} is not in the encryption configuration")
