"""The 18 types of messages and their bodies. §7.1, §7.2"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from . import cbor, errors, identity, mailbox, shape
from .cbor import Malformed, Value
from .errors import Code, ErrorBody, require

MAX_BODY = 1_052_672
MAX_CONTENT = 1_048_576
MAX_TEXT = 4096


class Type(StrEnum):
    TASK = "task"
    TASK_RESULT = "task_result"
    STATUS_REPORT = "status_report"
    WAKE_UP = "wake_up"
    WAKE_UP_ACK = "wake_up_ack"
    HEARTBEAT = "heartbeat"
    HEARTBEAT_ACK = "heartbeat_ack"
    CAPABILITY_QUERY = "capability_query"
    CAPABILITY_RESPONSE = "capability_response"
    DISCOVERY = "discovery"
    DISCOVERY_RESPONSE = "discovery_response"
    CHUNK = "chunk"
    CHUNK_ACK = "chunk_ack"
    MAILBOX = "mailbox"
    MAILBOX_RESULT = "mailbox_result"
    RECEIPT = "receipt"
    ERROR = "error"
    SESSION_CLOSE = "session_close"


ANSWERS = frozenset(
    (Type.TASK_RESULT, Type.WAKE_UP_ACK, Type.HEARTBEAT_ACK, Type.CAPABILITY_RESPONSE, Type.DISCOVERY_RESPONSE,
     Type.MAILBOX_RESULT)
)
NOT_ACKNOWLEDGED = frozenset((Type.RECEIPT, Type.ERROR, Type.SESSION_CLOSE))
MAY_BE_ORDERED = frozenset((Type.TASK, Type.TASK_RESULT, Type.STATUS_REPORT))


def _entity_id(value: Value) -> None:
    if type(value) is not str or not identity.is_entity_id(value):
        raise Malformed("not an entity id")


_ID = shape.uuid
_TEXT = shape.text(MAX_TEXT)
_NAME = shape.text(64)
_NAMES = shape.array(_NAME, 64)
_CONTENT = shape.bytes_to(MAX_CONTENT)
_OFFER = shape.a_map(
    {"digest": shape.bytes_of(32), "purpose": shape.one_of("file", "content"), "content_type": _NAME},
    {"name": shape.text(255)},
)
_FOUND = shape.a_map(
    {"addresses": shape.array(_TEXT, 64), "entity_id": _entity_id, "public_key": shape.bytes_of(32),
     "capabilities": _NAMES}
)

_BODIES: dict[Type, shape.Check] = {
    Type.TASK: shape.a_map(
        {"content": _CONTENT, "content_type": _NAME}, {"name": _TEXT, "transfer": _ID, "conversation": _TEXT}
    ),
    Type.TASK_RESULT: shape.a_map(
        {"content": _CONTENT, "outcome": shape.one_of("done", "failed"), "content_type": _NAME}, {"transfer": _ID}
    ),
    Type.STATUS_REPORT: shape.a_map(
        {"status": _TEXT, "content": _CONTENT, "content_type": _NAME}, {"transfer": _ID, "next_action": _TEXT}
    ),
    Type.WAKE_UP: shape.a_map({"reason": _TEXT, "attempt": shape.unsigned(2**32 - 1)}),
    Type.WAKE_UP_ACK: shape.a_map(
        {"detail": _TEXT, "outcome": shape.one_of("awake", "handed_to_agent", "no_agent", "refused")}
    ),
    Type.HEARTBEAT: shape.a_map({}),
    Type.HEARTBEAT_ACK: shape.a_map(
        {"agent": shape.one_of("attached", "absent", "unresponsive", "unknown"), "uptime_ms": shape.unsigned()},
        {"agent_idle_ms": shape.unsigned()},
    ),
    Type.CAPABILITY_QUERY: shape.a_map({"names": _NAMES}),
    Type.CAPABILITY_RESPONSE: shape.a_map({"capabilities": _NAMES}),
    Type.DISCOVERY: shape.a_map({}, {"entity_id": _entity_id, "capability": _NAME}),
    Type.DISCOVERY_RESPONSE: shape.a_map({"entities": shape.array(_FOUND, 64)}),
    Type.CHUNK: shape.a_map(
        {"data": _CONTENT, "total": shape.unsigned(), "offset": shape.unsigned(), "transfer": _ID},
        {"offer": _OFFER, "cancel": _TEXT},
    ),
    Type.CHUNK_ACK: shape.a_map({"window": shape.unsigned(), "received": shape.unsigned(), "transfer": _ID}),
    Type.MAILBOX: mailbox.REQUEST,
    Type.MAILBOX_RESULT: mailbox.RESULT,
    Type.RECEIPT: shape.a_map(
        {"status": shape.one_of("received", "delivered", "processed"), "message_ids": shape.array(_ID, 512)}
    ),
    Type.ERROR: errors.SHAPE,
    Type.SESSION_CLOSE: shape.a_map({"reason": _TEXT}),
}


def encode(type: Type, **entries: Value) -> bytes:
    """A body; what is None is left out. Raises Malformed if it is not valid."""
    body = {key: value for key, value in entries.items() if value is not None}
    _BODIES[type](body)
    return cbor.encode(body)


def check_type(type: str) -> None:
    """Raises Refused if it is unknown."""
    require(type in set(Type), Code.INVALID_VERSION, "an unknown type")


def decode(type: str, data: bytes) -> dict[str, Any]:
    """Of a known type. Raises Malformed if the body is not valid."""
    if len(data) > MAX_BODY:
        raise Malformed("a body over its bound")
    body: dict[str, Any] = shape.decode(data, _BODIES[Type(type)])
    return body


def error(code: Code, detail: str = "", retry_after_ms: int | None = None) -> bytes:
    return ErrorBody(code, detail, None, retry_after_ms).encode()
