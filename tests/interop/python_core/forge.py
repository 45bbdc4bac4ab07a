"""Envelopes that are wrong in one thing, and signed all the same."""

from __future__ import annotations

from typing import Any

from core import cbor
from core.identity import Key
from core.suites import SHA256, Prehash

ANOTHER_SESSION = bytes.fromhex("0123456789ab4def8123456789abcdef")


def signed(entries: dict[str, Any], key: Key, prehash: Prehash = SHA256) -> bytes:
    unsigned = {name: value for name, value in entries.items() if name != "signature"}
    signature = key.sign(prehash.signature_input(cbor.encode(unsigned)))
    return cbor.encode({**unsigned, "signature": signature})


def changed(raw: bytes, key: Key, prehash: Prehash = SHA256, /, **entries: Any) -> bytes:
    """An envelope with other entries; None leaves one out."""
    envelope = {**cbor.decode(raw), **entries}
    return signed({name: value for name, value in envelope.items() if value is not None}, key, prehash)


def body(raw: bytes, key: Key, /, **entries: Any) -> bytes:
    """An envelope whose body has other entries; None leaves one out."""
    inside = {**cbor.decode(cbor.decode(raw)["payload"]), **entries}
    return changed(raw, key, payload=cbor.encode({name: value for name, value in inside.items() if value is not None}))


def flipped(data: bytes, at: int = 0) -> bytes:
    """With one bit of one byte changed."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def spoiled(raw: bytes) -> bytes:
    """An envelope whose signature does not hold."""
    entries = cbor.decode(raw)
    return cbor.encode({**entries, "signature": flipped(entries["signature"])})
