"""A real node, and peers in Python for it."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any, TypeVar

from core.bodies import Type
from core.errors import Code
from core.session import Session
from nodes import RunningNode, eventually
from peer import Peer, PeerRefused

T = TypeVar("T")


class WithNode(unittest.TestCase):
    """All tests of a class share a node."""

    ARGUMENTS: tuple[str, ...] = ()
    node: Any

    @classmethod
    def setUpClass(cls) -> None:
        cls.node = RunningNode("node", "--dht", "off", *cls.ARGUMENTS)
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

    def serves(self, peer: Peer, session: Session) -> None:
        """The node still answers in this session."""
        beat = peer.message(Type.HEARTBEAT)
        kinds = [message.type for message in peer.ask(session, [beat])]
        self.assertEqual(sorted(kinds), ["heartbeat_ack", "receipt"])


def until(condition: Callable[[], T], timeout: float = 20.0) -> T:
    found: T = eventually(condition, timeout)
    return found
