"""What a decoded value has to look like. Every check raises Malformed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import cbor
from .cbor import Malformed, Value

Check = Callable[[Value], None]


def decode(data: bytes, check: Check) -> Any:
    """An item that passes the check. Raises Malformed."""
    value = cbor.decode(data)
    check(value)
    return value


def unsigned(most: int = 2**64 - 1, least: int = 0) -> Check:
    def check(value: Value) -> None:
        if type(value) is not int or not least <= value <= most:
            raise Malformed(f"not a number from {least} to {most}")

    return check


def flag(value: Value) -> None:
    if type(value) is not bool:
        raise Malformed("neither true nor false")


def bytes_of(length: int) -> Check:
    def check(value: Value) -> None:
        if type(value) is not bytes or len(value) != length:
            raise Malformed(f"not {length} bytes")

    return check


def bytes_to(most: int) -> Check:
    def check(value: Value) -> None:
        if type(value) is not bytes or len(value) > most:
            raise Malformed(f"not at most {most} bytes")

    return check


def is_uuid(data: bytes) -> bool:
    """Version 4, RFC variant."""
    return len(data) == 16 and data[6] >> 4 == 4 and data[8] >> 6 == 2


def uuid(value: Value) -> None:
    if type(value) is not bytes or not is_uuid(value):
        raise Malformed("not a UUID v4")


def text(most: int) -> Check:
    """Text of at most so many bytes."""

    def check(value: Value) -> None:
        if type(value) is not str or len(value.encode()) > most:
            raise Malformed(f"not text of at most {most} bytes")

    return check


def one_of(*words: str) -> Check:
    def check(value: Value) -> None:
        if value not in words:
            raise Malformed(f"none of {words}")

    return check


def array(of: Check, most: int, least: int = 0) -> Check:
    def check(value: Value) -> None:
        if type(value) is not list or not least <= len(value) <= most:
            raise Malformed(f"not an array of {least} to {most}")
        for entry in value:
            of(entry)

    return check


def a_map(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Exactly these keys."""
    known = {**required, **(optional or {})}

    def check(value: Value) -> None:
        if type(value) is not dict:
            raise Malformed("not a map")
        if not required.keys() <= value.keys() <= known.keys():
            raise Malformed(f"keys {sorted(value)}")
        for key, entry in value.items():
            known[key](entry)

    return check


def one_entry(of: Mapping[str, Check]) -> Check:
    """A map with one of these entries."""

    def check(value: Value) -> None:
        if type(value) is not dict or len(value) != 1:
            raise Malformed("not a map with one entry")
        a_map({key: of[key] for key in value if key in of})(value)

    return check
