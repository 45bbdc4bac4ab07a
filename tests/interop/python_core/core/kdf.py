"""Transcripts and keys. §3.4, §3.5"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from nacl import bindings
from nacl.exceptions import CryptoError

from .errors import Code, Refused, require


def prefixed(data: bytes) -> bytes:
    """len(x) ‖ x"""
    return len(data).to_bytes(8, "big") + data


def transcript(envelopes: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"peer-v1.1-transcript" + b"".join(map(prefixed, envelopes))).digest()


def hkdf(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(ikm)


def ephemeral_public(private: bytes) -> bytes:
    return bindings.crypto_scalarmult_base(private)


def shared_secret(private: bytes, public: bytes) -> bytes:
    """Raises Refused if it is all zero."""
    try:
        return bindings.crypto_scalarmult(private, public)
    except CryptoError as error:
        raise Refused(Code.INVALID_SIGNATURE, "a low-order ephemeral key") from error


@dataclass(frozen=True)
class DirectionKeys:
    """What one side seals and proves with."""

    traffic_key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    confirm_key: bytes = field(repr=False)

    def mac(self, over: bytes) -> bytes:
        return hmac.digest(self.confirm_key, over, "sha256")

    def check_mac(self, mac: bytes, over: bytes) -> None:
        """Raises Refused."""
        require(hmac.compare_digest(mac, self.mac(over)), Code.DECRYPTION_FAILED, "the confirmation MAC does not hold")


@dataclass(frozen=True)
class SessionKeys:
    session_key: bytes = field(repr=False)
    initiator: DirectionKeys
    responder: DirectionKeys


def session_keys(shared: bytes, handshake_hash: bytes) -> SessionKeys:
    session_key = hkdf(shared, handshake_hash, b"peer-v1.1-session-key")

    def expand(info: str, length: int) -> bytes:
        return HKDFExpand(SHA256(), length, f"peer-v1.1-{info}".encode()).derive(session_key)

    def direction(role: str) -> DirectionKeys:
        return DirectionKeys(expand(f"{role}-key", 32), expand(f"{role}-iv", 12), expand(f"{role}-confirm", 32))

    return SessionKeys(session_key, direction("initiator"), direction("responder"))
