"""Messages of version 1.0: canonical JSON, and its signature. §13.1, §13.2"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from . import identity
from .cbor import Malformed

SIGNED = ("msg_type", "nonce", "payload", "sender_id", "timestamp", "version")


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _base64(text: Any, length: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise Malformed("not base64") from error
    if len(data) != length or base64.b64encode(data).decode() != text:
        raise Malformed("not canonical base64, or of another length")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Malformed("a key twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise Malformed(name)


def read(text: str, public: bytes) -> dict[str, Any]:
    """A message whose signature holds. Raises Malformed."""
    try:
        message = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise Malformed("not JSON") from error
    if type(message) is not dict or any(message.get(name) is None for name in (*SIGNED, "signature")):
        raise Malformed("members are missing")
    if message["version"] != "1.0" or type(message["payload"]) is not dict:
        raise Malformed("not version 1.0")
    _base64(message["nonce"], 16)
    signed = canonical({name: message[name] for name in SIGNED}).encode()
    if not identity.verify(public, signed, _base64(message["signature"], 64)):
        raise Malformed("the signature does not hold")
    return message
