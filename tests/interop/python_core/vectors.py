"""The committed vectors, with their bytes decoded where a test asks for them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.handshake import Entity
from core.identity import Key

DIRECTORY = Path(os.environ.get("SOURCES", Path(__file__).parents[3])) / "protocol/tests/vectors"


def load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((DIRECTORY / name).read_text())
    return vectors


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


class Played:
    """A clock and randomness that do as a vector says."""

    def __init__(self, draws: list[dict[str, str]]) -> None:
        self.time = 0
        self.draws = [unhex(draw["bytes"]) for draw in draws]

    def now(self) -> int:
        return self.time

    def random(self, count: int) -> bytes:
        drawn = self.draws.pop(0)
        assert len(drawn) == count, f"{count} bytes were asked for, and {len(drawn)} are next"
        return drawn


def entity(side: dict[str, Any], vector: dict[str, Any]) -> tuple[Entity, Played]:
    """One side of a handshake, as the vector sets it up."""
    played = Played(side["random"])
    made = Entity(
        name=side["entity_id"],
        key=Key(unhex(side["identity_seed"])),
        now=played.now,
        monotonic=played.now,
        random=played.random,
        suites=side["cipher_suites"],
        features=side["features"],
        three_way=True,
        lifetime_ms=vector["session_lifetime_ms"],
        challenge_lifetime_ms=vector.get("challenge_lifetime_ms", 30_000),
    )
    return made, played


def each_byte(data: bytes, change: Callable[[int], int] = lambda byte: byte ^ 1) -> list[bytes]:
    """The data with one byte changed, for each byte."""
    return [data[:at] + bytes([change(byte)]) + data[at + 1 :] for at, byte in enumerate(data)]
