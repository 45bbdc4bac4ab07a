"""A real node, and peers in Python for it."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any, TypeVar

from nodes import RunningNode, eventually

from core.batch import Message
from core.bodies import Type
from core.envelope import Envelope, Kind
from core.errors import Code, ErrorBody
from core.identity import derived_id
from core.session import Session
from peer import Peer, PeerRefused, key_of, receipts

T = TypeVar("T")


class WithNode(unittest.TestCase):
    """All tests of a class share a node."""

    ARGUMENTS: tuple[str, ...] = ()
    node: Any

    @classmethod
    def setUpClass(cls) -> None:
        # At the end it is not to wait for peers that have gone.
        cls.node = RunningNode("node", "--dht", "off", "--shutdown-grace", "1ms", *cls.ARGUMENTS)
        cls.addClassCleanup(cls.node.remove)

    def peer(self, name: str = "", /, **options: Any) -> Peer:
        """A peer that is not connected. Its name is that of the test, so that no two share one."""
        peer = Peer(name or self.id().rpartition(".")[2], **options)
        self.addCleanup(peer.close)
        return peer

    def connected(self, name: str = "", /, **options: Any) -> Peer:
        peer = self.peer(name, **options)
        peer.connect(self.node.address)
        return peer

    def refused(self, code: Code, ask: Callable[[], object]) -> PeerRefused:
        """It is, with this code, by an error that holds."""
        with self.assertRaises(PeerRefused) as refused:
            ask()
        self.assertEqual(refused.exception.code, code, refused.exception.body.detail)
        return refused.exception

    def wrong(self, peer: Peer, code: Code, raw: bytes) -> PeerRefused:
        """This request is refused, with this code."""
        return self.refused(code, lambda: peer.exchange(raw))

    def in_reply_to_nothing(self, peer: Peer, code: Code, answer: bytes) -> None:
        """An error for bytes of which not even the nonce could be read."""
        envelope = Envelope.decode(answer)
        self.assertEqual(envelope.msg_type, Kind.ERROR)
        envelope.check_signature(key_of(peer.peer_id))
        self.assertEqual(envelope.recipient_id, derived_id(peer.key.public))
        body = ErrorBody.decode(envelope.payload)
        self.assertEqual((body.code, body.in_reply_to), (code, None), body.detail)

    def delivered(self, peer: Peer, *messages: Message) -> None:
        """The node has them on disk, and says so: in its answer, or later."""
        for message in messages:
            self.assertIn(until(lambda id=message.id: peer.told.get(id)), ("delivered", "processed"))  # type: ignore[misc]

    def serves(self, peer: Peer, session: Session) -> None:
        """The node still answers in this session."""
        beat = peer.message(Type.HEARTBEAT)
        self.assertEqual(receipts(peer.ask(session, [beat])), {beat.id: "received"})


def until(condition: Callable[[], T], timeout: float = 20.0) -> T:
    found: T = eventually(condition, timeout)
    return found
