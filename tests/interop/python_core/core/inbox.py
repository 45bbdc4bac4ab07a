"""What becomes of each message of an opened envelope, and what its sender is told. §7.1, §7.3, §8.2, §8.3"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import bodies, order
from .batch import Message
from .bodies import ANSWERS, NOT_ACKNOWLEDGED, Type
from .cbor import Malformed
from .errors import Code, Refused, require

MAX_VOLATILE_IDS = 4096


@dataclass
class Taken:
    """What was taken from one envelope, and what is said of it."""

    messages: list[Message] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    refused: bool = False


class Inbox:
    """Of one peer key. `delivered` promises a disk; whoever uses this beyond tests has to keep `ordered` on one."""

    def __init__(self, draw_id: Callable[[], bytes]) -> None:
        self.draw_id = draw_id
        self.ordered = order.Incoming()
        self.volatile: dict[bytes, None] = {}

    def receive(self, messages: list[Message]) -> Taken:
        taken = Taken()
        received, delivered = [], []
        for message in messages:
            try:
                bodies.check_type(message.type)
                if message.order is not None:
                    what, now = self.ordered.take(message, check)
                    taken.messages += now
                    delivered += [ready.id for ready in now]
                    if what is order.What.KNOWN:
                        delivered.append(message.id)
                elif message.id in self.volatile:
                    received.append(message.id)
                else:
                    check(message)
                    taken.messages.append(message)
                    if message.type not in NOT_ACKNOWLEDGED:
                        received.append(message.id)
                        self._remember(message.id)
            except Refused as error:
                taken.refused = True
                body = bodies.error(error.code, error.detail, error.retry_after_ms)
                taken.answers.append(Message(self.draw_id(), Type.ERROR, body, in_reply_to=message.id))
        if delivered:
            taken.answers.append(self.receipt("delivered", delivered))
        if received or not delivered:
            taken.answers.append(self.receipt("received", received))
        return taken

    def receipt(self, status: str, ids: list[bytes]) -> Message:
        return Message(self.draw_id(), Type.RECEIPT, bodies.encode(Type.RECEIPT, status=status, message_ids=ids))

    def _remember(self, id: bytes) -> None:
        self.volatile[id] = None
        while len(self.volatile) > MAX_VOLATILE_IDS:
            del self.volatile[next(iter(self.volatile))]


def check(message: Message) -> None:
    """What is looked at only when a message is to be taken. Raises Refused."""
    nameless = message.type in ANSWERS and message.in_reply_to is None
    require(not nameless, Code.INVALID_STATE, "an answer to nothing")
    try:
        bodies.decode(message.type, message.body)
    except Malformed as error:
        raise Refused(Code.INVALID_VERSION, str(error)) from error
