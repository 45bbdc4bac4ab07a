"""Frames on streams of the carrier. §14.1, §14.4"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from .envelope import MAX_ENVELOPE, Envelope, Kind
from .errors import Refused

PROTOCOL = "/peer/1.1.0"
SESSION_PROTOCOL = "/peer/1.1.0/session"
MAX_REQUESTS = 2**32

Read = Callable[[int], bytes]
"""Exactly so many bytes; raises EOFError if the stream ends before."""


class Violation(Exception):
    """What ends a session stream."""


def frame(envelope: bytes) -> bytes:
    """Of `/peer/1.1.0`."""
    return len(envelope).to_bytes(4, "big") + envelope


def read_frame(read: Read) -> bytes | None:
    """None if it is longer than an envelope may be; then nothing of it was read. Raises EOFError."""
    length = int.from_bytes(read(4), "big")
    return read(length) if length <= MAX_ENVELOPE else None


class FrameKind(IntEnum):
    CREDIT = 0
    REQUEST = 1
    ANSWER = 2
    DROP = 3


@dataclass(frozen=True)
class Frame:
    """Of `/peer/1.1.0/session`."""

    kind: FrameKind
    id: int
    body: bytes = b""

    def encode(self) -> bytes:
        return len(self.body).to_bytes(4, "big") + bytes([self.kind]) + self.id.to_bytes(4, "big") + self.body


def credit(frames: int, size: int) -> bytes:
    return Frame(FrameKind.CREDIT, 0, frames.to_bytes(4, "big") + size.to_bytes(4, "big")).encode()


def _head(read: Read) -> tuple[int, int, int]:
    head = read(9)
    return int.from_bytes(head[:4], "big"), head[4], int.from_bytes(head[5:], "big")


@dataclass
class Opener:
    """The account of the side that asks."""

    frames: int = 0
    size: int = 0
    next: int = 0
    open: dict[int, int] = field(default_factory=dict)

    def request(self, envelope: bytes) -> Frame | None:
        """None while the credit does not allow it."""
        too_many = len(self.open) >= self.frames or sum(self.open.values()) + len(envelope) > self.size
        if too_many or self.next >= MAX_REQUESTS:
            return None
        asked = Frame(FrameKind.REQUEST, self.next, envelope)
        self.open[self.next] = len(envelope)
        self.next += 1
        return asked

    def read(self, read: Read) -> Frame | None:
        """An answer or a drop; None for a credit. Raises Violation, EOFError."""
        length, kind, id = _head(read)
        if kind not in (FrameKind.CREDIT, FrameKind.ANSWER, FrameKind.DROP):
            raise Violation(f"a frame of kind {kind}")
        if kind == FrameKind.CREDIT:
            if length != 8:
                raise Violation(f"a credit of {length} bytes")
            body = read(8)
            frames, size = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")
            if frames < self.frames or size < self.size:
                raise Violation("a credit that is less than the one before")
            self.frames, self.size = frames, size
            return None
        if id not in self.open or length > MAX_ENVELOPE or (kind == FrameKind.DROP and length):
            raise Violation(f"frame {id} of {length} bytes")
        answer = Frame(FrameKind(kind), id, read(length))
        del self.open[id]
        return answer


@dataclass
class Answerer:
    """The account of the side that answers."""

    frames: int
    size: int
    next: int = 0
    open: dict[int, int] = field(default_factory=dict)

    def read(self, read: Read) -> Frame:
        """A request. Raises Violation, EOFError."""
        length, kind, id = _head(read)
        if kind != FrameKind.REQUEST or id != self.next or length > MAX_ENVELOPE:
            raise Violation(f"frame {id} of kind {kind} with {length} bytes")
        if len(self.open) >= self.frames or sum(self.open.values()) + length > self.size:
            raise Violation("more than granted")
        request = Frame(FrameKind.REQUEST, id, read(length))
        try:
            if Envelope.decode(request.body).msg_type is not Kind.SEALED:
                raise Violation("an envelope that is not sealed")
        except Refused:
            # Answered like one on `/peer/1.1.0`.
            pass
        self.open[id] = length
        self.next += 1
        return request

    def answer(self, id: int, envelope: bytes | None) -> bytes:
        del self.open[id]
        if envelope is None:
            return Frame(FrameKind.DROP, id).encode()
        return Frame(FrameKind.ANSWER, id, envelope).encode()
