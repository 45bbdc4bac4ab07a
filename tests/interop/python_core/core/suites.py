"""Suites: which AEAD seals, and what the signature of a sealed envelope covers. §6.1, §2.3"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from .errors import Code, Refused

TAG_LEN = 16


@dataclass(frozen=True)
class Prehash:
    label: bytes
    of: Callable[[bytes], bytes]

    def signature_input(self, unsigned_envelope: bytes) -> bytes:
        return self.label + self.of(unsigned_envelope)


SHA256 = Prehash(b"peer-v1.1-envelope", lambda data: hashlib.sha256(data).digest())
BLAKE3 = Prehash(b"peer-v1.1-envelope-blake3", lambda data: blake3(data).digest())


@dataclass(frozen=True)
class Suite:
    name: str
    aead: Callable[[bytes], AESGCM | ChaCha20Poly1305]
    prehash: Prehash

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        return self.aead(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, sealed: bytes) -> bytes:
        """Raises Refused with DECRYPTION_FAILED."""
        try:
            return self.aead(key).decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError) as error:
            raise Refused(Code.DECRYPTION_FAILED, "the record does not open") from error


_ALL = (
    Suite("AES-256-GCM-BLAKE3", AESGCM, BLAKE3),
    Suite("AES-256-GCM", AESGCM, SHA256),
    Suite("ChaCha20-Poly1305", ChaCha20Poly1305, SHA256),
)
# In the order of the default offer.
SUITES = {suite.name: suite for suite in _ALL}


def aead_nonce(iv: bytes, number: int) -> bytes:
    return bytes(a ^ b for a, b in zip(iv, number.to_bytes(12, "big"), strict=True))
