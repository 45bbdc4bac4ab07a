"""Values and bytes with something wrong in them, or something unusual. The same seed makes the same."""

from __future__ import annotations

import random
from typing import Any

import cbor2

from core import cbor

UUID = bytes.fromhex("0123456789ab4def8123456789abcdef")
UNUSUAL: tuple[Any, ...] = (
    0, 1, 23, 24, 255, 256, 2**32, 2**53, 2**53 + 1, 2**64 - 1, -1, 1.5, None, True, False,
    b"", bytes(15), bytes(16), bytes(17), bytes(32), bytes(64), UUID,
    "", "x", "done", "node", "1.1", "sealed", "x" * 64, "x" * 65, "x" * 129, "x" * 4096, "x" * 4097,
    "e\u0301", "\x07", "/x",
    [], [""], ["x"] * 64, ["x"] * 65, [UUID], {}, {"x": 1},
)
KEYS = "zz", "a", "encrypted", "session_id", "order", "in_reply_to", "transfer"


class Mutator:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, value: Any) -> Any:
        """With one part of it replaced, left out or added."""
        draw = self.random
        if isinstance(value, dict) and value and draw.random() < 0.85:
            key = draw.choice(sorted(value))
            what = draw.random()
            if what < 0.15:
                return {other: part for other, part in value.items() if other != key}
            if what < 0.3:
                return {**value, draw.choice(KEYS): draw.choice(UNUSUAL)}
            return {**value, key: self.value(value[key])}
        if isinstance(value, list) and value and draw.random() < 0.7:
            at = draw.randrange(len(value))
            what = draw.random()
            if what < 0.2:
                return value[:at] + value[at + 1 :]
            if what < 0.4:
                return value[:at] + [value[at]] + value[at:]
            return [*value[:at], self.value(value[at]), *value[at + 1 :]]
        if isinstance(value, bytes) and value and draw.random() < 0.4:
            return self.piece(value)
        if type(value) is int and draw.random() < 0.4:
            return max(0, value + draw.choice((-61_000, -30_000, -1, 1, 600_000)))
        return draw.choice(UNUSUAL)

    def piece(self, data: bytes) -> bytes:
        """With a few of them changed, put in or taken out."""
        draw = self.random
        at = draw.randrange(len(data) + 1)
        some = draw.randbytes(draw.randint(1, 3))
        return draw.choice((
            lambda: data[:at] + some + data[at:],
            lambda: data[:at] + data[at + len(some) :],
            lambda: data[:at] + some + data[at + len(some) :],
            lambda: data[:at],
            lambda: data + some,
        ))()

    def encoded(self, data: bytes) -> bytes:
        """An item in which one or two things are other than they were; now and then it is no item."""
        if self.random.random() < 0.25:
            return self.piece(data)
        value = cbor.decode(data)
        for _ in range(self.random.choice((1, 1, 2))):
            value = self.value(value)
        return cbor2.dumps(value, canonical=True)
