"""Packets and outcomes of several hops. §12.1 to §12.4"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from . import cbor, identity, shape
from .cbor import Malformed
from .envelope import MAX_ENVELOPE

MAX_HEAD = 256
MAX_HOPS = 10


class Reason(StrEnum):
    NO_ROUTE = "no_route"
    SEEN = "seen"
    EXPIRED = "expired"
    HOP_LIMIT = "hop_limit"
    RATE_LIMITED = "rate_limited"
    NOT_CARRYING = "not_carrying"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNANSWERED = "unanswered"
    MALFORMED = "malformed"


class NoPacket(Exception):
    """What the neighbour that sent it is told."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


_HEAD = shape.a_map(
    {
        "expiry": shape.unsigned(),
        "origin": shape.bytes_of(32),
        "hop_limit": shape.unsigned(),
        "message_id": shape.bytes_of(16),
        "destination": shape.bytes_of(32),
    }
)


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _frames(data: bytes) -> tuple[bytes, bytes]:
    """The two frames of a packet. Raises NoPacket."""
    found = []
    for most in (MAX_HEAD, MAX_ENVELOPE):
        if len(data) < 4:
            raise NoPacket(Reason.MALFORMED)
        length = int.from_bytes(data[:4], "big")
        if length > most:
            raise NoPacket(Reason.TOO_LARGE)
        if len(data) < 4 + length:
            raise NoPacket(Reason.MALFORMED)
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        raise NoPacket(Reason.MALFORMED)
    return found[0], found[1]


@dataclass(frozen=True)
class Packet:
    origin: bytes
    destination: bytes
    message_id: bytes
    hop_limit: int
    expiry: int
    envelope: bytes

    def head(self) -> bytes:
        return cbor.encode(
            {
                "expiry": self.expiry,
                "origin": self.origin,
                "hop_limit": self.hop_limit,
                "message_id": self.message_id,
                "destination": self.destination,
            }
        )

    def encode(self) -> bytes:
        return _frame(self.head()) + _frame(self.envelope)

    @staticmethod
    def decode(data: bytes) -> Packet:
        """Raises NoPacket."""
        head, envelope = _frames(data)
        try:
            packet = Packet(**shape.decode(head, _HEAD), envelope=envelope)
        except Malformed as error:
            raise NoPacket(Reason.MALFORMED) from error
        keys = identity.usable(packet.origin) and identity.usable(packet.destination)
        if not keys or packet.origin == packet.destination:
            raise NoPacket(Reason.MALFORMED)
        if not 1 <= packet.hop_limit <= MAX_HOPS:
            raise NoPacket(Reason.HOP_LIMIT)
        return packet


@dataclass(frozen=True)
class Answered:
    hops: int
    envelope: bytes

    def head(self) -> bytes:
        return cbor.encode({"hops": self.hops, "outcome": "answered"})

    def encode(self) -> bytes:
        return _frame(self.head()) + _frame(self.envelope)


@dataclass(frozen=True)
class RefusedPacket:
    reason: Reason
    retry_after_ms: int | None = None

    def head(self) -> bytes:
        later = {} if self.retry_after_ms is None else {"retry_after_ms": self.retry_after_ms}
        return cbor.encode({"reason": str(self.reason), "outcome": "refused", **later})

    def encode(self) -> bytes:
        return _frame(self.head()) + _frame(b"")


def place(public: bytes) -> bytes:
    """SHA-256 of the key's libp2p peer id."""
    return hashlib.sha256(bytes.fromhex("002408011220") + public).digest()
