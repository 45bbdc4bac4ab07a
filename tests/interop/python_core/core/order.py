"""Ordered messages: numbering them, and taking each once, in order. §8.2"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from .batch import Message, Order
from .bodies import MAY_BE_ORDERED
from .errors import Code, Refused, require

MAX_IDS = 4096
MAX_STREAMS_OVER = 16
MAX_HELD = 1024
NO_NUMBER = 2**64 - 1

Check = Callable[[Message], None]
"""Of a message that is to be taken. Raises Refused."""


class Outgoing:
    """One's own stream to one peer. What is unsettled stays here until `settle`."""

    def __init__(self, stream: bytes) -> None:
        self.stream, self.next = stream, 0
        self.unsettled: dict[bytes, Message] = {}

    def add(self, message: Message) -> Message:
        """Gives the message its number."""
        numbered = replace(message, order=Order(self.stream, self.next))
        self.next += 1
        self.unsettled[message.id] = numbered
        return self.to_send(message.id)

    def to_send(self, id: bytes) -> Message:
        """With `after` as it is now."""
        message = self.unsettled[id]
        order = message.order
        if order is None:
            return message
        lower = [m.order.number for m in self.unsettled.values() if m.order and m.order.number < order.number]
        return replace(message, order=replace(order, after=max(lower, default=None)))

    def settle(self, id: bytes) -> None:
        self.unsettled.pop(id, None)


class What(Enum):
    TAKEN = auto()
    KNOWN = auto()
    HELD = auto()


class Incoming:
    """The messages of one sending key. Rules 1 to 7; nothing here is on disk, so rule 2 has no place."""

    def __init__(self) -> None:
        self.stream: bytes | None = None
        self.next = 0
        self.over: list[bytes] = []
        self.ids: dict[bytes, None] = {}
        self.held: dict[int, Message] = {}

    def take(self, message: Message, check: Check) -> tuple[What, list[Message]]:
        """What becomes of it, and what is taken now, in order. Raises Refused."""
        require(message.type in MAY_BE_ORDERED, Code.INVALID_STATE, "never ordered")
        order = message.order
        assert order is not None
        if message.id in self.ids:
            return What.KNOWN, []
        require(order.stream not in self.over, Code.SEQUENCE_ERROR, "the stream is over")
        current = order.stream == self.stream
        require(not current or order.number >= self.next, Code.SEQUENCE_ERROR, "later ones were taken already")
        require(order.number != NO_NUMBER, Code.SEQUENCE_ERROR, "no number")
        due = order.after is None or order.after < self.next
        begins = not current and due and (order.after is None or self.next <= order.number)
        if not begins and not (current and due):
            self._hold(message)
            return What.HELD, []
        check(message)
        if begins:
            self._begin(order.stream)
        # Lower ones that are held go first: their sender is done with what they wait for.
        ready = [self.held.pop(number) for number in sorted(self.held) if number < order.number]
        return What.TAKEN, self._taken([*ready, message], check)

    def _begin(self, stream: bytes) -> None:
        if self.stream is not None:
            self.over = [*self.over, self.stream][-MAX_STREAMS_OVER:]
        self.stream = stream
        self.held = {n: m for n, m in self.held.items() if m.order and m.order.stream == stream}

    def _hold(self, message: Message) -> None:
        order = message.order
        assert order is not None
        if order.number in self.held or len(self.held) < MAX_HELD:
            self.held[order.number] = message

    def _taken(self, messages: list[Message], check: Check) -> list[Message]:
        taken = []
        while messages:
            message = messages.pop(0)
            order = message.order
            assert order is not None
            try:
                check(message)
            except Refused:
                # One that was held: it comes again, and is refused then.
                continue
            self.next = order.number + 1
            self.ids[message.id] = None
            taken.append(message)
            if not messages:
                messages = self._follows()
        for id in list(self.ids)[: max(0, len(self.ids) - MAX_IDS)]:
            del self.ids[id]
        return taken

    def _follows(self) -> list[Message]:
        """The lowest that is held, if what it waits for has been taken."""
        if not self.held:
            return []
        lowest = self.held[min(self.held)]
        order = lowest.order
        assert order is not None
        if order.after is None or order.after < self.next:
            return [self.held.pop(order.number)]
        return []
