"""Prekeys, items and receipts of mailboxes. §18.2 to §18.5"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import batch, cbor, errors, identity, kdf, shape
from .cbor import Malformed, Value
from .identity import Key
from .suites import SUITES

MAX_ITEM = 131_072
MAX_SKEW_MS = 60_000
MAX_ITEM_LIFE_MS = 14 * 86_400_000

_ID = shape.uuid
_KEY = shape.bytes_of(32)
_NUMBER = shape.unsigned()
_BYTES = shape.bytes_to(1_048_576)

PREKEY = shape.a_map({"id": _ID, "key": _KEY, "expires": _NUMBER, "signature": shape.bytes_of(64)})
ITEM = shape.a_map(
    {"id": _ID, "suite": shape.text(64), "prekey": _ID, "expires": _NUMBER, "payload": shape.bytes_to(MAX_ITEM),
     "ephemeral": _KEY, "recipient": _KEY}
)
LETTER = shape.a_map(
    {"batch": shape.bytes_to(MAX_ITEM), "sender_id": shape.text(128), "signature": shape.bytes_of(64),
     "timestamp": _NUMBER, "sender_key": _KEY},
    {"spent": shape.array(_ID, 32, least=1)},
)
RECEIPT = shape.a_map(
    {"at": _NUMBER, "ids": shape.array(_ID, 512, least=1), "owner": _KEY, "sender": _KEY,
     "status": shape.one_of("delivered", "processed", "refused"), "signature": shape.bytes_of(64)},
    {"code": shape.one_of(*errors.Code)},
)

REQUEST = shape.one_entry(
    {
        "put": shape.a_map({"items": shape.array(_BYTES, 64), "owner": _KEY}),
        "take": shape.a_map({"count": _NUMBER, "owner": _KEY}),
        "fetch": shape.a_map({}, {"after": _NUMBER}),
        "settle": shape.a_map({"items": shape.array(_NUMBER, 512), "receipts": shape.array(_BYTES, 64)}),
        "collect": shape.a_map({}, {"done": _NUMBER}),
        "deposit": shape.a_map({"keys": shape.array(PREKEY, 128), "reset": shape.flag}, {"last_resort": PREKEY}),
    }
)
RESULT = shape.one_entry(
    {
        "page": shape.a_map(
            {"more": shape.flag, "items": shape.array(shape.a_map({"item": _BYTES, "number": _NUMBER}), 64)}
        ),
        "stored": shape.a_map(
            {"items": shape.array(shape.one_of("stored", "full", "refused"), 64), "waiting": _NUMBER}
        ),
        "prekeys": shape.a_map({"keys": shape.array(PREKEY, 32)}, {"last_resort": PREKEY}),
        "refused": errors.SHAPE,
        "settled": shape.a_map({"items": _NUMBER, "receipts": _NUMBER}),
        "receipts": shape.a_map(
            {"more": shape.flag, "receipts": shape.array(shape.a_map({"number": _NUMBER, "receipt": _BYTES}), 64)}
        ),
        "deposited": shape.a_map({"left": _NUMBER, "items": _NUMBER}),
    }
)


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def prekey_input(id: bytes, key: bytes, owner: bytes, expires: int) -> bytes:
    return b"peer-v1.1-prekey" + id + key + owner + expires.to_bytes(8, "big")


def sign_prekey(owner: Key, id: bytes, key: bytes, expires: int) -> dict[str, Value]:
    signature = owner.sign(prekey_input(id, key, owner.public, expires))
    return {"id": id, "key": key, "expires": expires, "signature": signature}


def prekey_holds(prekey: dict[str, Any], owner: bytes) -> bool:
    signed = prekey_input(prekey["id"], prekey["key"], owner, prekey["expires"])
    return identity.verify(owner, signed, prekey["signature"])


@dataclass(frozen=True)
class Header:
    """An item without its payload."""

    id: bytes
    suite: str
    prekey: bytes
    expires: int
    ephemeral: bytes
    recipient: bytes

    def encode(self) -> bytes:
        return cbor.encode(self.__dict__)

    def salt(self, prekey_key: bytes) -> bytes:
        label = b"peer-v1.1-mailbox"
        return _sha256(label, self.recipient, self.prekey, prekey_key, self.ephemeral, self.suite.encode())

    def key(self, shared: bytes, prekey_key: bytes) -> bytes:
        return kdf.hkdf(shared, self.salt(prekey_key), b"peer-v1.1-mailbox-key")

    def seal(self, key: bytes, plaintext: bytes) -> bytes:
        """The item."""
        payload = SUITES[self.suite].seal(key, bytes(12), self.encode(), plaintext)
        return cbor.encode({**self.__dict__, "payload": payload})


@dataclass(frozen=True)
class Letter:
    """What an item seals."""

    batch: bytes
    sender_id: str
    sender_key: bytes
    timestamp: int
    spent: Sequence[bytes] = ()

    def unsigned(self) -> bytes:
        entries: dict[str, Any] = {
            "batch": self.batch,
            "sender_id": self.sender_id,
            "timestamp": self.timestamp,
            "sender_key": self.sender_key,
        }
        if self.spent:
            entries["spent"] = list(self.spent)
        return cbor.encode(entries)

    def signature_input(self, header: bytes) -> bytes:
        return b"peer-v1.1-mailbox-item" + _sha256(kdf.prefixed(header), self.unsigned())

    def sign(self, key: Key, header: bytes) -> bytes:
        """The plaintext."""
        signature = key.sign(self.signature_input(header))
        return cbor.encode({**cbor.decode(self.unsigned()), "signature": signature})


def open_item(
    item: bytes, owner: bytes, prekeys: dict[bytes, bytes], now: int
) -> tuple[Letter, list[batch.Message]]:
    """By the owner, whose prekeys' private halves these are. Checks 1 to 8. Raises Malformed or Refused."""
    if len(item) > MAX_ITEM:
        raise Malformed("too long")
    entries = shape.decode(item, ITEM)
    header = Header(**{key: value for key, value in entries.items() if key != "payload"})
    secret = prekeys.get(header.prekey)
    if secret is None or header.recipient != owner or now > header.expires + MAX_SKEW_MS or header.suite not in SUITES:
        raise Malformed("not to be opened here")
    key = header.key(kdf.shared_secret(secret, header.ephemeral), kdf.ephemeral_public(secret))
    without = cbor.without(item, "payload")
    plaintext = SUITES[header.suite].open(key, bytes(12), without, entries["payload"])
    letter_map = shape.decode(plaintext, LETTER)
    signature = letter_map.pop("signature")
    letter = Letter(**letter_map)
    named = identity.is_entity_id(letter.sender_id) and identity.may_use(letter.sender_id, letter.sender_key)
    if not named or not identity.verify(letter.sender_key, letter.signature_input(without), signature):
        raise Malformed("not signed by its sender")
    messages = batch.decode(letter.batch)
    orders = [message.order for message in messages if message.order is not None]
    numbers = [order.number for order in orders]
    rising = numbers == sorted(set(numbers)) and len({order.stream for order in orders}) == 1
    if len(orders) != len(messages) or not rising or letter.sender_key == owner:
        raise Malformed("not a batch for a mailbox")
    in_time = letter.timestamp <= now + MAX_SKEW_MS
    if not in_time or header.expires > letter.timestamp + MAX_ITEM_LIFE_MS + MAX_SKEW_MS:
        raise Malformed("from the future, or with too long a life")
    return letter, messages


@dataclass(frozen=True)
class Receipt:
    owner: bytes
    sender: bytes
    ids: Sequence[bytes]
    status: str
    at: int
    code: str | None = None

    def unsigned(self) -> bytes:
        code = {} if self.code is None else {"code": self.code}
        entries = {"at": self.at, "ids": list(self.ids), "owner": self.owner, "sender": self.sender}
        return cbor.encode({**entries, "status": self.status, **code})

    def signature_input(self) -> bytes:
        return b"peer-v1.1-mailbox-receipt" + _sha256(self.unsigned())

    def sign(self, owner: Key) -> bytes:
        signature = owner.sign(self.signature_input())
        return cbor.encode({**cbor.decode(self.unsigned()), "signature": signature})


def read_receipt(data: bytes) -> Receipt:
    """Raises Malformed, or Refused if a key is unusable."""
    entries = shape.decode(data, RECEIPT)
    signature = entries.pop("signature")
    receipt = Receipt(**entries)
    if (receipt.status == "refused") != (receipt.code is not None):
        raise Malformed("a code exactly if it is refused")
    if not identity.verify(receipt.owner, receipt.signature_input(), signature):
        raise Malformed("not signed by its owner")
    return receipt
