"""Keys and names. §1.1 to §1.3"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass, field

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

_IDENTITY_POINT = bytes([1]) + bytes(31)
_DERIVED = re.compile("ent-[a-z2-7]{16}")
_FINGERPRINT = re.compile("[0-9A-Fa-f]{64}")
_ASCII_WHITE_SPACE = re.compile("[\t\n\x0b\x0c\r ]")
_PEER_ID = re.compile("(1|Qm)[1-9A-HJ-NP-Za-km-z]*")


@dataclass(frozen=True)
class Key:
    """An Ed25519 key pair."""

    seed: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        return bytes(SigningKey(self.seed).verify_key)

    def sign(self, message: bytes) -> bytes:
        return SigningKey(self.seed).sign(message).signature


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Strictly: libsodium refuses an `S` that is not canonical and points of small order, and has no cofactor."""
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True


def usable(public: bytes) -> bool:
    """A point on the curve that is not of small order: eight times the point is not the identity."""
    if len(public) != 32:
        return False
    point = public
    try:
        for _ in range(3):
            point = bindings.crypto_core_ed25519_add(point, point)
    except (CryptoError, ValueError, RuntimeError):
        return False
    return point != _IDENTITY_POINT


def digest(public: bytes) -> bytes:
    """The fingerprint's bytes."""
    return hashlib.sha256(public).digest()


def fingerprint(public: bytes) -> str:
    """The fingerprint, for people."""
    digits = digest(public).hex()
    return " ".join(digits[at : at + 8] for at in range(0, 64, 8))


def derived_id(public: bytes) -> str:
    return "ent-" + base64.b32encode(digest(public)).decode().lower()[:16]


def names(entity_id: str, public: bytes) -> tuple[str, str]:
    """Both ids that an entity answers to."""
    return entity_id, derived_id(public)


def is_entity_id(name: str) -> bool:
    if not 1 <= len(name.encode()) <= 128 or unicodedata.normalize("NFC", name) != name:
        return False
    if any(unicodedata.category(character) == "Cc" for character in name):
        return False
    bare = name.strip()
    looks_like_a_peer_id = 44 <= len(bare) <= 60 and _PEER_ID.fullmatch(bare)
    looks_like_a_fingerprint = _FINGERPRINT.fullmatch(_ASCII_WHITE_SPACE.sub("", bare))
    return not (bare.startswith("/") or looks_like_a_fingerprint or looks_like_a_peer_id)


def may_use(entity_id: str, public: bytes) -> bool:
    """Ids of derived shape are reserved for the key that derives them."""
    return not _DERIVED.fullmatch(entity_id) or entity_id == derived_id(public)
