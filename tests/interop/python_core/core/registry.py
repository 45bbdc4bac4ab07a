"""Registry records and keys. §11.1 to §11.4, §11.6"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import cbor, identity, mailbox, shape
from .cbor import Malformed, Value
from .identity import Key

MAX_RECORD = 4096
MAX_TTL_S = 86_400
MAX_AHEAD_MS = 60_000


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def capability_hash(capability: str) -> str:
    """Of the empty name for the record of an entity."""
    return _sha256(capability.encode()).hex()


def record_key(entity_id: str, capability: str = "") -> bytes:
    return _sha256(entity_id.encode(), b":", capability_hash(capability).encode())


def mirrors(key: bytes) -> list[bytes]:
    return [_sha256(b"mirror:", key, digit) for digit in (b"1", b"2")]


def provider_key(capability: str, digits: str = "") -> bytes:
    """Of the root, or of a shard."""
    shard = f":{digits}".encode() if digits else b""
    return _sha256(b"capability:", capability_hash(capability).encode(), shard)


def shard_digits(public: bytes) -> list[str]:
    """Where a provider announces itself: the root and three shards."""
    first = identity.digest(public)[0]
    digits = "".join(str(first >> shift & 3) for shift in (6, 4, 2))
    return [digits[:count] for count in range(4)]


def _address(value: Value) -> None:
    shape.text(256)(value)
    if not value.startswith("/"):
        raise Malformed("not an address")


def _capability(value: Value) -> None:
    shape.text(64)(value)
    if not value or unicodedata.normalize("NFC", value) != value or any(unicodedata.category(c) == "Cc" for c in value):
        raise Malformed("not a capability")


def _entity_id(value: Value) -> None:
    if type(value) is not str or not identity.is_entity_id(value):
        raise Malformed("not an entity id")


_SHAPE = shape.a_map(
    {
        "ttl": shape.unsigned(MAX_TTL_S),
        "addresses": shape.array(_address, 16),
        "entity_id": _entity_id,
        "last_seen": shape.unsigned(),
        "signature": shape.bytes_of(64),
        "public_key": shape.bytes_of(32),
        "capabilities": shape.array(_capability, 32),
    },
    {"prekey": mailbox.PREKEY, "mailboxes": shape.array(shape.bytes_of(32), 4, least=1)},
)


@dataclass(frozen=True)
class Record:
    entity_id: str
    public_key: bytes
    addresses: Sequence[str]
    capabilities: Sequence[str]
    last_seen: int
    ttl: int
    mailboxes: Sequence[bytes] = ()
    prekey: dict[str, Any] | None = None

    def unsigned(self) -> bytes:
        entries: dict[str, Any] = {
            "ttl": self.ttl,
            "addresses": list(self.addresses),
            "entity_id": self.entity_id,
            "last_seen": self.last_seen,
            "public_key": self.public_key,
            "capabilities": list(self.capabilities),
        }
        if self.mailboxes:
            entries["mailboxes"] = list(self.mailboxes)
        if self.prekey is not None:
            entries["prekey"] = self.prekey
        return cbor.encode(entries)

    def sign(self, key: Key) -> bytes:
        signature = key.sign(signature_input(self.unsigned()))
        return cbor.encode({**cbor.decode(self.unsigned()), "signature": signature})

    def keys(self) -> list[bytes]:
        """Where it stands."""
        own = [record_key(name) for name in identity.names(self.entity_id, self.public_key)]
        capabilities = [record_key(self.entity_id, capability) for capability in self.capabilities]
        return [*own, *(mirror for key in own for mirror in mirrors(key)), *capabilities]


def signature_input(unsigned: bytes) -> bytes:
    return b"peer-v1.1-registry" + _sha256(unsigned)


def believe(data: bytes, key: bytes, now: int) -> Record:
    """A record that stands under `key`. Raises Malformed if it must not be believed."""
    if len(data) > MAX_RECORD:
        raise Malformed("too long")
    entries = shape.decode(data, _SHAPE)
    boxes, prekey, public = entries.get("mailboxes", []), entries.get("prekey"), entries["public_key"]
    capabilities = entries["capabilities"]
    record = Record(
        entries["entity_id"], public, entries["addresses"], capabilities, entries["last_seen"], entries["ttl"],
        boxes, prekey,
    )
    checks = {
        "capabilities that are not sorted, or twice": capabilities == sorted(set(capabilities), key=str.encode),
        "a withdrawal with addresses, mailboxes or a prekey": record.ttl or not (record.addresses or boxes or prekey),
        "a prekey without mailboxes": boxes or prekey is None,
        "its own mailbox, or one twice": public not in boxes and len(set(boxes)) == len(boxes),
        "under another's key": key in record.keys(),
        "an id that is another key's": identity.may_use(record.entity_id, public),
        "too new": record.last_seen <= now + MAX_AHEAD_MS,
        "over": not record.ttl or now < record.last_seen + 1000 * record.ttl,
        "the signature": identity.verify(public, signature_input(record.unsigned()), entries["signature"]),
    }
    for what, holds in checks.items():
        if not holds:
            raise Malformed(what)
    return record
