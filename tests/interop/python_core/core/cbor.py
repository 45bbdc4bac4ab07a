"""Deterministic CBOR: what may stand on the wire, and how. §2.2, §2.5

The values themselves are made and read by cbor2; here stands what it is too lenient about.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cbor2

Value: TypeAlias = Any  # int | bytes | str | bool | list[Value] | dict[str, Value]

MAX_DEPTH = 8
MAX_ENTRIES = 4096

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
FALSE, TRUE = 20, 21


class Malformed(Exception):
    """These bytes are not what the document allows."""


def encode(value: Value) -> bytes:
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Value:
    """Exactly one item in the encoding of §2.2. Raises Malformed."""
    if _item(data, 0, 1) != len(data):
        raise Malformed("bytes after the item")
    return cbor2.loads(data)


def without(data: bytes, *names: str) -> bytes:
    """A map without these entries: its head reduced, all other bytes as they stand."""
    _, count, at = _head(data, 0)
    kept = []
    for _ in range(count):
        value = _item(data, at, 2)
        end = _item(data, value, 2)
        if cbor2.loads(data[at:value]) not in names:
            kept.append(data[at:end])
        at = end
    return _map_head(len(kept)) + b"".join(kept)


def _map_head(count: int) -> bytes:
    return cbor2.dumps(dict.fromkeys(range(count)))[: 1 if count < 24 else 2]


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where what follows begins."""
    if at >= len(data):
        raise Malformed("it ends too early")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        return major, info, at
    if info > 27:
        raise Malformed("an indefinite length, or a reserved head")
    size = 1 << (info - 24)
    if at + size > len(data):
        raise Malformed("it ends too early")
    argument = int.from_bytes(data[at : at + size], "big")
    shortest = 24 if size == 1 else 1 << (4 * size)
    if major != SIMPLE and argument < shortest:
        raise Malformed("a head that could be shorter")
    return major, argument, at + size


def _item(data: bytes, at: int, depth: int) -> int:
    """Where the item that begins at `at` ends."""
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    begin = at
    major, argument, at = _head(data, at)
    if major in (UNSIGNED, NEGATIVE):
        return at
    if major in (BYTES, TEXT):
        if argument > len(data) - at:
            raise Malformed("it ends too early")
        if major == TEXT:
            try:
                data[at : at + argument].decode()
            except UnicodeDecodeError as error:
                raise Malformed("text that is not UTF-8") from error
        return at + argument
    if major in (ARRAY, MAP):
        if argument > MAX_ENTRIES:
            raise Malformed("too many entries")
        last = b""
        for _ in range(argument):
            if major == MAP:
                end = _item(data, at, depth + 1)
                if data[at] >> 5 != TEXT:
                    raise Malformed("a key that is not text")
                if data[at:end] <= last:
                    raise Malformed("keys out of order, or twice")
                last, at = data[at:end], end
            at = _item(data, at, depth + 1)
        return at
    if major == SIMPLE and at == begin + 1 and argument in (FALSE, TRUE):
        return at
    raise Malformed("a tag, a float or another simple value")
