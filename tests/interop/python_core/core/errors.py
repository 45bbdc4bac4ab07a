"""The sixteen codes, and errors outside a session. §2.7, §15"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from . import cbor, shape


class Code(StrEnum):
    INVALID_VERSION = "INVALID_VERSION"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    REPLAY_DETECTED = "REPLAY_DETECTED"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    SEQUENCE_ERROR = "SEQUENCE_ERROR"
    DECRYPTION_FAILED = "DECRYPTION_FAILED"
    CHALLENGE_EXPIRED = "CHALLENGE_EXPIRED"
    CHALLENGE_INVALID = "CHALLENGE_INVALID"
    HANDSHAKE_IN_PROGRESS = "HANDSHAKE_IN_PROGRESS"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    ENCRYPTION_NOT_READY = "ENCRYPTION_NOT_READY"
    INVALID_STATE = "INVALID_STATE"
    ENCRYPTION_REQUIRED = "ENCRYPTION_REQUIRED"
    RATE_LIMITED = "RATE_LIMITED"
    CHUNK_ERROR = "CHUNK_ERROR"
    DHT_ERROR = "DHT_ERROR"


class Refused(Exception):
    """A check failed. What it was a check of has changed nothing."""

    def __init__(self, code: Code, detail: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.retry_after_ms = code, detail, retry_after_ms


def require(holds: bool, code: Code, detail: str) -> None:
    if not holds:
        raise Refused(code, detail)


@dataclass(frozen=True)
class ErrorBody:
    """The body of `error`."""

    code: Code
    detail: str = ""
    in_reply_to: bytes | None = None
    retry_after_ms: int | None = None

    def encode(self) -> bytes:
        body: dict[str, cbor.Value] = {"code": str(self.code), "detail": self.detail}
        if self.in_reply_to is not None:
            body["in_reply_to"] = self.in_reply_to
        if self.retry_after_ms is not None:
            body["retry_after_ms"] = self.retry_after_ms
        return cbor.encode(body)

    @staticmethod
    def decode(data: bytes) -> ErrorBody:
        """Unknown codes make an error unreadable. Raises Malformed."""
        body = shape.decode(data, SHAPE)
        return ErrorBody(Code(body["code"]), body["detail"], body.get("in_reply_to"), body.get("retry_after_ms"))


SHAPE = shape.a_map(
    {"code": shape.one_of(*Code), "detail": shape.text(4096)},
    {"in_reply_to": shape.bytes_of(16), "retry_after_ms": shape.unsigned()},
)
