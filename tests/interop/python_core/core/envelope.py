"""The one thing that travels. §2.1, §2.3 to §2.5"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from . import cbor, identity, shape
from .cbor import Malformed
from .errors import Code, Refused, require
from .identity import Key
from .suites import SHA256, Prehash

MAX_ENVELOPE = 1_064_960
MAX_PLAIN_ENVELOPE = 16_384
VERSION = "1.1"


class Kind(StrEnum):
    HANDSHAKE_INIT = "handshake_init"
    HANDSHAKE_INIT_ACK = "handshake_init_ack"
    CHALLENGE_RESPONSE = "challenge_response"
    SESSION_ESTABLISHED = "session_established"
    SESSION_CONFIRM = "session_confirm"
    READY = "ready"
    HANDSHAKE = "handshake"
    HANDSHAKE_ACK = "handshake_ack"
    HANDSHAKE_CONFIRM = "handshake_confirm"
    SEALED = "sealed"
    ERROR = "error"


_SHAPE = shape.a_map(
    {
        "nonce": shape.bytes_of(16),
        "payload": shape.bytes_to(MAX_ENVELOPE),
        "version": shape.text(MAX_ENVELOPE),
        "msg_type": shape.text(MAX_ENVELOPE),
        "sender_id": shape.text(MAX_ENVELOPE),
        "signature": shape.bytes_to(MAX_ENVELOPE),
        "timestamp": shape.unsigned(),
        "recipient_id": shape.text(MAX_ENVELOPE),
        "sequence_num": shape.unsigned(),
    },
    {"encrypted": shape.flag, "session_id": shape.bytes_to(MAX_ENVELOPE)},
)


@dataclass(frozen=True)
class Draft:
    """An envelope that is not signed yet."""

    msg_type: Kind
    nonce: bytes
    timestamp: int
    sender_id: str
    recipient_id: str
    sequence_num: int
    session_id: bytes | None = None
    payload: bytes = b""

    def entries(self) -> dict[str, cbor.Value]:
        entries: dict[str, cbor.Value] = {
            "nonce": self.nonce,
            "payload": self.payload,
            "version": VERSION,
            "msg_type": str(self.msg_type),
            "sender_id": self.sender_id,
            "timestamp": self.timestamp,
            "recipient_id": self.recipient_id,
            "sequence_num": self.sequence_num,
        }
        if self.msg_type is Kind.SEALED:
            entries["encrypted"] = True
        if self.session_id is not None:
            entries["session_id"] = self.session_id
        return entries

    def unsigned(self) -> bytes:
        return cbor.encode(self.entries())

    def aad(self) -> bytes:
        return cbor.without(self.unsigned(), "payload")

    def sign(self, key: Key, prehash: Prehash = SHA256) -> bytes:
        signature = key.sign(prehash.signature_input(self.unsigned()))
        return cbor.encode({**self.entries(), "signature": signature})


@dataclass(frozen=True)
class Envelope:
    """One that was received and has the right form. Nothing of it is proved."""

    raw: bytes
    nonce: bytes
    payload: bytes
    msg_type: Kind
    encrypted: bool
    sender_id: str
    signature: bytes
    timestamp: int
    session_id: bytes | None
    recipient_id: str
    sequence_num: int

    @staticmethod
    def decode(raw: bytes) -> Envelope:
        """The ten checks that need no key. Raises Refused."""
        require(len(raw) <= MAX_ENVELOPE, Code.INVALID_VERSION, "too long")
        try:
            entries = shape.decode(raw, _SHAPE)
        except Malformed as error:
            raise Refused(Code.INVALID_VERSION, str(error)) from error
        require(entries["version"] == VERSION, Code.INVALID_VERSION, "another version")
        require(entries["msg_type"] in set(Kind), Code.INVALID_VERSION, "an unknown kind")
        kind = Kind(entries["msg_type"])
        sealed = kind is Kind.SEALED
        right = entries.get("encrypted") is (True if sealed else None)
        require(right, Code.ENCRYPTION_REQUIRED, "the flag is wrong for the kind")
        require(sealed or len(raw) <= MAX_PLAIN_ENVELOPE, Code.INVALID_VERSION, "too long for its kind")
        session_id = entries.get("session_id")
        require(session_id is None or shape.is_uuid(session_id), Code.INVALID_VERSION, "not a session id")
        named = identity.is_entity_id(entries["sender_id"]) and identity.is_entity_id(entries["recipient_id"])
        require(named, Code.INVALID_VERSION, "not an entity id")
        require(len(entries["signature"]) == 64, Code.INVALID_VERSION, "not a signature")
        return Envelope(
            raw, entries["nonce"], entries["payload"], kind, sealed, entries["sender_id"], entries["signature"],
            entries["timestamp"], session_id, entries["recipient_id"], entries["sequence_num"],
        )

    def unsigned(self) -> bytes:
        return cbor.without(self.raw, "signature")

    def aad(self) -> bytes:
        return cbor.without(self.raw, "payload", "signature")

    def check_signature(self, public: bytes, prehash: Prehash = SHA256) -> None:
        """Over the bytes that came. Raises Refused."""
        holds = identity.verify(public, prehash.signature_input(self.unsigned()), self.signature)
        require(holds, Code.INVALID_SIGNATURE, "the signature does not hold")
