"""What stands inside a sealed envelope: 1 to 256 messages. §2.4, §8.2"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import cbor, shape
from .cbor import Malformed
from .envelope import MAX_ENVELOPE
from .errors import Code, Refused

MAX_MESSAGES = 256

ORDER = shape.a_map({"number": shape.unsigned(), "stream": shape.uuid}, {"after": shape.unsigned()})
MESSAGE = shape.a_map(
    # Bounds of body and type are checked with the message: they spoil nothing else.
    {"id": shape.uuid, "body": shape.bytes_to(MAX_ENVELOPE), "type": shape.text(MAX_ENVELOPE)},
    {"order": ORDER, "in_reply_to": shape.uuid},
)
BATCH = shape.array(MESSAGE, MAX_MESSAGES, least=1)


@dataclass(frozen=True)
class Order:
    """A message's place among all that its sender sends the receiver."""

    stream: bytes
    number: int
    after: int | None = None

    def to_map(self) -> dict[str, Any]:
        after = {} if self.after is None else {"after": self.after}
        return {"stream": self.stream, "number": self.number, **after}


@dataclass(frozen=True)
class Message:
    id: bytes
    type: str
    body: bytes
    order: Order | None = None
    in_reply_to: bytes | None = None

    def to_map(self) -> dict[str, Any]:
        entries: dict[str, Any] = {"id": self.id, "body": self.body, "type": self.type}
        if self.order is not None:
            entries["order"] = self.order.to_map()
        if self.in_reply_to is not None:
            entries["in_reply_to"] = self.in_reply_to
        return entries


def encode(messages: Sequence[Message]) -> bytes:
    return cbor.encode([message.to_map() for message in messages])


def decode(plaintext: bytes) -> list[Message]:
    """Raises Refused. Bodies are not looked at: one that is wrong spoils only its message."""
    try:
        maps = shape.decode(plaintext, BATCH)
    except Malformed as error:
        raise Refused(Code.INVALID_VERSION, f"no batch: {error}") from error
    return [
        Message(
            entry["id"],
            entry["type"],
            entry["body"],
            Order(**entry["order"]) if "order" in entry else None,
            entry.get("in_reply_to"),
        )
        for entry in maps
    ]
